"""Eq. 4, at the network's resolution and at the image's own, and errors over regions.

Legend: B images, V variants, N = B*V, H x W pixels of an image, R the network's resolution.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from .blending import choose_blend, seamless
from .checks import check_range
from .crops import Crop
from .errors import InputError
from .geometry import Erased, place_completed
from .hole_masks import hole_mask_to_b1hw
from .image import image_to_unit_bchw, unit_to_uint8
from .inference import inference
from .progress import OnStep

_MAX_FEATHER_PX = 1024
_PIXELS_AT_ONCE = 2**18  # a variant of 512 x 512 px; smaller ones are faster together
_MAX_VARIANTS_AT_ONCE = 8
_Area = tuple[slice, ...]  # rows and columns
_BAND_ROWS = 256  # of a large image, for what needs several copies of it


def composite(image: Tensor, erased: Tensor, valid: Tensor) -> Tensor:
    """Return M*I + (1-M)*I_o, all [N, ., R, R] in [-1, 1]; erased is M*I already.

    Source: the paper, Eq. 4.
    """
    return erased + (1 - valid) * image


def paste_weight(hole_mask: Tensor) -> Tensor:
    """Return min(2 * hole_mask, 1), so that no erased pixel shows through.

    From 0.5 on a pixel is erased for the network, and a mask editor's brush paints 0.7.

    Args:
        hole_mask: any shape, in [0, 1].
    """
    return (2 * hole_mask).clamp_(max=1)


def opacity_in_box(mask_1hw: Tensor, hole_mask_1hw: Tensor, crop: Crop, feather_px: int) -> Tensor:
    """Return the weight of a completion in the box of its square, `crop.image_area`.

    It ends where the completion does: outside the hole it fades to zero over feather_px pixels at
    sides of the square that lie inside the image; the hole itself keeps its weight.

    Args:
        mask_1hw: [1, H, W] in [0, 1], what is to show the completion.
        hole_mask_1hw: [1, H, W] in [0, 1], soft, 1 = fill.
        crop: the completion's square.
        feather_px: see `feather`.

    Returns:
        [1, h, w] in [0, 1].
    """
    rows, columns = crop.image_area
    top, left = max(rows.start - feather_px, 0), max(columns.start - feather_px, 0)
    near = mask_1hw[:, top : rows.stop + feather_px, left : columns.stop + feather_px]
    weight = feather(near[None], feather_px)[0]
    weight = weight[:, rows.start - top :, columns.start - left :]
    weight = weight[:, : rows.stop - rows.start, : columns.stop - columns.start]
    inset = crop.inset(weight.device)[None]
    result, hole_mask = torch.empty_like(inset), hole_mask_1hw[:, rows, columns]
    bands = (x.split(_BAND_ROWS, dim=1) for x in (result, weight, inset, hole_mask))
    for target, *band in zip(*bands, strict=True):
        target.copy_(_limited(feather_px, *band))
    return result


def _limited(feather_px: int, weight: Tensor, inset: Tensor, hole_mask: Tensor) -> Tensor:
    """Let a weight end where the square does, but not in the hole."""
    ramp = (inset / max(feather_px, 1)).clamp_(0, 1)
    floor = torch.minimum(weight, paste_weight(hole_mask))
    return torch.maximum(torch.minimum(weight, ramp), floor).mul_(inset > 0)


@dataclass(frozen=True, eq=False)
class Composites:
    """Completions that are put into their images (Eq. 4) one at a time, when they are asked for.

    At the size of a large image, all of them at once take more memory than all networks.
    """

    erased: Erased
    """The images."""
    completed: Tensor
    """[B, V, 3, R, R] float32 in [0, 1]."""
    weight: Tensor
    """[B, H, W] float32 in [0, 1], weight of the completion at each pixel."""
    blend: str
    """One of `BLENDS`."""

    @inference
    def all(self, on_step: OnStep | None = None) -> Tensor:
        """Return all of them, [B*V, H, W, 3] float32 in [0, 1], image-major.

        Args:
            on_step: called after each with their number so far and B*V; may raise to interrupt.
        """
        B, V, *_ = self.completed.shape
        H, W = self.weight.shape[1:]
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
        area = _touched(self.weight[b])
        planes = self._planes(b, area)
        for _ in range(self.completed.shape[1]):
            if dtype == torch.uint8:
                result = unit_to_uint8(base)
            else:
                result = base.clone(memory_format=torch.contiguous_format)
            self._paste(result, planes, b, area)
            yield result
            del result  # or it would be there while the next one is computed

    def _paste(self, result: Tensor, planes: Iterator[Tensor], b: int, area: _Area) -> None:
        """Put the next three planes into an image, [H, W, 3]."""
        for channel in range(3):
            plane, known = next(planes), self.erased.original[(b, channel, *area)]
            torch.lerp(known, plane, self.weight[(b, *area)], out=plane)
            if result.dtype == torch.uint8:
                plane.mul_(255.0).round_()
            result[(*area, channel)] = plane
            del plane

    def _planes(self, b: int, area: _Area) -> Iterator[Tensor]:
        """Yield the channels of each variant in an area, [h, w], in memory of their own."""
        flat = self.completed[b].flatten(0, 1)
        num_pixels = math.prod(part.stop - part.start for part in area)
        if num_pixels == 0:
            yield from flat.new_empty(len(flat), 0, 0)
            return
        C = 1 if num_pixels > _PIXELS_AT_ONCE else 3  # planes of a large area come one by one
        V = min(max(_PIXELS_AT_ONCE // num_pixels, 1), _MAX_VARIANTS_AT_ONCE)
        for first in range(0, len(flat), V * C):
            # Always as many: the last bits of a sum of products depend on how many there are.
            index = torch.arange(first, first + V * C).clamp(max=len(flat) - 1)
            part = flat[index.to(flat.device)].unflatten(0, (V, C))
            placed = self._place(b, part, first % 3, area)
            yield from placed.flatten(0, 1)[: len(flat) - first]
            del placed

    @inference
    def _place(self, b: int, completed: Tensor, channel: int, area: _Area) -> Tensor:
        """Return [v, C, h, w], completions [v, C, R, R] in an area; channel is their first."""
        crop = self.erased.crops[b]
        # One more pixel where the image goes on, even beyond the square: seamless needs the rim.
        wide = tuple(
            slice(max(part.start - 1, 0), min(part.stop + 1, length))
            for part, length in zip(area, self.weight.shape[1:], strict=True)
        )
        placed = [
            _cut(place_completed(plane[None], crop)[0], crop.image_area, wide)
            for plane in completed.flatten(0, 1)
        ]
        stacked = placed[0][None] if len(placed) == 1 else torch.stack(placed)
        result = stacked.unflatten(0, completed.shape[:2])
        if self.blend == "seamless":
            original = self.erased.original[b, channel : channel + completed.shape[1]]
            scale = crop.side / completed.shape[-1]
            result = seamless(original[(..., *wide)], result, self.weight[(b, *wide)], scale)
        inner = (
            slice(part.start - outer.start, part.stop - outer.start)
            for part, outer in zip(area, wide, strict=True)
        )
        return result[(..., *inner)]


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

    Args:
        erased: the images.
        images: [B*V, R, R, 3] in [0, 1], image-major.
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
    check_range(feather_px, "feather_px", 0, _MAX_FEATHER_PX)
    blend = choose_blend(blend, feather_px)
    ramp_px = int(feather_px) if blend == "feather" else 0
    B, _, H, W = erased.original.shape
    mask = paste_weight(erased.hole_mask)
    if blend_mask is not None:
        mask = hole_mask_to_b1hw(blend_mask.to(mask.device), B, H, W)
    completed = image_to_unit_bchw(images.to(mask.device))
    if len(completed) % B:
        raise InputError(
            f"the same number of completions for each of {B} images",
            f"{len(completed)} completions",
            "Connect the completions of these images.",
        )
    weight = mask.new_zeros(B, H, W)
    for b, crop in enumerate(erased.crops):
        opacity = opacity_in_box(mask[b], erased.hole_mask[b], crop, ramp_px)
        weight[(b, *crop.image_area)] = opacity[0]
    return Composites(erased, completed.unflatten(0, (B, -1)), weight, blend)


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


def _touched(weight_hw: Tensor) -> _Area:
    """Return the rows and columns from the first weight above 0 to the last."""
    rows, columns = (weight_hw.amax(dim=dim).nonzero()[:, 0] for dim in (1, 0))
    if len(rows) == 0:
        return slice(0, 0), slice(0, 0)
    return (
        slice(int(rows[0]), int(rows[-1]) + 1),
        slice(int(columns[0]), int(columns[-1]) + 1),
    )


def _cut(plane: Tensor, limits: _Area, wide: _Area) -> Tensor:
    """Return a part of the plane that lies at these limits, its border repeated where it ends."""
    inner, beyond = [], []
    for part, limit in zip(wide, limits, strict=True):
        start, stop = max(part.start, limit.start), min(part.stop, limit.stop)
        inner.append(slice(start - limit.start, stop - limit.start))
        beyond.append((start - part.start, part.stop - stop))
    plane = plane[tuple(inner)]
    if any(map(any, beyond)):
        plane = F.pad(plane[None], (*beyond[1], *beyond[0]), mode="replicate")[0]
    return plane


def valid_l1(image: Tensor, erased: Tensor, valid: Tensor) -> Tensor:
    """Return the mean absolute error over the valid pixels of each image, [N].

    Args:
        image: [N, 3, R, R] in about [-1, 1].
        erased: [N, 3, R, R] M * I.
        valid: [N, 1, R, R] M.
    """
    error = ((image - erased) * valid).abs().mean(dim=1, keepdim=True).sum(dim=(1, 2, 3))
    return error / valid.sum(dim=(1, 2, 3)).clamp(min=1)


def hole_l1(first: Tensor, second: Tensor, hole: Tensor) -> Tensor:
    """Return the summed absolute difference of two images in the hole, [N].

    Args:
        first: [N, 3, R, R].
        second: as first.
        hole: [N, 1, R, R], 1 = fill.
    """
    return ((first - second).abs() * hole).sum(dim=(1, 2, 3))


def feather(hole_mask: Tensor, width_px: int) -> Tensor:
    """Let a hole mask fall linearly to zero over width_px pixels outside the hole.

    Args:
        hole_mask: [B, 1, H, W] in [0, 1].
        width_px: 0 to 1024.

    Returns:
        [B, 1, H, W] in [0, 1], nowhere below hole_mask.
    """
    if width_px == 0:
        return hole_mask
    # Widen by half the ramp, then average over the other half: separable box filters.
    wider, reach = width_px // 2, (width_px + 1) // 2
    grown, size = 2 * wider + 1, 2 * reach + 1
    wide = F.max_pool2d(hole_mask, (grown, 1), stride=1, padding=(wider, 0))
    wide = F.max_pool2d(wide, (1, grown), stride=1, padding=(0, wider))
    padded = F.pad(wide, (reach,) * 4, mode="replicate")
    ramp = F.avg_pool2d(F.avg_pool2d(padded, (size, 1), stride=1), (1, size), stride=1)
    return torch.maximum(hole_mask, ramp)
