"""Whether the edge of the hole can be seen: jumps across it, and a wrong colour along it.

Legend: n pictures, V results of each, R their side in pixels. Levels are 0 to 255.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from .regions import mean_over, region_mean
from .types import Evaluated, PictureValues, in_chunks

_LOW_PASS = 1 / 32
"""Standard deviation of the low pass as a share of the side: 8 px at 256."""


@in_chunks
def seam(evaluated: Evaluated) -> dict[str, PictureValues]:
    """Return seam, rim_colour, rim_red, rim_green and rim_blue, means over the V results.

    seam: mean absolute jump across the hole's edge over the same jump in the original.
    rim_*: the low-pass error of the colour at the rim, in levels; red, green and blue are signed,
    rim_colour is the mean of its size.
    """
    holes, originals = evaluated.holes, evaluated.originals.float()
    jumps, errors = [], []
    for variant in evaluated.results.float().unbind(dim=1):
        jumps.append(edge_jump(variant, holes))
        errors.append(rim_errors(variant - originals, holes))
    red, green, blue, size = torch.stack(errors).mean(dim=0).unbind(dim=1)
    return {
        "seam": PictureValues(torch.stack(jumps).mean(dim=0), edge_jump(originals, holes)),
        "rim_colour": PictureValues.of(size),
        "rim_red": PictureValues.of(red),
        "rim_green": PictureValues.of(green),
        "rim_blue": PictureValues.of(blue),
    }


def edge_jump(images: Tensor, holes: Tensor) -> Tensor:
    """Return the mean absolute difference of neighbours of which one is in the hole.

    Args:
        images: [n, 3, R, R] float32.
        holes: [n, 1, R, R] bool.

    Returns:
        [n] float64, in the unit of images; 0 where the hole has no edge.
    """
    total, count = images.new_zeros(len(images), dtype=torch.float64), 0
    for dim in (2, 3):
        across = holes.diff(dim=dim)  # of booleans: where neighbours differ
        jump = images.diff(dim=dim).abs() * across
        total = total + jump.sum(dim=(1, 2, 3), dtype=torch.float64)
        count = count + across.sum(dim=(1, 2, 3)) * images.shape[1]
    return total / count.clamp(min=1)


def rim_errors(error: Tensor, holes: Tensor) -> Tensor:
    """Return the low-pass colour error at the rim of the hole.

    1. The error is averaged with Gaussian weights over the hole's pixels alone.
    2. It is read at the hole's pixels that have a valid pixel beside, above or below.

    Args:
        error: [n, 3, R, R] float32, result minus original.
        holes: [n, 1, R, R] bool.

    Returns:
        [n, 4] float64 in the unit of error: the signed means of red, green and blue, and the mean
        size over all three. NaN where the hole has no edge.
    """
    sigma_px = error.shape[-1] * _LOW_PASS
    smooth = region_mean(error, holes, sigma_px, radius_px=max(1, round(3 * sigma_px)))
    rim = holes & _beside(~holes)
    signed = [mean_over(channel, rim) for channel in smooth.split(1, dim=1)]
    return torch.stack([*signed, mean_over(smooth.abs(), rim)], dim=1)


def _beside(region: Tensor) -> Tensor:
    """Return the pixels with a pixel of the region in their row or column next to them."""
    grown = F.pad(region, (1, 1, 1, 1))
    middle = slice(1, -1)
    return (
        grown[..., middle, :-2]
        | grown[..., middle, 2:]
        | grown[..., :-2, middle]
        | grown[..., 2:, middle]
    )
