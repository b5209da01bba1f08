"""S: shapes, Appendix A's blocks, and that stage 2 starts from stage 1."""

import math

import pytest
import torch
from torch import nn

from diverse_inpainting.core.errors import ConfigError
from diverse_inpainting.core.networks import (
    Generator,
    GeneratorConfig,
    SkipEncoder,
    SkipEncoderConfig,
)
from diverse_inpainting.core.networks.skip_encoder import ResidualLayer
from tolerances import assert_close

GENERATOR = GeneratorConfig(resolution=32, z_dim=6, w_dim=10, channel_base=128, channel_max=8)
CONFIG = SkipEncoderConfig(resolution=32, stem_width=4, widths=(4, 6, 8))


@pytest.fixture
def skip_encoder(device):
    return SkipEncoder(CONFIG, GENERATOR).double().to(device).eval()


@pytest.fixture
def inputs(generator, device):
    """(composite, erased, valid) of three images."""
    composite = 2 * torch.rand(3, 3, 32, 32, generator=generator, dtype=torch.float64) - 1
    valid = torch.ones(3, 1, 32, 32, dtype=torch.float64)
    valid[:, :, 5:20, 8:] = 0
    return composite.to(device), (composite * valid).to(device), valid.to(device)


def wake(skip_encoder, generator):
    """Give the last convolutions, which start at zero, something to say."""
    with torch.no_grad():
        for head in skip_encoder.heads:
            for branch in (head.add, head.mult):
                weight = branch[-1].weight
                weight.copy_(0.3 * torch.randn(weight.shape, generator=generator))


