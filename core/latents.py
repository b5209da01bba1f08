"""Style codes, and the random latents of numbered variants.

Legend: B images, V variants, L style layers, D width of one code (w_dim).
"""

import dataclasses
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import torch
from torch import Tensor

from .checks import MAX_SEED, check_int, check_range, checked_layers
from .code_files import StoredCodes, read_codes, write_codes
from .errors import GeneratorMismatchError, InputError
from .printable import counted

Index = int | slice | Sequence[int]
"""Positions along an axis; negative ones count from the end."""

MAX_WEIGHT = 100.0
"""Largest weight of codes in a blend or an average, of either sign."""
_LABELS_SHOWN = 8
_VARIANT_DOMAIN = b"diverse-inpainting/variant/1\0"


@dataclass(frozen=True, eq=False)
class WPlus:
    """Style codes of one generator: V variants for each of B images.

    Raises:
        InputError: the codes are not [B, V, L, D] floating point, or an axis is empty.
    """

    codes: Tensor
    """[B, V, L, D] floating point, any device."""
    generator_id: str
    """Id of the generator the codes belong to; they mean nothing to another."""
    labels: tuple[str, ...] = ()
    """Where each variant of each image comes from ("seed 7 / #3"), image-major; () if unknown."""

    def __post_init__(self) -> None:
        is_tensor = isinstance(self.codes, Tensor)
        shape = tuple(self.codes.shape) if is_tensor else type(self.codes).__name__
        if not is_tensor or self.codes.ndim != 4 or self.codes.numel() == 0:
            raise InputError(
                "codes of shape [images, variants, style layers, w_dim]",
                f"{shape}",
                "Take the codes from a node or method that makes them.",
            )
        if not self.codes.is_floating_point():
            raise InputError(
                "floating-point codes", f"{self.codes.dtype}", "Convert them with .to(float32)."
            )
        if not isinstance(self.generator_id, str) or not self.generator_id:
            raise InputError(
                "the id of the generator the codes belong to",
                repr(self.generator_id),
                "Take it from the model (generator_id).",
            )
        if len(self.labels) not in (0, self.batch * self.num_variants):
            raise InputError(
                f"{self.batch * self.num_variants} labels, one for each variant, or none",
                f"{len(self.labels)}",
                "Use expand_labels.",
            )

    def __repr__(self) -> str:
        """Return what people need to know; ComfyUI's "Preview as Text" shows it."""
        counts = f"{counted(self.batch, 'image')} x {counted(self.num_variants, 'variant')}"
        shape = f"{self.num_layers} layers of {self.w_dim}"
        lines = [f"style codes: {counts}, {shape}, generator {self.generator_id[:12]}"]
        shown = [label or "unknown" for label in self.labels[:_LABELS_SHOWN]]
        more = len(self.labels) - len(shown)
        return "\n".join([*lines, *shown, *([f"and {more} more"] if more else [])])

    @property
    def batch(self) -> int:
        """B, images."""
        return self.codes.shape[0]

    @property
    def num_variants(self) -> int:
        """V, variants of each image."""
        return self.codes.shape[1]

    @property
    def num_layers(self) -> int:
        """L, style layers."""
        return self.codes.shape[2]

    @property
    def w_dim(self) -> int:
        """D, width of one code."""
        return self.codes.shape[3]

    def flat(self) -> Tensor:
        """Return the codes as [B*V, L, D], image-major: row b*V + v."""
        return self.codes.flatten(0, 1)

    def to(
        self, device: torch.device | str | None = None, dtype: torch.dtype | None = None
    ) -> Self:
        """Return the same codes on another device or in another floating-point type."""
        return dataclasses.replace(self, codes=self.codes.to(device=device, dtype=dtype))

    def __getitem__(self, index: "Index | tuple[Index, Index]") -> Self:
        """Return some images, or some images and variants: codes[0], codes[:, 2], codes[:, [3, 1]].

        Images and variants stay axes: a number leaves one of them.

        Raises:
            InputError: another index, or nothing at it.
        """
        images, variants = index if isinstance(index, tuple) else (index, slice(None))
        rows, columns = _positions(images, self.batch), _positions(variants, self.num_variants)
        V = self.num_variants
        labels = tuple(self.labels[b * V + v] for b in rows for v in columns if self.labels)
        return dataclasses.replace(self, codes=self.codes[rows][:, columns], labels=labels)

    def blend(
        self,
        other: Self,
        weight: float,
        first_layer: int = 0,
        last_layer: int | None = None,
    ) -> Self:
        """Return (1 - weight) * self + weight * other; one image or variant serves all.

        Args:
            other: codes of the same generator.
            weight: 0 gives these codes, 1 the other ones; beyond, codes are extrapolated.
            first_layer: first style layer that is blended; others stay those of these codes.
            last_layer: last style layer that is blended (inclusive); None takes the last.

        Raises:
            GeneratorMismatchError: codes of another generator.
            InputError: numbers of images or variants that do not fit, a weight that is no number,
                or layers out of range.
        """
        other.check_like(self)
        check_range(weight, "weight", -MAX_WEIGHT, MAX_WEIGHT)
        first, last = checked_layers(first_layer, last_layer, self.num_layers)
        B = max(self.batch, other.batch)
        V = max(self.num_variants, other.num_variants)
        mixed = expand_codes(self, B, V, "codes").clone()
        b = expand_codes(other, B, V, "the other codes").to(mixed.device, mixed.dtype)
        layers = slice(first, last + 1)
        mixed[:, layers] = torch.lerp(mixed[:, layers], b[:, layers], weight)
        return dataclasses.replace(self, codes=mixed.unflatten(0, (B, V)), labels=())

    def save(self, path: str | Path) -> None:
        """Write codes and labels, see `write_codes`."""
        write_codes(path, StoredCodes(self.codes, self.generator_id, self.labels))

    @staticmethod
    def load(path: str | Path) -> "WPlus":
        """Return the codes that `save` wrote or a PNG carries, see `read_codes`."""
        stored = read_codes(path)
        return WPlus(stored.codes, stored.generator_id, stored.labels)

    def check_generator(self, generator_id: str) -> None:
        """Raise unless the codes belong to the generator with the given id.

        Raises:
            GeneratorMismatchError: they belong to another one.
        """
        check_same_generator(self.generator_id, generator_id, "codes")

    def check_like(self, other: Self) -> None:
        """Raise unless the codes can be used together with others.

        Raises:
            GeneratorMismatchError: they belong to another generator.
            InputError: they have other layers or another width, which only a forged file has.
        """
        self.check_generator(other.generator_id)
        self.check_shape(other.num_layers, other.w_dim)

    def check_shape(self, num_layers: int, w_dim: int) -> None:
        """Raise InputError unless the codes have so many layers of this width."""
        if (self.num_layers, self.w_dim) != (num_layers, w_dim):
            raise InputError(
                f"codes of {num_layers} layers of {w_dim}",
                f"codes of {self.num_layers} layers of {self.w_dim}",
                "Make the codes again with this model.",
            )


