"""One network of a file, and how a family of files turns its tensors into ours."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from .arrays import Array
from .contents import Contents
from .errors import RefusedFileError
from .layouts import (
    REMEDY,
    check_resolution,
    discriminator_config,
    discriminator_keys,
    generator_config,
    generator_keys,
    is_dense,
)

Transform = Callable[[Tensor], Tensor]
Translate = Callable[[str], tuple[str, Transform | None]]
"""One of our keys to a family's name and what turns its tensor into ours."""

_FILTER = torch.tensor([1.0, 3.0, 3.0, 1.0])
_FILTER_ENDS = ("resample_filter", "kernel")
_FILTER_TOLERANCE = 1e-4
_MULTIPLIER = 0.01
_LEAST_DEVIATION = 10.0
"""Of the mapping network's stored weights, which start at 100 with the multiplier 0.01."""


@dataclass
class Network:
    """A converted network."""

    config: dict[str, Any]
    """Fields of `GeneratorConfig` or `DiscriminatorConfig`."""
    tensors: dict[str, Tensor]
    """float32, by the keys of our generator's or discriminator's state dict."""


@dataclass
class Source:
    """The tensors of one network in a file, below a prefix."""

    contents: Contents
    prefix: str
    progress: Callable[[int], object] = lambda size: None
    used: set[str] = field(default_factory=set)
    notes: list[str] = field(default_factory=list)
    """Sentences about what the file leaves open."""

    def has(self, name: str) -> bool:
        """Return whether the network has a tensor of this name."""
        return self.prefix + name in self.contents.arrays

    def shape(self, name: str) -> tuple[int, ...]:
        """Return a tensor's shape.

        Raises:
            RefusedFileError: it is absent.
        """
        return self._array(name).shape

    def take(self, name: str) -> Tensor:
        """Return a tensor in float32.

        Raises:
            RefusedFileError: it is absent or no tensor of real numbers.
        """
        array = self._array(name)
        self.used.add(self.prefix + name)
        tensor = array.load(self.contents.budget)
        self.contents.release()
        self.progress(array.count)
        return tensor

    def settings(self, name: str = "") -> dict[str, Any]:
        """Return what the file says about a layer or, without a name, about the network."""
        return self.contents.settings(f"{self.prefix}{name}".rstrip("."))

    def rest(self) -> list[str]:
        """Return the names that have not been taken, filters left out, without the prefix."""
        names = [
            n for n in self.contents.arrays if n.startswith(self.prefix) and n not in self.used
        ]
        return [n.removeprefix(self.prefix) for n in names if not n.endswith(_FILTER_ENDS)]

    def check_filters(self) -> None:
        """Raise unless all resampling filters in the file are StyleGAN2's 1, 3, 3, 1.

        Raises:
            RefusedFileError: one is not.
        """
        expected = torch.outer(_FILTER, _FILTER) / _FILTER.sum() ** 2
        for name, array in self.contents.arrays.items():
            if not name.startswith(self.prefix) or not name.endswith(_FILTER_ENDS):
                continue
            is_square = array.count == expected.numel()
            values = array.load(self.contents.budget).reshape(4, 4) if is_square else expected + 1
            if not torch.allclose(values / values.sum(), expected, atol=_FILTER_TOLERANCE):
                raise RefusedFileError(
                    f"Its layer {name} resamples with another filter than 1, 3, 3, 1.", REMEDY
                )

    def _array(self, name: str) -> Array:
        array = self.contents.arrays.get(self.prefix + name)
        if array is None:
            raise RefusedFileError(f"It lacks the tensor {self.prefix}{name}.", REMEDY)
        return array


def add_one(bias: Tensor) -> Tensor:
    """Some families store a style's bias as its difference from one."""
    return bias + 1


def count(source: Source, translate: Translate, key: str, first: int = 0) -> int:
    """Return how many consecutive numbers, put for {} in one of our keys, the file has."""
    number = first
    while source.has(translate(key.format(number))[0]):
        number += 1
    return number - first


def collect(source: Source, translate: Translate, keys: Iterator[str]) -> dict[str, Tensor]:
    """Return the tensors of our keys, each turned as the family says and in our number of axes.

    Raises:
        RefusedFileError: one is absent, empty or has another number of axes.
    """
    tensors: dict[str, Tensor] = {}
    for key in keys:
        name, transform = translate(key)
        tensor = _drop_axes(key, source.take(name))
        if tensor is None or not tensor.numel():
            shape = list(source.shape(name))
            raise RefusedFileError(f"Its {key} has the unknown shape {shape}.", REMEDY)
        tensors[key] = (tensor if transform is None else transform(tensor)).contiguous()
    return tensors


