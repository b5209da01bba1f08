"""Configurations: round trip, refusals, sizes of the presets, and the names of the weights."""

import dataclasses
import json
from pathlib import Path

import pytest
import torch

from diverse_inpainting.core.errors import ConfigError
from diverse_inpainting.core.networks import (
    PRESETS,
    DiscriminatorConfig,
    EncoderConfig,
    GeneratorConfig,
    MixerConfig,
    ModelConfig,
    SkipEncoderConfig,
    build,
)
from diverse_inpainting.core.networks.config import num_layers

SNAPSHOT = Path(__file__).with_name("state_dict_keys.json")

TINY_PSP = ModelConfig(
    generator=GeneratorConfig(
        resolution=32, z_dim=6, w_dim=8, channel_base=128, channel_max=12, num_classes=2
    ),
    discriminator=DiscriminatorConfig(
        resolution=32, channel_base=128, channel_max=12, num_classes=2, mapping_depth=2
    ),
    encoder=EncoderConfig(resolution=32, w_dim=8, width=4, max_width=16, depths=(1, 2, 1, 1)),
    mixer=MixerConfig(num_layers=8, w_dim=8),
    skip_encoder=SkipEncoderConfig(
        resolution=32, stem_width=4, widths=(4, 6, 8), layers_per_block=2
    ),
)


def on_meta(config):
    with torch.device("meta"):
        return build(config)


def num_parameters(module):
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.mark.parametrize(
    ("resolution", "layers"),
    [(32, 8), (64, 10), (128, 12), (256, 14), (512, 16), (1024, 18)],
)
def test_number_of_style_layers(resolution, layers):
    """14 at 256 pixels, as in the paper's Appendix A; two more for every doubling."""
    assert num_layers(resolution) == layers
    assert GeneratorConfig(resolution=resolution).num_layers == layers
    assert EncoderConfig(resolution=resolution).num_layers == layers
    assert GeneratorConfig(resolution=resolution).block_resolutions[-1] == resolution


def test_channels_of_the_paper_preset():
    """NVIDIA's 256 px configuration: channel_base 16384, at most 512."""
    config = PRESETS["paper256"].generator
    widths = {side: config.channels(side) for side in config.block_resolutions}
    assert widths == {4: 512, 8: 512, 16: 512, 32: 512, 64: 256, 128: 128, 256: 64}


@pytest.mark.parametrize(
    "config",
    [
        *PRESETS.values(),
        TINY_PSP,
        ModelConfig(),
        dataclasses.replace(
            TINY_PSP, mixer=MixerConfig(kind="none", num_layers=8, w_dim=8), discriminator=None
        ),
        dataclasses.replace(TINY_PSP, mixer=MixerConfig(kind="fc", num_layers=8, w_dim=8)),
    ],
    ids=[*PRESETS, "tiny_psp", "generator_only", "without_mixing", "fc"],
)
def test_survives_json(config):
    assert ModelConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


def test_a_limit_on_features_is_written_only_if_there_is_one():
    """Without one, files stay what earlier versions wrote and read."""
    assert all("conv_clamp" not in part for part in TINY_PSP.to_dict().values())
    limited = dataclasses.replace(
        TINY_PSP, generator=dataclasses.replace(TINY_PSP.generator, conv_clamp=256.0)
    )
    data = json.loads(json.dumps(limited.to_dict()))
    assert data["generator"]["conv_clamp"] == 256.0
    assert ModelConfig.from_dict(data) == limited


def test_absent_parts_are_left_out():
    config = ModelConfig(generator=TINY_PSP.generator)
    assert set(config.to_dict()) == {"generator"}
    assert set(on_meta(config).parts) == {"generator"}


def test_presets_name_all_parts():
    for config in PRESETS.values():
        parts = {"generator", "discriminator", "encoder", "mixer", "skip_encoder"}
        assert set(config.to_dict()) == parts
        assert set(on_meta(config).parts) == parts


