"""Colours under transparent pixels: often garbage, and never to be seen.

Legend: B images, C channels, H x W pixels.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from .errors import InputError
from .hole_masks import HOLE_LEVEL
from .image import check_tensor, to_unit_range


def hidden_mask(alpha: Tensor, batch: int, height: int, width: int) -> Tensor:
    """Return where an image is too transparent for its colours to count.

    Args:
        alpha: [H, W] or [B, H, W], 1 = opaque; floating point in [0, 1], bool, or uint8 (0..255).
            One serves a whole batch.
        batch: number of images.
        height: of the images, in pixels.
        width: of the images, in pixels.

    Returns:
        [B, 1, H, W] bool, same device: alpha of 0.5 or less.

    Raises:
        InputError: alpha of another shape or range.
    """
    check_tensor(alpha, "an alpha channel")
    bhw = alpha[None] if alpha.ndim == 2 else alpha
    if bhw.ndim != 3 or bhw.shape[1:] != (height, width) or len(bhw) not in (1, batch):
        raise InputError(
            f"alpha of shape [{batch}, {height}, {width}], as the images",
            str(tuple(alpha.shape)),
            "Take alpha from the same file.",
        )
    return (1.0 - to_unit_range(bhw, "an alpha channel") >= HOLE_LEVEL)[:, None].expand(
        batch, -1, -1, -1
    )


def cover_hidden(image_bchw: Tensor, hidden_b1hw: Tensor) -> Tensor:
    """Return images whose hidden pixels continue the colours of visible ones.

    Every hidden pixel takes the mean of the smallest block of visible pixels around it, from blocks
    of 2, 4, 8 ... pixels; black where nothing is visible.

    Args:
        image_bchw: [B, C, H, W] floating point.
        hidden_b1hw: [B, 1, H, W] bool.

    Returns:
        [B, C, H, W]; visible pixels bit for bit.
    """
    if not bool(hidden_b1hw.any()):
        return image_bchw
    visible = torch.where(hidden_b1hw, 0.0, image_bchw)
    return torch.where(hidden_b1hw, _spread(visible, (~hidden_b1hw).to(visible)), image_bchw)


def _spread(colours: Tensor, weight: Tensor) -> Tensor:
    """Divide colours by their weight, and take those of the next coarser level where that is 0."""
    known = colours / weight.clamp(min=torch.finfo(weight.dtype).tiny)
    if weight.shape[-2:] == (1, 1) or bool((weight > 0).all()):
        return known
    coarse = _spread(*(F.avg_pool2d(x, 2, ceil_mode=True) for x in (colours, weight)))
    coarse = F.interpolate(coarse, size=colours.shape[-2:], mode="nearest")
    return torch.where(weight > 0, known, coarse)
