"""Eq. 4, at the network's resolution and at the image's own, and errors over regions.

Legend: B images, V variants, N = B*V, H x W pixels of an image, R the network's resolution.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from .checks import check_range
from .errors import InputError
from .geometry import Erased, paste_back
from .hole_masks import hole_mask_to_b1hw
from .image import image_to_unit_bchw

_MAX_FEATHER_PX = 1024


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


def within_crops(weight: Tensor, erased: Erased, ramp_px: int) -> Tensor:
    """Let a weight end where the completion does: at the sides of its square.

    Args:
        weight: [B, 1, H, W] in [0, 1].
        erased: the images with their squares.
        ramp_px: outside the hole, the weight fades to zero over this many pixels at sides of the
            square that lie inside the image; the hole itself keeps its weight.

    Returns:
        [B, 1, H, W] in [0, 1], 0 outside the squares.
    """
    result = torch.zeros_like(weight)
    for index, crop in enumerate(erased.crops):
        rows, columns = crop.image_area
        area = (index, 0, rows, columns)
        vertical = _distance_to_sides(rows, crop.height, weight.device)
        horizontal = _distance_to_sides(columns, crop.width, weight.device)
        ramp = torch.minimum(vertical[:, None], horizontal) / max(ramp_px, 1)
        floor = torch.minimum(weight[area], paste_weight(erased.hole_mask[area]))
        result[area] = torch.maximum(torch.minimum(weight[area], ramp.clamp(max=1)), floor)
    return result


def _distance_to_sides(part: slice, length: int, device: torch.device) -> Tensor:
    """Pixels from each index to the nearest end of the part that is not an end of the image."""
    index = torch.arange(part.start, part.stop, device=device, dtype=torch.float32)
    far = torch.full_like(index, float("inf"))
    before = index - part.start + 1 if part.start > 0 else far
    after = part.stop - index if part.stop < length else far
    return torch.minimum(before, after)


@torch.no_grad()
def paste_completions(
    erased: Erased, images: Tensor, feather_px: int = 0, blend_mask: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Put completions into the original images (Eq. 4), at their own size.

    From 0.5 to 0 of the hole mask the completion fades out; at 0 the original stays bit for bit.

    Args:
        erased: the images.
        images: [B*V, R, R, 3] in [0, 1], image-major.
        feather_px: the completion fades out over so many pixels outside the hole; 0 for none.
        blend_mask: used for blending in place of the hole mask; any layout of
            `hole_mask_to_b1hw`.

    Returns:
        Images [B*V, H, W, 3] float32 in [0, 1], and the weight of the completion at each pixel
        [B, H, W], both where `erased` is.

    Raises:
        InputError: shapes or numbers that do not fit.
    """
    B, _, H, W = erased.original.shape
    weight = paste_weight(erased.hole_mask)
    if blend_mask is not None:
        weight = hole_mask_to_b1hw(blend_mask.to(weight.device), B, H, W)
    weight = within_crops(feather(weight, feather_px), erased, feather_px)
    completed = image_to_unit_bchw(images.to(weight.device))
    if len(completed) % B:
        raise InputError(
            f"the same number of completions for each of {B} images",
            f"{len(completed)} completions",
            "Connect the completions of these images.",
        )
    return blend_back(erased, completed, weight), weight[:, 0]


def blend_back(erased: Erased, completed: Tensor, weight: Tensor) -> Tensor:
    """Put completions into the original images, at their own size.

    Args:
        erased: the images.
        completed: [B*V, 3, R, R] in [0, 1], image-major.
        weight: [B, 1, H, W] of the completion; where it is 0 the original stays bit for bit.

    Returns:
        [B*V, H, W, 3] float32 in [0, 1].

    Source: the paper, Eq. 4.
    """
    B, _, H, W = erased.original.shape
    result = torch.empty(len(completed), H, W, 3, device=completed.device)
    for i in range(len(completed)):  # one by one: a large image's variants would fill the memory
        b = i * B // len(completed)
        original, opacity = erased.original[b : b + 1], weight[b : b + 1]
        pasted = paste_back(original, completed[i : i + 1], erased.crops[b : b + 1])
        blended = torch.where(opacity > 0, torch.lerp(original, pasted, opacity), original)
        result[i] = blended[0].movedim(0, -1)
    return result


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

    Raises:
        InputError: a width out of range.
    """
    check_range(width_px, "feather_px", 0, _MAX_FEATHER_PX)
    if width_px == 0:
        return hole_mask
    width = int(width_px)
    # Widen by half the ramp, then average over the other half: separable box filters.
    wider, reach = width // 2, (width + 1) // 2
    grown, size = 2 * wider + 1, 2 * reach + 1
    wide = F.max_pool2d(hole_mask, (grown, 1), stride=1, padding=(wider, 0))
    wide = F.max_pool2d(wide, (1, grown), stride=1, padding=(0, wider))
    padded = F.pad(wide, (reach,) * 4, mode="replicate")
    ramp = F.avg_pool2d(F.avg_pool2d(padded, (size, 1), stride=1), (1, size), stride=1)
    return torch.maximum(hole_mask, ramp)
