"""How much of a completion each pixel of its image shows.

Legend: B images, H x W pixels of an image, h x w those of its box around a square, or of a layer.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from .areas import Area
from .crops import Crop
from .geometry import Erased

MAX_FEATHER_PX = 1024

_BAND_ROWS = 256  # of a large image, for what needs several copies of it


@dataclass(frozen=True, eq=False)
class Layer:
    """Where the completions of a square show in their image."""

    square: int
    """Index of the square, from 0."""
    area: Area
    """Rows and columns that hold all weights above 0, and one pixel more where the image goes on:
    seamless blending needs the rim."""
    weight: Tensor
    """[h, w] float32 in [0, 1], weight of the completion at each pixel."""


def paste_weight(hole_mask: Tensor) -> Tensor:
    """Return min(2 * hole_mask, 1), so that no erased pixel shows through.

    From 0.5 on a pixel is erased for the network, and a mask editor's brush paints 0.7.

    Args:
        hole_mask: any shape, in [0, 1].
    """
    return (2 * hole_mask).clamp_(max=1)


def lay_out(
    erased: Erased, mask: Tensor, ramp_px: int, *, reaches_far: bool
) -> tuple[tuple[Layer, ...], Tensor]:
    """Return what each square shows of a mask.

    Args:
        erased: the images and their squares.
        mask: [B, 1, H, W] in [0, 1], what is to show completions.
        ramp_px: see `feather`.
        reaches_far: whether a square shows the mask wherever it lies in the square, not only in its
            own part of the hole.

    Returns:
        Layers of the squares that show anything, and the weight of all together, [B, H, W].
    """
    layers, weight = [], mask.new_zeros(len(mask), *mask.shape[2:])
    num_squares = Counter(erased.image_of)
    for square, (b, crop) in enumerate(zip(erased.image_of, erased.crops, strict=True)):
        own = crop.image_area if reaches_far else erased.areas[square]
        opacity = opacity_in_box(mask[b], erased.hole_mask[b], crop, own, ramp_px)[0]
        area = _touched(opacity, crop.image_area, weight.shape[1:])
        if area is None:
            continue
        covered = weight[(b, *crop.image_area)]
        if num_squares[b] == 1:
            covered.copy_(opacity)
            own_weight = weight[(b, *area)]  # large images have no memory for copies
        else:
            torch.lerp(opacity, torch.ones_like(opacity), covered, out=covered)
            own_weight = cut(opacity, crop.image_area, area, mode="constant").clone()
        layers.append(Layer(square, area, own_weight))
    return tuple(layers), weight


def _touched(weight_hw: Tensor, box: Area, size: Sequence[int]) -> Area | None:
    """Return the area from the first weight in a box to the last, and a pixel more in the image."""
    parts = []
    for dim, (part, length) in enumerate(zip(box, size, strict=True)):
        index = weight_hw.amax(dim=1 - dim).nonzero()[:, 0] + part.start
        if len(index) == 0:
            return None
        first, last = index[[0, -1]].tolist()
        parts.append(slice(max(first - 1, 0), min(last + 2, length)))
    rows, columns = parts
    return rows, columns


def opacity_in_box(
    mask_1hw: Tensor, hole_mask_1hw: Tensor, crop: Crop, area: Area, feather_px: int
) -> Tensor:
    """Return the weight of a completion in the box of its square, `crop.image_area`.

    It ends where the completion does: outside the hole it fades to zero over feather_px pixels at
    sides of the square that lie inside the image; the hole itself keeps its weight.

    Args:
        mask_1hw: [1, H, W] in [0, 1], what is to show the completion.
        hole_mask_1hw: [1, H, W] in [0, 1], soft, 1 = fill.
        crop: the completion's square.
        area: rows and columns in the box; both masks count as 0 outside of them.
        feather_px: see `feather`.

    Returns:
        [1, h, w] in [0, 1].
    """
    box = crop.image_area
    wide = tuple(
        slice(max(part.start - feather_px, 0), min(part.stop + feather_px, length))
        for part, length in zip(box, mask_1hw.shape[1:], strict=True)
    )
    weight = feather(_only(mask_1hw, area, wide)[None], feather_px)[0]
    inner = (
        slice(part.start - outer.start, part.stop - outer.start)
        for part, outer in zip(box, wide, strict=True)
    )
    weight = weight[(..., *inner)]
    inset = crop.inset(weight.device)[None]
    result, hole_mask = torch.empty_like(inset), _only(hole_mask_1hw, area, box)
    bands = (x.split(_BAND_ROWS, dim=1) for x in (result, weight, inset, hole_mask))
    for target, *band in zip(*bands, strict=True):
        target.copy_(_limited(feather_px, *band))
    return result


def _only(mask_1hw: Tensor, area: Area, wide: tuple[slice, ...]) -> Tensor:
    """Return a mask in a wide area, 0 outside of another one that lies in it."""
    pads = [
        pad
        for part, outer in zip(reversed(area), reversed(wide), strict=True)
        for pad in (part.start - outer.start, outer.stop - part.stop)
    ]
    part = mask_1hw[(..., *area)]
    return F.pad(part, pads) if any(pads) else part  # large images have no memory for copies


def _limited(feather_px: int, weight: Tensor, inset: Tensor, hole_mask: Tensor) -> Tensor:
    """Let a weight end where the square does, but not in the hole."""
    ramp = (inset / max(feather_px, 1)).clamp_(0, 1)
    floor = torch.minimum(weight, paste_weight(hole_mask))
    return torch.maximum(torch.minimum(weight, ramp), floor).mul_(inset > 0)


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


def cut(plane: Tensor, box: Area, area: Area, mode: str = "replicate") -> Tensor:
    """Return an area [h, w] of a plane that fills a box, padded where the box ends."""
    inner, beyond = [], []
    for part, limit in zip(area, box, strict=True):
        start, stop = max(part.start, limit.start), min(part.stop, limit.stop)
        inner.append(slice(start - limit.start, stop - limit.start))
        beyond.append((start - part.start, part.stop - stop))
    plane = plane[tuple(inner)]
    if any(map(any, beyond)):
        plane = F.pad(plane[None], (*beyond[1], *beyond[0]), mode=mode)[0]
    return plane