def _positions(index: Index, length: int) -> list[int]:
    every = range(length)
    if isinstance(index, slice):
        chosen = list(every[index])
    else:
        wanted = [index] if isinstance(index, int) else list(index)
        for position in wanted:
            check_int(position, "index", -length, length - 1)
        chosen = [every[position] for position in wanted]
    if not chosen:
        raise InputError("at least one image and variant", f"none at {index}", "Choose others.")
    return chosen


def expand_codes(codes: WPlus, batch: int, num_variants: int, name: str) -> Tensor:
    """Return codes [batch * num_variants, L, D], image-major; one image or variant serves all.

    Args:
        codes: of as many images and variants, or one.
        batch: B.
        num_variants: V.
        name: what they are, for the message ("skip codes").

    Raises:
        InputError: another number of images or variants.
    """
    if codes.batch not in (1, batch) or codes.num_variants not in (1, num_variants):
        raise InputError(
            f"{name} for {batch} images and {num_variants} variants, or for one",
            f"{name} for {codes.batch} images and {codes.num_variants} variants",
            "Use codes that were encoded from these images and sampled as often.",
        )
    return codes.codes.expand(batch, num_variants, -1, -1).flatten(0, 1)


def expand_labels(codes: WPlus, batch: int, num_variants: int) -> tuple[str, ...]:
    """Return the labels of what `expand_codes` returns, image-major; () if there are none."""
    B, V = codes.batch, codes.num_variants
    if not codes.labels:
        return ()
    places = ((b % B) * V + v % V for b in range(batch) for v in range(num_variants))
    return tuple(codes.labels[place] for place in places)


def check_same_generator(own_id: str, wanted_id: str, name: str) -> None:
    """Raise unless both generator ids are equal.

    Args:
        own_id: id that `name` carries.
        wanted_id: id of the generator it is to be used with.
        name: noun for the message ("codes").

    Raises:
        GeneratorMismatchError: the ids differ.
    """
    if own_id != wanted_id:
        raise GeneratorMismatchError(
            f"{name} of generator {wanted_id[:12]}",
            f"{name} of generator {own_id[:12]}",
            "Use the same model for both.",
        )


def variant_seed(seed: int, k: int) -> int:
    """Return the 63-bit seed of variant k, a hash of (seed, k).

    Neighbouring seeds share no variant, as they would if the sum seed + k were used.

    Args:
        seed: whole number in [0, 2**64 - 1].
        k: index of the variant, from 0.

    Raises:
        InputError: a number is outside its range.
    """
    check_int(seed, "seed", 0, MAX_SEED)
    check_int(k, "variant index", 0, MAX_SEED)
    message = _VARIANT_DOMAIN + int(seed).to_bytes(8, "little") + int(k).to_bytes(8, "little")
    return int.from_bytes(hashlib.sha256(message).digest()[:8], "little") >> 1


def sample_z(seed: int, num_variants: int, z_dim: int, *, first: int = 0) -> Tensor:
    """Return standard normal latents; row k depends on (seed, k) alone.

    Args:
        seed: whole number in [0, 2**64 - 1].
        num_variants: V, at least 1.
        z_dim: width of a latent, at least 1.
        first: k of the first row, from 0.

    Returns:
        [V, z_dim] float32 on the CPU, so that every device completes with the same latents.

    Raises:
        InputError: a number is outside its range.
    """
    check_int(num_variants, "num_variants", 1, float("inf"))
    check_int(z_dim, "z_dim", 1, float("inf"))
    numbers = range(first, first + num_variants)
    return torch.stack([_normal(variant_seed(seed, k), z_dim) for k in numbers])


def _normal(seed: int, z_dim: int) -> Tensor:
    """Return z_dim normal numbers that depend on all 63 bits of the seed.

    torch's CPU generator drops all but 32 bits of a seed, so that two of a hundred thousand
    variants would probably be equal; the sum of two streams uses both halves and is normal too.
    """
    generator = torch.Generator("cpu")
    halves = (seed & 0xFFFFFFFF, seed >> 32)
    first, second = (
        torch.randn(z_dim, generator=generator.manual_seed(s), dtype=torch.float32) for s in halves
    )
    return (first + second) * 0.5**0.5
