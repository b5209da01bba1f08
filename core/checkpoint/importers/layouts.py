"""The networks that come out: their keys, the settings that their shapes tell, and all shapes.

Keys and settings are those of a diverse-inpainting checkpoint. A family of files says, for each of
these keys, which of its own tensors it is and how that has to be turned.
"""

import math
import re
from collections.abc import Iterator
from typing import Any

from torch import Tensor

from .errors import RefusedFileError

REMEDY = (
    "Only StyleGAN2's config E and F (skip generator, residual discriminator) can be converted."
)

BLOCK = re.compile(r"synthesis\.blocks\.(\d+)\.(conv0|conv1|to_rgb)\.(.+)")
"""One of our keys: block, layer and tensor."""
WHOLE_BATCH = 2**16
"""Stands for a standard-deviation group of the whole batch: no batch is larger."""
LABEL_MULTIPLIER = 0.01
"""Learning-rate multiplier of our layers that map a discriminator's label."""

_RESOLUTIONS = (32, 64, 128, 256, 512, 1024)
_LAYER = ("affine.weight", "affine.bias", "weight", "bias", "noise_strength", "noise")
_RGB = ("affine.weight", "affine.bias", "weight", "bias")


def generator_keys(blocks: int, depth: int, has_labels: bool) -> Iterator[str]:
    """Yield the keys of a generator but for w_avg.

    Args:
        blocks: resolutions, 4 pixels included.
        depth: layers of the mapping network.
        has_labels: whether it is conditional.
    """
    if has_labels:
        yield from ("mapping.embed.weight", "mapping.embed.bias")
    for index in range(depth):
        yield from (f"mapping.layers.{index}.weight", f"mapping.layers.{index}.bias")
    yield "synthesis.const"
    for block in range(blocks):
        for conv in ("conv0", "conv1") if block else ("conv1",):
            yield from (f"synthesis.blocks.{block}.{conv}.{name}" for name in _LAYER)
        yield from (f"synthesis.blocks.{block}.to_rgb.{name}" for name in _RGB)


def discriminator_keys(blocks: int, depth: int, has_labels: bool) -> Iterator[str]:
    """Yield the keys of a discriminator; arguments as in `generator_keys`, blocks without 4."""
    if has_labels:
        yield from ("embed.weight", "embed.bias")
        for index in range(depth):
            yield from (f"label_layers.{index}.weight", f"label_layers.{index}.bias")
    yield from ("from_rgb.weight", "from_rgb.bias")
    for block in range(blocks):
        for conv in ("conv0", "conv1"):
            yield from (f"blocks.{block}.{conv}.weight", f"blocks.{block}.{conv}.bias")
        yield f"blocks.{block}.skip.weight"
    for layer in ("conv", "dense", "out"):
        yield from (f"{layer}.weight", f"{layer}.bias")


def is_dense(key: str) -> bool:
    """Return whether one of our weights is that of a fully connected layer."""
    ends = ("affine.weight", "dense.weight", "out.weight")
    return key.endswith(ends) or key.startswith(("mapping.", "embed.", "label_layers."))


def generator_config(tensors: dict[str, Tensor], blocks: int, depth: int) -> dict[str, Any]:
    """Return the settings that a generator's shapes tell, after comparing all shapes with them.

    Raises:
        RefusedFileError: the shapes are not those of a network that can be described.
    """
    height, width = tensors["synthesis.const"].shape[1:]
    if height != width:
        raise RefusedFileError(
            f"It makes images that are not square ({height} to {width}).",
            "Only square images can be made here.",
        )
    resolution = check_resolution(2 * 2**blocks)
    w_dim = tensors["synthesis.blocks.0.conv1.affine.weight"].shape[1]
    embed = tensors.get("mapping.embed.weight")
    first = tensors["mapping.layers.0.weight"]
    config = {
        "resolution": resolution,
        "z_dim": first.shape[1] - (0 if embed is None else embed.shape[0]),
        "w_dim": w_dim,
        **_channels([tensors[f"synthesis.blocks.{i}.conv1.bias"].numel() for i in range(blocks)]),
        "mapping_depth": depth,
        "num_classes": 0 if embed is None else embed.shape[1],
    }
    _compare(tensors, generator_shapes(config))
    return config


def discriminator_config(tensors: dict[str, Tensor], blocks: int, depth: int) -> dict[str, Any]:
    """Return the settings that a discriminator's shapes tell; as `generator_config`."""
    sides = [tensors["conv.bias"].numel()]
    sides += [tensors[f"blocks.{i}.conv0.bias"].numel() for i in reversed(range(blocks))]
    embed = tensors.get("embed.weight")
    config = {
        "resolution": check_resolution(4 * 2**blocks),
        **_channels(sides),
        "num_classes": 0 if embed is None else embed.shape[1],
        "stddev_channels": tensors["conv.weight"].shape[1] - sides[0],
    }
    if config["stddev_channels"] < 1:
        raise RefusedFileError("It does not use the deviation within a batch.", REMEDY)
    if embed is not None:
        config["mapping_depth"] = depth
    _compare(tensors, discriminator_shapes(config))
    return config


