"""Eq. 4, at the network's resolution and at the image's own.

Legend: B images, S squares of them, V variants, H x W pixels of an image, h x w those of an area
around a square's part of the hole, R the network's resolution.
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from .areas import Area, meets
from .blending import choose_blend, seamless
from .checks import check_int
from .errors import InputError
from .geometry import Erased, place_completed
from .hole_masks import hole_mask_to_b1hw
from .image import image_to_unit_bchw, unit_to_uint8
from .inference import inference
from .opacity import MAX_FEATHER_PX, Layer, cut, lay_out, paste_weight
from .progress import OnStep

_PIXELS_AT_ONCE = 2**18  # a variant of 512 x 512 px; smaller ones are faster together
_MAX_VARIANTS_AT_ONCE = 8


def composite(image: Tensor, erased: Tensor, valid: Tensor) -> Tensor:
    """Return M*I + (1-M)*I_o, all [N, ., R, R] in [-1, 1]; erased is M*I already.

    Source: the paper, Eq. 4.
    """
    return erased + (1 - valid) * image


@dataclass(frozen=True, eq=False)
class Composites:
    """Completions that are put into their images (Eq. 4) one at a time, when they are asked for.

    At the size of a large image, all of them at once take more memory than all networks.
    """

    erased: Erased
    """The images."""
    completed: Tensor
    """[S, V, 3, R, R] float32 in [0, 1]."""
    layers: tuple[Layer, ...]
    """At most one of each square, in their order. Later ones cover earlier ones."""
    weight: Tensor
    """[B, H, W] float32 in [0, 1], weight of all layers together at each pixel."""
    blend: str
    """One of `BLENDS`."""

    @property
    def num_variants(self) -> int:
        """V."""
        return self.completed.shape[1]

    @inference
    def all(self, on_step: OnStep | None = None) -> Tensor:
        """Return all of them, [B*V, H, W, 3] float32 in [0, 1], image-major.

        Args:
            on_step: called after each with their number so far and B*V; may raise to interrupt.
        """
        B, H, W = self.weight.shape
        V = self.num_variants
        images = self.weight.new_empty(B, V, H, W, 3)
        for b in range(B):
            for k, variant in enumerate(self.variants(b)):
                images[b, k] = variant
                if on_step is not None:
                    on_step(b * V + k + 1, B * V)
        return images.flatten(0, 1)

    def variants(self, b: int, dtype: torch.dtype = torch.float32) -> Iterator[Tensor]:
        """Yield the variants of an image, each in memory of its own.

        Each has the same bits whatever the number of variants, and in both types.

        Args:
            b: index of the image.
            dtype: float32, or uint8 for rounded values.

        Yields:
            [H, W, 3] in [0, 1], or uint8.
        """
        base = self.erased.original[b].movedim(0, -1)
        layers = [layer for layer in self.layers if self.erased.image_of[layer.square] == b]
        pairs = itertools.combinations([layer.area for layer in layers], 2)
        overlap = any(meets(*pair) for pair in pairs)
        planes = [self._planes(layer) for layer in layers]
        if dtype == torch.uint8 and not overlap:
            base = unit_to_uint8(base)
        for _ in range(self.num_variants):
            result = base.clone(memory_format=torch.contiguous_format)
            for layer, remaining in zip(layers, planes, strict=True):
                self._paste(result, layer, remaining, overlap)
            yield unit_to_uint8(result) if dtype != result.dtype else result
            del result  # or it would be there while the next one is computed

    def _paste(self, result: Tensor, layer: Layer, planes: Iterator[Tensor], overlap: bool) -> None:
        """Put the next three planes of a layer into an image, [H, W, 3]."""
        b, area = self.erased.image_of[layer.square], layer.area
        for channel in range(3):
            plane = next(planes)
            known = result[(*area, channel)] if overlap else self._original(b, channel, area)
            torch.lerp(known, plane, layer.weight, out=plane)
            if result.dtype == torch.uint8:
                plane.mul_(255.0).round_()
            result[(*area, channel)] = plane
            del plane

    def _original(self, b: int, channel: int | slice, area: Area) -> Tensor:
        return self.erased.original[(b, channel, *area)]

    def _planes(self, layer: Layer) -> Iterator[Tensor]:
        """Yield the channels of each variant in a layer, [h, w], in memory of their own."""
        flat = self.completed[layer.square].flatten(0, 1)
        num_pixels = layer.weight.numel()
        C = 1 if num_pixels > _PIXELS_AT_ONCE else 3  # planes of a large area come one by one
        V = min(max(_PIXELS_AT_ONCE // num_pixels, 1), _MAX_VARIANTS_AT_ONCE)
        for first in range(0, len(flat), V * C):
            # Always as many: the last bits of a sum of products depend on how many there are.
            index = torch.arange(first, first + V * C).clamp(max=len(flat) - 1)
            part = flat[index.to(flat.device)].unflatten(0, (V, C))
            placed = self._place(layer, part, first % 3)
            yield from placed.flatten(0, 1)[: len(flat) - first]
            del placed

    @inference
    def _place(self, layer: Layer, completed: Tensor, channel: int) -> Tensor:
        """Return [v, C, h, w], completions [v, C, R, R] in a layer; channel is their first."""
        crop = self.erased.crops[layer.square]
        placed = [
            cut(place_completed(plane[None], crop)[0], crop.image_area, layer.area)
            for plane in completed.flatten(0, 1)
        ]
        stacked = placed[0][None] if len(placed) == 1 else torch.stack(placed)
        result = stacked.unflatten(0, completed.shape[:2])
        if self.blend == "seamless":
            b, channels = self.erased.image_of[layer.square], completed.shape[1]
            original = self._original(b, slice(channel, channel + channels), layer.area)
            seamless(original, result, layer.weight, crop.side / completed.shape[-1])
        return result


@inference
def composites(
    erased: Erased,
    images: Tensor,
    feather_px: int = 0,
    blend_mask: Tensor | None = None,
    blend: str | None = None,
) -> Composites:
    """Prepare to put completions into the original images (Eq. 4), at their own size.

    From 0.5 to 0 of the hole mask the completion fades out; at 0 the original stays bit for bit.
    Where an image has several squares, each of them fills its own part of the hole.

    Args:
        erased: the images.
        images: [S*V, R, R, 3] in [0, 1], square-major.
        feather_px: with blend `feather`, the completion fades out over so many pixels outside the
            hole; 0 for none.
        blend_mask: used for blending in place of the hole mask; any layout of
            `hole_mask_to_b1hw`.
        blend: one of `BLENDS`, or None, see `choose_blend`.

    Returns:
        Composites where `erased` is.

    Raises:
        InputError: shapes, numbers or a blend that do not fit.
    """
    check_int(feather_px, "feather_px", 0, MAX_FEATHER_PX)
    blend = choose_blend(blend, feather_px)
    ramp_px = feather_px if blend == "feather" else 0
    B, _, H, W = erased.original.shape
    S = len(erased.crops)
    mask = paste_weight(erased.hole_mask)
    if blend_mask is not None:
        mask = hole_mask_to_b1hw(blend_mask.to(mask.device), B, H, W)
    completed = image_to_unit_bchw(images.to(mask.device))
    if len(completed) % S:
        raise InputError(
            f"the same number of completions for each of {S} {'images' if S == B else 'squares'}",
            f"{len(completed)} completions",
            "Connect the completions of these images.",
        )
    layers, weight = lay_out(erased, mask, ramp_px, reaches_far=blend_mask is not None)
    return Composites(erased, completed.unflatten(0, (S, -1)), layers, weight, blend)


def paste_completions(
    erased: Erased,
    images: Tensor,
    feather_px: int = 0,
    blend_mask: Tensor | None = None,
    blend: str | None = None,
    *,
    on_step: OnStep | None = None,
) -> tuple[Tensor, Tensor]:
    """Put completions into the original images, all at once; see `composites` and its `all`.

    Returns:
        Images [B*V, H, W, 3] float32 in [0, 1], and the weight of the completion at each pixel
        [B, H, W], both where `erased` is.
    """
    pasted = composites(erased, images, feather_px, blend_mask, blend)
    return pasted.all(on_step), pasted.weight
