"""A prior that goes on at a larger side."""

import dataclasses

import torch

from diverse_inpainting.core.networks import (
    Discriminator,
    DiscriminatorConfig,
    Generator,
    GeneratorConfig,
)
from diverse_inpainting.core.ops import upsample2d
from diverse_inpainting.training.growth import grow

SMALL = GeneratorConfig(
    resolution=32, z_dim=8, w_dim=8, channel_base=256, channel_max=16, mapping_depth=2
)
SMALL_D = DiscriminatorConfig(resolution=32, channel_base=256, channel_max=16)
SIDE = 128


def test_a_grown_generator_starts_from_the_enlarged_picture():
    torch.manual_seed(0)
    small, large = Generator(SMALL), Generator(dataclasses.replace(SMALL, resolution=SIDE))
    for parameter in small.parameters():
        parameter.data.add_(torch.randn_like(parameter) * 0.1)
    grow(large, small.state_dict(), 32)
    w = small.mapping(torch.randn(2, 8))
    wanted = small.synthesis(small.broadcast(w))
    for _ in range(2):
        wanted = upsample2d(wanted, large.synthesis.taps)
    torch.testing.assert_close(large.synthesis(large.broadcast(w)), wanted)


def test_a_grown_generator_keeps_its_mapping_and_its_layers():
    small, large = Generator(SMALL), Generator(dataclasses.replace(SMALL, resolution=SIDE))
    grow(large, small.state_dict(), 32)
    grown = large.state_dict()
    for name, value in small.state_dict().items():
        assert torch.equal(grown[name], value), name


def test_a_grown_discriminator_keeps_what_judges_smaller_maps():
    torch.manual_seed(1)
    small = Discriminator(SMALL_D)
    large = Discriminator(dataclasses.replace(SMALL_D, resolution=SIDE))
    own = {name: value.clone() for name, value in large.state_dict().items()}
    grow(large, small.state_dict(), 32)
    maps = torch.randn(4, 8, 32, 32)
    for old, new in zip(small.blocks, large.blocks[2:], strict=True):
        maps, same = new(maps), old(maps)
        assert torch.equal(maps, same)
    assert torch.equal(large.out.weight, small.out.weight)
    for name in ("from_rgb.weight", "blocks.0.conv0.weight", "blocks.1.skip.weight"):
        assert torch.equal(large.state_dict()[name], own[name])
