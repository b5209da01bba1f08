"""Changes to hole masks: invert, fill what is enclosed, grow, blur.

Legend: B masks, H x W pixels, 1 = fill.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from .checks import check_int
from .hole_masks import HOLE_LEVEL

_MOST_PX = 1024


@dataclass(frozen=True, kw_only=True)
class MaskEdits:
    """What is done to a hole mask, in this order.

    Raises:
        InputError: a number out of range, or not whole.
    """

    invert: bool = False
    """Fill what was kept, keep what was filled."""
    fill: bool = False
    """Fill what the hole encloses: an outline becomes an area."""
    grow_px: int = 0
    """Grow the hole by so many pixels along rows and columns, or shrink it if negative; at most
    1024 either way."""
    blur_px: int = 0
    """Soften the hole's edge over so many pixels on either side, 0 to 1024. The hole, from 0.5 on,
    stays where it was along straight edges."""

    def __post_init__(self) -> None:
        check_int(self.grow_px, "grow_px", -_MOST_PX, _MOST_PX)
        check_int(self.blur_px, "blur_px", 0, _MOST_PX)

    def apply(self, hole_mask_bhw: Tensor) -> Tensor:
        """Return the changed masks, [B, H, W] in [0, 1]."""
        mask = 1 - hole_mask_bhw if self.invert else hole_mask_bhw
        if self.fill:
            mask = torch.maximum(mask, _enclosed(mask >= HOLE_LEVEL).to(mask.dtype))
        if self.grow_px > 0:
            mask = _grown(mask, self.grow_px)
        if self.grow_px < 0:
            mask = 1 - _grown(1 - mask, -self.grow_px)
        return _blurred(mask, self.blur_px) if self.blur_px else mask


def _grown(mask_bhw: Tensor, px: int) -> Tensor:
    for dim in (1, 2):
        kernel, padding = ((2 * px + 1, 1), (px, 0)) if dim == 1 else ((1, 2 * px + 1), (0, px))
        mask_bhw = F.max_pool2d(mask_bhw, kernel, stride=1, padding=padding)
    return mask_bhw


def _blurred(mask_bhw: Tensor, px: int) -> Tensor:
    padded = F.pad(mask_bhw[:, None], (px,) * 4, mode="replicate")
    size = 2 * px + 1
    ramp = F.avg_pool2d(F.avg_pool2d(padded, (size, 1), stride=1), (1, size), stride=1)
    return ramp[:, 0].clamp(0.0, 1.0)  # the mean of ones can be 1 + 1e-7


def _enclosed(hole_bhw: Tensor) -> Tensor:
    """Return the pixels outside the hole that no path outside it connects with the border."""
    free = ~hole_bhw
    border = torch.zeros_like(free)
    border[:, [0, -1], :] = border[:, :, [0, -1]] = True
    reached = free & border
    while True:  # once for each turn of the longest path
        wider = _along_rows(reached, free)
        wider = _along_rows(wider.mT, free.mT).mT
        if torch.equal(wider, reached):
            return free & ~reached
        reached = wider


def _along_rows(reached: Tensor, free: Tensor) -> Tensor:
    """Let what is reached spread over the whole run of free pixels in its row."""
    # A run is numbered by the walls before it, and no two rows share a number.
    walls = (~free).flatten(0, 1).int()
    walls[:, 0] += 1
    run = walls.flatten().cumsum(0)
    is_reached = torch.zeros(int(run[-1]) + 1, dtype=torch.bool, device=free.device)
    is_reached[run[reached.flatten()]] = True
    return is_reached[run].view_as(free) & free