@pytest.mark.parametrize(
    ("data", "named"),
    [
        ({}, "generator"),
        (None, "generator"),
        ({"encoder": {}}, "generator"),
        ({"generator": {}, "decoder": {}}, "decoder"),
        ({"generator": {"resolutions": 64}}, "resolutions"),
        ({"generator": []}, "GeneratorConfig"),
        ({"generator": "big"}, "GeneratorConfig"),
        ({"generator": {"resolution": 100}}, "100"),
        ({"generator": {"resolution": 2048}}, "2048"),
        ({"generator": {"resolution": 64.0}}, "64.0"),
        ({"generator": {"z_dim": 0}}, "z_dim"),
        ({"generator": {"w_dim": -1}}, "w_dim"),
        ({"generator": {"w_dim": True}}, "w_dim"),
        ({"generator": {"channel_max": 1.5}}, "channel_max"),
        ({"generator": {"channel_base": 128, "resolution": 256}}, "channel_base"),
        ({"generator": {"mapping_depth": "8"}}, "mapping_depth"),
        ({"generator": {"mapping_lr_multiplier": 0}}, "mapping_lr_multiplier"),
        ({"generator": {"mapping_lr_multiplier": float("nan")}}, "mapping_lr_multiplier"),
        ({"generator": {"mapping_lr_multiplier": "0.01"}}, "mapping_lr_multiplier"),
        ({"generator": {"num_classes": -1}}, "num_classes"),
        ({"generator": {"num_classes": 1.5}}, "num_classes"),
        ({"generator": {}, "discriminator": {"resolution": 128}}, "128"),
        ({"generator": {}, "discriminator": {"stddev_group_size": 0}}, "stddev_group_size"),
        ({"generator": {}, "discriminator": {"stddev_channels": 0}}, "stddev_channels"),
        ({"generator": {}, "discriminator": {"stddev_channels": 3}}, "stddev_channels"),
        ({"generator": {}, "discriminator": {"channel_base": 64}}, "channel_base"),
        ({"generator": {}, "discriminator": {"num_classes": -1}}, "num_classes"),
        ({"generator": {}, "discriminator": {"mapping_depth": -1}}, "mapping_depth"),
        ({"generator": {"conv_clamp": 0}}, "conv_clamp"),
        ({"generator": {"conv_clamp": -256.0}}, "conv_clamp"),
        ({"generator": {"conv_clamp": "256"}}, "conv_clamp"),
        ({"generator": {}, "discriminator": {"conv_clamp": 0.0}}, "conv_clamp"),
        ({"generator": {}, "encoder": {"kind": "e4e"}}, "e4e"),
        ({"generator": {}, "encoder": {"resolution": 128}}, "128"),
        ({"generator": {}, "encoder": {"w_dim": 256}}, "256"),
        ({"generator": {}, "encoder": {"depths": [3, 4, 14]}}, "depths"),
        ({"generator": {}, "encoder": {"depths": [3, 4, 0, 3]}}, "depths"),
        ({"generator": {}, "encoder": {"depths": 3}}, "depths"),
        ({"generator": {}, "mixer": {"num_layers": 12}}, "12"),
        ({"generator": {}, "mixer": {"kind": "cross"}}, "cross"),
        ({"generator": {}, "skip_encoder": {"resolution": 512}}, "512"),
        ({"generator": {}, "skip_encoder": {"widths": [48, 64]}}, "widths"),
        ({"generator": {}, "skip_encoder": {"widths": None}}, "widths"),
        ({"generator": {}, "skip_encoder": {"layers_per_block": 0}}, "layers_per_block"),
    ],
    ids=repr,
)
def test_rejects(data, named):
    with pytest.raises(ConfigError) as caught:
        ModelConfig.from_dict(data)
    assert named in str(caught.value)


def test_unchangeable():
    with pytest.raises(dataclasses.FrozenInstanceError):
        GeneratorConfig().w_dim = 3


def test_parameters_of_the_papers_encoder():
    encoder = on_meta(PRESETS["paper256"]).encoder
    assert num_parameters(encoder) == pytest.approx(209.5e6, abs=0.06e6)


@pytest.mark.parametrize("name", ["demo64", "demo128"])
def test_the_small_encoder_is_small(name):
    assert num_parameters(on_meta(PRESETS[name]).encoder) <= 3.0e6


@pytest.mark.parametrize("name", ["demo64", "demo128"])
def test_the_demo_fits_its_files(name):
    """In float16: all but the discriminator in 26 MB, the discriminator in 12 MB."""
    size = {
        part: sum(2 * tensor.numel() for tensor in module.state_dict().values())
        for part, module in on_meta(PRESETS[name]).parts.items()
    }
    assert size.pop("discriminator") < 12e6
    assert sum(size.values()) < 26e6


@pytest.mark.parametrize("name", ["demo64", "tiny_psp"])
def test_names_of_the_weights_stay(name):
    """The keys of a state dict are public: files out there hold them.

    state_dict_keys.json has them with their shapes (of `demo64`, whose widths may change, the
    names alone). A change there breaks every saved model.
    """
    config = TINY_PSP if name == "tiny_psp" else PRESETS[name]
    actual = {key: list(tensor.shape) for key, tensor in on_meta(config).state_dict().items()}
    expected = json.loads(SNAPSHOT.read_text("utf-8"))[name]
    assert (actual if name == "tiny_psp" else sorted(actual)) == expected