def check_resolution(resolution: int) -> int:
    """Return a resolution in pixels that can be used.

    Raises:
        RefusedFileError: it cannot.
    """
    if resolution not in _RESOLUTIONS:
        raise RefusedFileError(
            f"It makes images of {resolution} pixels.", "Resolutions from 32 to 1024 can be used."
        )
    return resolution


def _channels(table: list[int]) -> dict[str, int]:
    """Return base and max of a channel table that is min(base / side, max), from side 4 on.

    Raises:
        RefusedFileError: the table is another one.
    """
    largest = max(table)
    sides = [4 * 2**i for i in range(len(table))]
    base = max(side * number for side, number in zip(sides, table, strict=True))
    if [min(base // side, largest) for side in sides] != table:
        listed = ", ".join(f"{n} at {side}" for n, side in zip(table, sides, strict=True))
        raise RefusedFileError(
            f"Its channels ({listed}) are not min(base / side, max).",
            "Such tables cannot be described in a checkpoint.",
        )
    return {"channel_base": base, "channel_max": largest}


def _width(config: dict[str, Any], side: int) -> int:
    return min(config["channel_base"] // side, config["channel_max"])


def generator_shapes(config: dict[str, Any]) -> dict[str, tuple[int, ...]]:
    """Return the shape of every tensor of a generator but w_avg."""
    w_dim, classes = config["w_dim"], config["num_classes"]
    shapes: dict[str, tuple[int, ...]] = {}
    if classes:
        shapes |= _dense("mapping.embed", classes, w_dim)
    for index in range(config["mapping_depth"]):
        first = config["z_dim"] + (w_dim if classes else 0)
        shapes |= _dense(f"mapping.layers.{index}", w_dim if index else first, w_dim)
    shapes["synthesis.const"] = (_width(config, 4), 4, 4)
    for block in range(int(math.log2(config["resolution"])) - 1):
        side = 4 * 2**block
        narrow, wide = _width(config, side), _width(config, max(side // 2, 4))
        name = f"synthesis.blocks.{block}"
        for conv, inputs in (("conv0", wide), ("conv1", narrow)) if block else (("conv1", narrow),):
            shapes |= _dense(f"{name}.{conv}.affine", w_dim, inputs)
            shapes |= _conv(f"{name}.{conv}", inputs, narrow, 3)
            shapes |= {f"{name}.{conv}.noise_strength": (), f"{name}.{conv}.noise": (side, side)}
        shapes |= _dense(f"{name}.to_rgb.affine", w_dim, narrow)
        shapes |= _conv(f"{name}.to_rgb", narrow, 3, 1)
    return shapes


def discriminator_shapes(config: dict[str, Any]) -> dict[str, tuple[int, ...]]:
    """Return the shape of every tensor of a discriminator."""
    width, resolution, classes = _width(config, 4), config["resolution"], config["num_classes"]
    shapes = _conv("from_rgb", 3, _width(config, resolution), 1)
    for block in range(int(math.log2(resolution)) - 2):
        side = resolution // 2**block
        wide, narrow = _width(config, side), _width(config, side // 2)
        shapes |= _conv(f"blocks.{block}.conv0", wide, wide, 3)
        shapes |= _conv(f"blocks.{block}.conv1", wide, narrow, 3)
        shapes[f"blocks.{block}.skip.weight"] = (narrow, wide, 1, 1)
    shapes |= _conv("conv", width + config["stddev_channels"], width, 3)
    shapes |= _dense("dense", 16 * width, width) | _dense("out", width, width if classes else 1)
    if classes:
        shapes |= _dense("embed", classes, width)
        for index in range(config["mapping_depth"]):
            shapes |= _dense(f"label_layers.{index}", width, width)
    return shapes


def _dense(name: str, inputs: int, outputs: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}.weight": (outputs, inputs), f"{name}.bias": (outputs,)}


def _conv(name: str, inputs: int, outputs: int, size: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}.weight": (outputs, inputs, size, size), f"{name}.bias": (outputs,)}


def _compare(tensors: dict[str, Tensor], shapes: dict[str, tuple[int, ...]]) -> None:
    for key, shape in shapes.items():
        if key not in tensors or tuple(tensors[key].shape) != shape:
            found = list(tensors[key].shape) if key in tensors else "nothing"
            raise RefusedFileError(
                f"Its {key} is {found}, where StyleGAN2 has {list(shape)}.", REMEDY
            )