@pytest.mark.parametrize("resolution", [32, 64, 256, 1024])
def test_shapes(resolution):
    """Maps at R/2, R/4 and R/8, as wide as the generator's features there."""
    generator_config = GeneratorConfig(resolution=resolution, channel_base=2048, channel_max=16)
    config = SkipEncoderConfig(resolution=resolution, stem_width=4, widths=(4, 6, 8))
    with torch.device("meta"):
        image = torch.zeros(2, 3, resolution, resolution)
        skips = SkipEncoder(config, generator_config)(image, image, image[:, :1])
    assert list(skips) == [resolution // 2, resolution // 4, resolution // 8]
    for side, maps in skips.items():
        shape = (2, generator_config.channels(side), side, side)
        assert [tuple(x.shape) for x in maps] == [shape, shape]


@pytest.mark.parametrize(("largest", "halvings"), [(256, 0), (128, 1), (16, 4)])
def test_maps_of_sides_that_do_not_follow_the_resolution(largest, halvings):
    """The paper's 128, 64 and 32 at 512 pixels: more pooling before the first block."""
    generator_config = GeneratorConfig(resolution=512, channel_base=2048, channel_max=16)
    config = SkipEncoderConfig(resolution=512, stem_width=4, widths=(4, 6, 8), largest_side=largest)
    with torch.device("meta"):
        image = torch.zeros(1, 3, 512, 512)
        network = SkipEncoder(config, generator_config)
        skips = network(image, image, image[:, :1])
    assert len(network.reduce) == halvings
    shapes = {side: tuple(add.shape[1:]) for side, (add, _) in skips.items()}
    sides = (largest, largest // 2, largest // 4)
    assert shapes == {side: (generator_config.channels(side), side, side) for side in sides}


@pytest.mark.parametrize("largest", [8, 100, 512, 0, -128])
def test_other_sides_are_refused(largest):
    with pytest.raises(ConfigError, match="largest_side"):
        SkipEncoderConfig(resolution=512, largest_side=largest)


def test_appendix_a():
    """7 -> 32 channels, three blocks of three layers with 48, 64, 96 channels, pooling first."""
    with torch.device("meta"):
        network = SkipEncoder(SkipEncoderConfig(), GeneratorConfig())
    assert tuple(network.stem.weight.shape[:2]) == (32, 7)
    assert [len(block) for block in network.blocks] == [3, 3, 3]
    widths = [[layer.convs[3].out_channels for layer in block] for block in network.blocks]
    assert widths == [[48] * 3, [64] * 3, [96] * 3]
    pools = [[isinstance(layer.pool, nn.MaxPool2d) for layer in block] for block in network.blocks]
    assert pools == [[True, False, False]] * 3
    layer = network.blocks[0][0]
    assert [type(m) for m in layer.convs] == [
        *(nn.Conv2d, nn.BatchNorm2d, nn.PReLU, nn.Conv2d, nn.BatchNorm2d)
    ]


def test_starts_neutral(skip_encoder, inputs):
    """G_add is zero and G_mult sigmoid(-4) everywhere, whatever the image."""
    for add, mult in skip_encoder(*inputs).values():
        assert not add.any()
        assert_close(mult, torch.full_like(mult, 1 / (1 + math.exp(4))))


def test_stage_2_starts_from_stage_1(skip_encoder, inputs, generator, device):
    """G's image with the initial skips is that without within a twentieth of its contrast."""
    network = Generator(GENERATOR).double().to(device)
    ws = torch.randn(3, 8, 10, generator=generator, dtype=torch.float64).to(device)
    with torch.no_grad():
        plain = network.synthesis(ws)
        refined = network.synthesis(ws, skips=skip_encoder(*inputs))
    distance = (refined - plain).square().mean().sqrt() / plain.std()
    assert 0 < distance < 0.05


def test_the_first_step_learns(skip_encoder, inputs, device):
    """The zeroed convolutions themselves have gradients, or S would never start."""
    network = Generator(GENERATOR).double().to(device)
    ws = torch.randn(3, 8, 10, dtype=torch.float64, device=device)
    network.synthesis(ws, skips=skip_encoder(*inputs)).square().sum().backward()
    for head in skip_encoder.heads:
        for branch in (head.add, head.mult):
            assert branch[-1].weight.grad.any()
            assert branch[-1].bias.grad.any()


def test_gradients_reach_every_parameter(skip_encoder, inputs, generator):
    wake(skip_encoder, generator)
    skip_encoder.train()
    sum(m.square().sum() for maps in skip_encoder(*inputs).values() for m in maps).backward()
    # What goes into a batch norm has no bias, so nothing may be silent.
    assert not [name for name, p in skip_encoder.named_parameters() if not p.grad.any()]


def test_all_inputs_matter(skip_encoder, inputs, generator):
    wake(skip_encoder, generator)
    before = skip_encoder(*inputs)
    for i in range(3):
        changed = [1 - x if i == j else x for j, x in enumerate(inputs)]
        after = skip_encoder(*changed)
        assert all((after[s][0] - before[s][0]).abs().max() > 1e-6 for s in CONFIG.sides)


def test_ranges(skip_encoder, inputs, generator):
    """G_add is linear, G_mult is between 0 and 1."""
    wake(skip_encoder, generator)
    for add, mult in skip_encoder(*inputs).values():
        assert add.min() < 0 < add.max()
        assert 0 < mult.min() < mult.max() < 1


def test_samples_do_not_mix_in_eval_mode(skip_encoder, inputs, generator):
    wake(skip_encoder, generator)
    skip_encoder.train()
    skip_encoder(*inputs)  # moves the running statistics away from their start
    skip_encoder.eval()
    together = skip_encoder(*inputs)
    for i in range(3):
        alone = skip_encoder(*(x[i : i + 1] for x in inputs))
        for side in CONFIG.sides:
            for one, all_ in zip(alone[side], together[side], strict=True):
                assert_close(one, all_[i : i + 1])


def test_residual_layer_by_its_parts():
    layer = ResidualLayer(2, 3, pool=True).double().eval()
    x = torch.randn(1, 2, 4, 4, dtype=torch.float64)
    pooled = x.reshape(1, 2, 2, 2, 2, 2).amax(dim=(3, 5))
    total = layer.convs(pooled) + layer.shortcut(pooled)
    expected = torch.where(total > 0, total, layer.activation.weight[:, None, None] * total)
    assert_close(layer(x), expected)
    same = ResidualLayer(3, 3, pool=False)
    assert isinstance(same.shortcut, nn.Identity)
    assert same(torch.zeros(2, 3, 5, 5)).shape == (2, 3, 5, 5)
