"""Every preset at a size that costs nothing, checkpoints of it, and how bad ones are refused."""

import dataclasses
import functools
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from diverse_inpainting.core.checkpoint import (
    Checkpoint,
    generator_id_of,
    inspect_checkpoint,
    read_checkpoint,
)
from diverse_inpainting.core.errors import CheckpointError
from diverse_inpainting.core.networks import PRESETS, ModelConfig, build

_TINY = {
    "generator": {
        "resolution": 32,
        "z_dim": 8,
        "w_dim": 8,
        "channel_base": 128,
        "channel_max": 8,
        "mapping_depth": 2,
    },
    "discriminator": {"resolution": 32, "channel_base": 128, "channel_max": 8, "mapping_depth": 2},
    "encoder": {
        "resolution": 32,
        "w_dim": 8,
        "width": 4,
        "max_width": 8,
        "depths": (1, 1, 1, 1),
    },
    "mixer": {"num_layers": 8, "w_dim": 8},
    "skip_encoder": {
        "resolution": 32,
        "stem_width": 4,
        "widths": (4, 4, 6),
        "layers_per_block": 1,
    },
}


def _shrink(config: ModelConfig) -> ModelConfig:
    """Return the configuration at a tiny size; what the size does not touch is kept."""
    parts = {}
    for part, sizes in _TINY.items():
        present = getattr(config, part)
        parts[part] = None if present is None else dataclasses.replace(present, **sizes)
    return dataclasses.replace(config, **parts)


def _labelled() -> ModelConfig:
    config = _shrink(PRESETS["demo64"])
    return dataclasses.replace(
        config,
        generator=dataclasses.replace(config.generator, num_classes=3),
        discriminator=dataclasses.replace(config.discriminator, num_classes=3),
    )


def _mixing(kind: str) -> ModelConfig:
    config = _shrink(PRESETS["demo64"])
    return dataclasses.replace(config, mixer=dataclasses.replace(config.mixer, kind=kind))


CONFIGS = {
    **{name: _shrink(config) for name, config in PRESETS.items()},
    "labels": _labelled(),
    "mixing fc": _mixing("fc"),
    "mixing none": _mixing("none"),
    "generator only": ModelConfig(generator=_shrink(PRESETS["demo64"]).generator),
}


@functools.cache
def _make_once(config: ModelConfig) -> Checkpoint:
    """Return a checkpoint without two equal tensors, so that a mix-up is seen."""
    tensors = dict(build(config).state_dict())
    generator = torch.Generator("cpu").manual_seed(5)
    for name, tensor in tensors.items():
        if tensor.is_floating_point():
            tensor.copy_(torch.randn(tensor.shape, generator=generator))
        if name.endswith("running_var"):
            tensor.abs_().add_(1e-9)  # below float16's smallest number
    return Checkpoint(
        config=config,
        tensors=tensors,
        generator_id=generator_id_of(tensors),
        training={"stage": "stage2", "images_seen": 1000, "data": ["AFHQ", {"share": 0.5}]},
        license="CC BY-NC 4.0",
        title="cat faces, Katzengesichter \u732b",
    )


def _make_checkpoint(config: ModelConfig) -> Checkpoint:
    made = _make_once(config)
    tensors = {name: tensor.clone() for name, tensor in made.tensors.items()}
    return dataclasses.replace(made, tensors=tensors)


@pytest.fixture(params=CONFIGS)
def config(request: pytest.FixtureRequest) -> ModelConfig:
    return CONFIGS[request.param]


@pytest.fixture
def make_checkpoint() -> Callable[[ModelConfig], Checkpoint]:
    return _make_checkpoint


@pytest.fixture
def checkpoint() -> Checkpoint:
    return _make_checkpoint(CONFIGS["demo64"])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "model.safetensors"


@pytest.fixture
def refuse(path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Read the file; assert that it is refused with the words given and without reading on."""

    def no_load(*_: object) -> None:
        raise AssertionError("a tensor was read before the header was checked")

    def check(*words: str) -> str:
        monkeypatch.setattr("diverse_inpainting.core.checkpoint.container.Container.load", no_load)
        messages = []
        for read in (read_checkpoint, inspect_checkpoint):
            with pytest.raises(CheckpointError) as caught:
                read(path)
            messages.append(str(caught.value))
        assert messages[0] == messages[1]
        assert str(path) in messages[0]
        for word in words:
            assert word in messages[0]
        return messages[0]

    return check
