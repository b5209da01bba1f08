"""Eq. 4, at the network's resolution and at the image's own, and errors over regions.

Legend: B images, V variants, N = B*V, H x W pixels of an image, R the network's resolution.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from .blending import choose_blend, seamless
from .checks import check_range
from .crops import Crop
from .errors import InputError
from .geometry import Erased, place_completed
from .hole_masks import hole_mask_to_b1hw
from .image import image_to_unit_bchw
from .inference import inference

_MAX_FEATHER_PX = 1024
_PIXELS_AT_ONCE = 2**21  # 8 variants of a box of 512 px


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
    return (2 * hole_mask).clamp(max=1)


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
    inset = crop.inset(weight.device)
    ramp = (inset / max(feather_px, 1)).clamp(0, 1)
    floor = torch.minimum(weight, paste_weight(hole_mask_1hw[:, rows, columns]))
    return torch.maximum(torch.minimum(weight, ramp), floor) * (inset > 0)


@inference
def paste_completions(
    erased: Erased,
    images: Tensor,
    feather_px: int = 0,
    blend_mask: Tensor | None = None,
    blend: str | None = None,
) -> tuple[Tensor, Tensor]:
    """Put completions into the original images (Eq. 4), at their own size.

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
        Images [B*V, H, W, 3] float32 in [0, 1], and the weight of the completion at each pixel
        [B, H, W], both where `erased` is.

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
    completed = completed.unflatten(0, (B, -1))
    weight = mask.new_zeros(B, H, W)
    result = erased.original.movedim(1, -1).repeat_interleave(completed.shape[1], dim=0)
    for b, crop in enumerate(erased.crops):
        area = crop.image_area
        weight[(b, *area)] = opacity_in_box(mask[b], erased.hole_mask[b], crop, ramp_px)[0]
        first = b * completed.shape[1]
        for part in completed[b].split(_variants_at_once(area)):
            placed = _place(part, erased.original[b], weight[b], crop, blend)
            box = result[(slice(first, first + len(part)), *area)]
            box.copy_(torch.lerp(box, placed.movedim(1, -1), weight[(b, *area)][..., None]))
            first += len(part)
    return result, weight


def _variants_at_once(area: tuple[slice, slice]) -> int:
    """As many variants as take little memory: one of a large box."""
    rows, columns = area
    num_pixels = (rows.stop - rows.start) * (columns.stop - columns.start)
    return max(_PIXELS_AT_ONCE // num_pixels, 1)


def _place(completed: Tensor, original: Tensor, weight: Tensor, crop: Crop, blend: str) -> Tensor:
    """Return completions [v, 3, R, R] in the crop's box, [v, 3, h, w]; the rest is [., H, W]."""
    placed = torch.stack([place_completed(one, crop) for one in completed])
    if blend != "seamless":
        return placed
    # One more pixel where the image goes on: a hole may reach as far as its square.
    rows, columns = crop.image_area
    up, left = min(rows.start, 1), min(columns.start, 1)
    down, right = min(crop.height - rows.stop, 1), min(crop.width - columns.stop, 1)
    wide = (
        slice(rows.start - up, rows.stop + down),
        slice(columns.start - left, columns.stop + right),
    )
    padded = F.pad(placed, (left, right, up, down), mode="replicate")
    scale = crop.side / completed.shape[-1]
    padded = seamless(original[(..., *wide)], padded, weight[wide], scale)
    return padded[..., up : up + placed.shape[2], left : left + placed.shape[3]]


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