def _drop_axes(key: str, tensor: Tensor) -> Tensor | None:
    """Remove leading axes of one element; biases lose all such axes. None if that fails."""
    end = key.rpartition(".")[2]
    if end == "noise_strength":
        return tensor.reshape(()) if tensor.numel() == 1 else None
    if end == "bias":
        return tensor.reshape(-1) if tensor.numel() == max(tensor.shape, default=0) else None
    wanted = {"const": 3, "noise": 2}.get(end, 2 if is_dense(key) else 4)
    while tensor.ndim > wanted and tensor.shape[0] == 1:
        tensor = tensor[0]
    return tensor if tensor.ndim == wanted else None


def build_generator(
    source: Source,
    translate: Translate,
    *,
    labels: str = "",
    w_avg: str = "",
    is_extra: Callable[[str], bool] = lambda name: False,
) -> Network:
    """Return a generator whose settings are those that the shapes tell.

    Noise that the file leaves to chance is drawn from a fixed seed; a network without noise inputs
    gets noise of strength zero.

    Args:
        source: the network in the file.
        translate: of its family.
        labels: name of the weight that embeds labels, if the family has labels.
        w_avg: name of the mean code, if the family stores it with the network.
        is_extra: whether a tensor is left out on purpose.

    Raises:
        RefusedFileError: it is no StyleGAN2, or a changed one.
    """
    source.check_filters()
    blocks = count(source, translate, "synthesis.blocks.{}.conv1.weight")
    depth = count(source, translate, "mapping.layers.{}.weight")
    check_resolution(2 * 2**blocks)  # before any noise is made
    if not depth:
        raise RefusedFileError("Its generator has no mapping network.", REMEDY)
    keys = generator_keys(blocks, depth, bool(labels) and source.has(labels))
    has_noise, has_strength = (
        source.has(translate(f"synthesis.blocks.0.conv1.{end}")[0])
        for end in ("noise", "noise_strength")
    )
    absent = {".noise": not has_noise, ".noise_strength": not has_strength}
    wanted = (key for key in keys if not absent.get(f".{key.rpartition('.')[2]}"))
    tensors = collect(source, translate, wanted)
    if not has_noise:
        tensors |= _make_noise(blocks, has_strength)
    if w_avg and source.has(w_avg):
        tensors["mapping.w_avg"] = source.take(w_avg)
    _refuse_others(source, is_extra)
    config = generator_config(tensors, blocks, depth)
    return Network(config, tensors)


def _make_noise(blocks: int, has_strength: bool) -> dict[str, Tensor]:
    generator = torch.Generator("cpu").manual_seed(0)
    made: dict[str, Tensor] = {}
    for block in range(blocks):
        for conv in ("conv0", "conv1") if block else ("conv1",):
            name, side = f"synthesis.blocks.{block}.{conv}", 4 * 2**block
            made[f"{name}.noise"] = torch.randn(side, side, generator=generator)
            if not has_strength:
                made[f"{name}.noise_strength"] = torch.zeros(())
    return made


def build_discriminator(
    source: Source, translate: Translate, blocks: int, labels: str = ""
) -> Network:
    """Return a discriminator whose settings are those that the shapes tell.

    Args:
        source: the network in the file.
        translate: of its family.
        blocks: residual blocks.
        labels: name of the weight that embeds labels, if the family has labels.

    Raises:
        RefusedFileError: it is no residual StyleGAN2 discriminator, or a changed one.
    """
    source.check_filters()
    check_resolution(4 * 2**blocks)
    has_labels = bool(labels) and source.has(labels)
    depth = count(source, translate, "label_layers.{}.weight") if has_labels else 0
    tensors = collect(source, translate, discriminator_keys(blocks, depth, has_labels))
    _refuse_others(source)
    return Network(discriminator_config(tensors, blocks, depth), tensors)


def _refuse_others(source: Source, is_extra: Callable[[str], bool] = lambda name: False) -> None:
    others = [name for name in source.rest() if not is_extra(name)]
    if others:
        raise RefusedFileError(
            f"Its network has layers that StyleGAN2 does not have, such as {others[0][:120]}.",
            REMEDY,
        )


def check_multiplier(tensors: dict[str, Tensor]) -> float:
    """Return 0.01, the learning-rate multiplier of mapping networks whose file does not tell it.

    Raises:
        RefusedFileError: the weights are too small for it, so that w would be wrong.
    """
    deviation = tensors["mapping.layers.0.weight"].std().item()
    if deviation < _LEAST_DEVIATION:
        raise RefusedFileError(
            f"Its mapping network's weights deviate by {deviation:.3g}, where those made with the "
            f"usual learning-rate multiplier of {_MULTIPLIER} deviate by about 100.",
            "The file does not say which multiplier it needs.",
        )
    return _MULTIPLIER
