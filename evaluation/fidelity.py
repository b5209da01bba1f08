"""PSNR, SSIM and L1 against the original, on erased and on valid pixels.

Legend: n pictures, V results of each, R their side in pixels. Levels are 0 to 255.
"""

import torch
from torch import Tensor

from .regions import mean_over, region_mean
from .types import Evaluated, PictureValues, in_chunks

_PEAK = 255.0
_LARGEST_PSNR_DB = 100.0  # of equal pictures, so that means stay finite
_WINDOW = {"sigma_px": 1.5, "radius_px": 5}
_C1, _C2 = (0.01 * _PEAK) ** 2, (0.03 * _PEAK) ** 2


@in_chunks
def fidelity(evaluated: Evaluated) -> dict[str, PictureValues]:
    """Return erased_* of the results and, where there are raw pictures, valid_* of those.

    psnr in dB (100 for equal pixels), ssim, and l1 in levels; means over the V results. Raw
    pictures, because a composite's valid pixels are the original's.
    """
    values = _compare("erased", evaluated.results, evaluated.originals, evaluated.holes)
    if evaluated.raw is not None:
        values |= _compare("valid", evaluated.raw, evaluated.originals, ~evaluated.holes)
    return values


def _compare(
    prefix: str, pictures: Tensor, originals: Tensor, region: Tensor
) -> dict[str, PictureValues]:
    wanted = originals.float()
    rows = []
    for variant in pictures.float().unbind(dim=1):
        error = variant - wanted
        rows.append(
            torch.stack(
                [
                    psnr(mean_over(error.square(), region)),
                    ssim(variant, wanted, region),
                    mean_over(error.abs(), region),
                ]
            )
        )
    means = torch.stack(rows).mean(dim=0)
    names = (f"{prefix}_psnr", f"{prefix}_ssim", f"{prefix}_l1")
    return {name: PictureValues.of(mean) for name, mean in zip(names, means, strict=True)}


def psnr(mean_squared_error: Tensor) -> Tensor:
    """Return 10 log10(255^2 / error) in dB, at most 100."""
    least = _PEAK**2 / 10 ** (_LARGEST_PSNR_DB / 10)
    return 10 * torch.log10(_PEAK**2 / mean_squared_error.clamp(min=least))


def ssim(first: Tensor, second: Tensor, region: Tensor) -> Tensor:
    """Return the structural similarity of the parts of two pictures in a region.

    The Gaussian windows (11 px, sigma 1.5) hold the region's pixels only, with their weights
    scaled up to 1: what lies outside the region has no influence. The mean is over the region's
    pixels and the three channels.

    Args:
        first: [n, 3, R, R] float32 levels.
        second: as first.
        region: [n, 1, R, R] bool.

    Returns:
        [n] float64, -1 to 1; NaN where the region is empty.

    Source: Wang et al. 2004, "Image quality assessment: from error visibility to structural
        similarity", eq. 13 with K1 = 0.01 and K2 = 0.03; deviates in the restricted windows.
    """
    middle = _PEAK / 2  # variances of centred values lose fewer digits
    a, b = first - middle, second - middle
    maps = torch.cat([a, b, a * a, b * b, a * b], dim=1)
    mean_a, mean_b, aa, bb, ab = region_mean(maps, region, **_WINDOW).chunk(5, dim=1)
    variances = (aa - mean_a**2) + (bb - mean_b**2)
    covariance = ab - mean_a * mean_b
    mean_a, mean_b = mean_a + middle, mean_b + middle
    luminance = (2 * mean_a * mean_b + _C1) / (mean_a**2 + mean_b**2 + _C1)
    structure = (2 * covariance + _C2) / (variances + _C2)
    return mean_over(luminance * structure, region)
