"""What the classifier of unknown images sees, and that it judges each image by itself."""

import pytest
import torch

from diverse_inpainting.core.errors import ConfigError
from diverse_inpainting.core.networks import (
    Familiarity,
    FamiliarityConfig,
    GeneratorConfig,
    ModelConfig,
    build,
)
from diverse_inpainting.core.networks.familiarity import shrink
from tolerances import assert_close

N, R, SIDE = 3, 64, 32


@pytest.fixture
def erased(generator):
    """Erased images and M."""
    valid = (torch.rand(N, 1, R, R, generator=generator) > 0.4).float()
    return torch.randn(N, 3, R, R, generator=generator) * valid, valid


def test_shrinking_averages_valid_pixels_only(erased):
    image, valid = erased
    small = shrink(image, valid, SIDE)
    for row, column in ((0, 0), (3, 17), (31, 31)):
        area = (..., slice(2 * row, 2 * row + 2), slice(2 * column, 2 * column + 2))
        for n in range(N):
            known = valid[n][area][0].bool()
            is_valid = known.sum() > 2
            assert small[n, 3, row, column] == float(is_valid)
            expected = image[n][area][:, known].mean(dim=1) if is_valid else torch.zeros(3)
            assert_close(small[n, :3, row, column], expected)


def test_an_image_of_that_side_is_kept(erased):
    image, valid = erased
    assert torch.equal(shrink(image, valid, R), torch.cat([image, valid], dim=1))


def test_each_image_is_judged_by_itself(erased):
    torch.manual_seed(0)
    judge = Familiarity(FamiliarityConfig()).eval()
    together = judge(*erased)
    assert together.shape == (N,) and together.std() > 0
    alone = torch.cat([judge(*(x[n : n + 1] for x in erased)) for n in range(N)])
    assert_close(alone, together)


def test_it_may_not_see_more_than_the_generator_makes():
    generator = GeneratorConfig(resolution=32, channel_base=256, channel_max=16)
    with pytest.raises(ConfigError, match="side of at most 32"):
        ModelConfig(generator=generator, familiarity=FamiliarityConfig(side=64))
    config = ModelConfig(generator=generator, familiarity=FamiliarityConfig(widths=(4, 4, 4)))
    assert ModelConfig.from_dict(config.to_dict()) == config
    assert tuple(build(config).parts) == ("generator", "familiarity")
