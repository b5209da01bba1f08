"""Outliers are images, of the range and size of those they are made of, and other than these."""

import pytest
import torch

from diverse_inpainting.training.outliers import KINDS, make_outliers


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("R", [32, 64])
def test_each_kind_makes_other_images_of_the_same_range(kind, R, generator):
    for _ in range(20):
        image = 2 * torch.rand(3, R, R, generator=generator) - 1
        made = kind(image, generator)
        assert made.shape == image.shape and made.isfinite().all() and made.abs().max() <= 1
        assert (made - image).abs().mean() > 0.1


def test_turned_and_broken_images_keep_every_pixel(generator):
    image = torch.rand(3, 32, 32, generator=generator)
    for kind in KINDS[:2] + KINDS[3:4]:
        made = kind(image, generator)
        assert torch.equal(made.flatten(1).sort().values, image.flatten(1).sort().values)


def test_all_kinds_come_in_turn_and_depend_on_the_generator_alone():
    images = torch.rand(2 * len(KINDS), 3, 32, 32)
    first, again = (make_outliers(images, torch.Generator().manual_seed(3)) for _ in range(2))
    assert torch.equal(first, again)
    other = make_outliers(images, torch.Generator().manual_seed(4))
    assert not any(torch.equal(a, b) for a, b in zip(first[6:9], other[6:9], strict=True))
    assert first[0].flatten().sort().values.equal(images[0].flatten().sort().values)
    assert first[len(KINDS)].sum() == pytest.approx(float(images[len(KINDS)].sum()), rel=1e-4)
