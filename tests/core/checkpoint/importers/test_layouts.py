"""The shapes that are compared with a file are those of our networks."""

import pytest
import torch

from diverse_inpainting.core.checkpoint import build_blank
from diverse_inpainting.core.checkpoint.importers import RefusedFileError, layouts
from diverse_inpainting.core.networks import DiscriminatorConfig, GeneratorConfig, ModelConfig

CONFIGS = [
    {"resolution": 32, "channel_base": 320, "channel_max": 12, "num_classes": 0},
    {"resolution": 64, "channel_base": 512, "channel_max": 14, "num_classes": 3},
    {"resolution": 1024, "channel_base": 1024, "channel_max": 4, "num_classes": 0},
]


def blank(sizes):
    generator = {**sizes, "z_dim": 7, "w_dim": 9, "mapping_depth": 3}
    discriminator = {**sizes, "stddev_channels": 2, "mapping_depth": 2}
    config = ModelConfig(
        generator=GeneratorConfig(**generator), discriminator=DiscriminatorConfig(**discriminator)
    )
    return generator, discriminator, build_blank(config)


def without_mean(module):
    return {k: tuple(v.shape) for k, v in module.state_dict().items() if not k.endswith("w_avg")}


@pytest.mark.parametrize("sizes", CONFIGS, ids=lambda sizes: sizes["resolution"])
def test_keys_and_shapes_are_those_of_the_networks(sizes):
    generator, discriminator, model = blank(sizes)
    shapes = without_mean(model.generator)
    blocks = len(model.generator.synthesis.blocks)
    has_labels = sizes["num_classes"] > 0
    assert layouts.generator_shapes(generator) == shapes
    assert {*layouts.generator_keys(blocks, 3, has_labels)} == {*shapes}
    shapes = without_mean(model.discriminator)
    assert layouts.discriminator_shapes(discriminator) == shapes
    assert {*layouts.discriminator_keys(blocks - 1, 2, has_labels)} == {*shapes}


@pytest.mark.parametrize("sizes", CONFIGS, ids=lambda sizes: sizes["resolution"])
def test_settings_come_back_from_the_shapes(sizes):
    generator, discriminator, model = blank(sizes)
    blocks = len(model.generator.synthesis.blocks)
    found = layouts.generator_config(dict(model.generator.state_dict()), blocks, 3)
    assert GeneratorConfig(**found) == GeneratorConfig(**generator)
    found = layouts.discriminator_config(dict(model.discriminator.state_dict()), blocks - 1, 2)
    if not sizes["num_classes"]:
        discriminator.pop("mapping_depth")
    assert DiscriminatorConfig(**found) == DiscriminatorConfig(**discriminator)


def test_a_channel_table_that_no_formula_gives_is_refused_with_the_table():
    _, _, model = blank(CONFIGS[0])
    tensors = dict(model.generator.state_dict())
    tensors["synthesis.blocks.1.conv1.bias"] = torch.zeros(5)
    with pytest.raises(RefusedFileError, match=r"12 at 4, 5 at 8, 12 at 16, 10 at 32"):
        layouts.generator_config(tensors, 4, 3)


@pytest.mark.parametrize("resolution", [4, 16, 2048])
def test_other_resolutions_are_refused(resolution):
    with pytest.raises(RefusedFileError, match=f"images of {resolution} pixels"):
        layouts.check_resolution(resolution)
