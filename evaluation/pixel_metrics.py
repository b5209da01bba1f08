"""Metrics on pixels: PSNR, SSIM and L1, the seam along the hole's edge, sharpness, and diversity.

Legend: n images, V results for each, C channels, R their side in pixels. Unless said otherwise,
images are [n, 3, R, R] float32 from 0 to 255, holes and regions are [n, 1, R, R] bool, and one
float64 for each image [n] comes back.
"""

import functools
from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from ..core.region_errors import hole_l1
from .types import ImageValues, MethodOutput

_PEAK = 255.0
_MAX_PSNR_DB = 100.0  # of equal images, so that means stay finite
_C1, _C2 = (0.01 * _PEAK) ** 2, (0.03 * _PEAK) ** 2
_RIM_SIGMA = 1 / 32  # of the side: 8 px at 256
_CELLS_PX = (2, 4, 8)  # of the coarse seams


def fidelity(output: MethodOutput) -> dict[str, ImageValues]:
    """Return erased_psnr, erased_ssim and erased_l1 of the results, and valid_* of raw outputs.

    PSNR in dB (100 for equal pixels); L1 in /255; means over the V results. valid_* is measured
    before Eq. 4, which would copy the original's pixels.
    """
    values = _compare("erased", output.results, output.originals, output.holes)
    if output.raw is not None:
        values |= _compare("valid", output.raw, output.originals, ~output.holes)
    return values


def _compare(
    prefix: str, images: Tensor, originals: Tensor, region: Tensor
) -> dict[str, ImageValues]:
    expected = originals.float()
    rows = []
    for variant in images.float().unbind(dim=1):
        error = variant - expected
        squared, absolute = mean_over(error.square(), region), mean_over(error.abs(), region)
        rows.append(torch.stack([psnr(squared), ssim(variant, expected, region), absolute]))
    means = torch.stack(rows).mean(dim=0)
    names = (f"{prefix}_psnr", f"{prefix}_ssim", f"{prefix}_l1")
    return {name: ImageValues.of(mean) for name, mean in zip(names, means, strict=True)}


def psnr(mean_squared_error: Tensor) -> Tensor:
    """Return 10 log10(255^2 / error) in dB, at most 100."""
    least = _PEAK**2 / 10 ** (_MAX_PSNR_DB / 10)
    return 10 * torch.log10(_PEAK**2 / mean_squared_error.clamp(min=least))


def ssim(first: Tensor, second: Tensor, region: Tensor) -> Tensor:
    """Return the structural similarity of two images within a region.

    The Gaussian windows (11 px, sigma 1.5) are restricted to the region and renormalised, so
    nothing outside it has any influence. The mean is over the region's pixels and the channels;
    -1 to 1, NaN where the region is empty.

    Source: Wang et al. 2004, "Image quality assessment: from error visibility to structural
        similarity", eq. 13 with K1 = 0.01 and K2 = 0.03; deviates in the restricted windows.
    """
    middle = _PEAK / 2  # centred values lose fewer digits in the variances
    a, b = first - middle, second - middle
    maps = torch.cat([a, b, a * a, b * b, a * b], dim=1)
    means = region_mean(maps, region, sigma_px=1.5, radius_px=5)
    mean_a, mean_b, aa, bb, ab = means.chunk(5, dim=1)
    variances = (aa - mean_a**2) + (bb - mean_b**2)
    covariance = ab - mean_a * mean_b
    mean_a, mean_b = mean_a + middle, mean_b + middle
    luminance = (2 * mean_a * mean_b + _C1) / (mean_a**2 + mean_b**2 + _C1)
    structure = (2 * covariance + _C2) / (variances + _C2)
    return mean_over(luminance * structure, region)


def seam(output: MethodOutput) -> dict[str, ImageValues]:
    """Return seam, seam_2x, _4x and _8x, and rim_colour, _red, _green and _blue: means over V.

    seam: mean absolute jump across the hole's edge over the same jump in the original.
    seam_Nx: the same ratio of `coarse_jump` with cells of N x N pixels.
    rim_*: low-pass colour error at the rim in /255; red, green and blue are signed, rim_colour is
    the mean magnitude.
    """
    holes, originals = output.holes, output.originals.float()
    variants = output.results.float().unbind(dim=1)
    errors = [rim_errors(variant - originals, holes) for variant in variants]
    red, green, blue, magnitude = torch.stack(errors).mean(dim=0).unbind(dim=1)
    rim = {"rim_colour": magnitude, "rim_red": red, "rim_green": green, "rim_blue": blue}
    ratios = {"seam": _over_original(edge_jump, variants, originals, holes)}
    for px in _CELLS_PX:
        measure = functools.partial(coarse_jump, cell_px=px)
        ratios[f"seam_{px}x"] = _over_original(measure, variants, originals, holes)
    return ratios | {name: ImageValues.of(values) for name, values in rim.items()}


def _over_original(
    measure: Callable[[Tensor, Tensor], Tensor],
    variants: Sequence[Tensor],
    originals: Tensor,
    holes: Tensor,
) -> ImageValues:
    """The mean over the results of a measure of images and holes, over that of the originals."""
    measured = [measure(variant, holes) for variant in variants]
    return ImageValues(torch.stack(measured).mean(dim=0), measure(originals, holes))


def edge_jump(images: Tensor, holes: Tensor) -> Tensor:
    """Return the mean absolute difference of neighbours on opposite sides of the hole's edge.

    0 where the hole has no edge.
    """
    total = images.new_zeros(len(images), dtype=torch.float64)
    count = torch.zeros(len(images), dtype=torch.int64)
    for dim in (2, 3):
        across = holes.diff(dim=dim)  # of booleans: where neighbours differ
        jump = images.diff(dim=dim).abs() * across
        total = total + jump.sum(dim=(1, 2, 3), dtype=torch.float64)
        count = count + across.sum(dim=(1, 2, 3)) * images.shape[1]
    return total / count.clamp(min=1)


def coarse_jump(images: Tensor, holes: Tensor, cell_px: int) -> Tensor:
    """Return `edge_jump` after shrinking: steps of colour too gradual to show between pixels.

    1. A cell of cell_px x cell_px pixels belongs to the hole if at least half of its pixels do.
    2. Its colour is the mean over those of its pixels that lie on its own side. A plain mean would
       hide the step in the cells that the hole's edge runs through.
    3. The cells are compared as pixels are.

    Args:
        images: as in the legend.
        holes: as in the legend.
        cell_px: a divisor of R.
    """
    inside = F.avg_pool2d(holes.float(), cell_px)
    cell_holes = inside >= 0.5
    own = holes == cell_holes.repeat_interleave(cell_px, dim=2).repeat_interleave(cell_px, dim=3)
    total = F.avg_pool2d(images * own, cell_px)
    return edge_jump(total / torch.where(cell_holes, inside, 1 - inside), cell_holes)


def sharpness(output: MethodOutput) -> dict[str, ImageValues]:
    """Return sharpness: high-frequency energy in the hole over the original's, mean over V.

    Below 1 the completion is smoother than the original, above 1 rougher.
    """
    variants = output.results.float().unbind(dim=1)
    ratio = _over_original(detail_energy, variants, output.originals.float(), output.holes)
    return {"sharpness": ratio}


def detail_energy(images: Tensor, holes: Tensor) -> Tensor:
    """Return the mean square of what a 3 x 3 mean takes away from the hole.

    Pixels count whose 3 x 3 window lies in the hole, so that neither its edge nor the valid pixels
    have any influence; 0 if there are none.
    """
    detail = images[..., 1:-1, 1:-1] - F.avg_pool2d(images, 3, stride=1)
    inner = -F.max_pool2d(-holes.float(), 3, stride=1) > 0
    return mean_over(detail.square(), inner).nan_to_num(0.0)


def rim_errors(error: Tensor, holes: Tensor) -> Tensor:
    """Return the low-pass colour error (result minus original) at the rim of the hole.

    1. The error is smoothed with Gaussian weights over the hole's pixels alone.
    2. It is read at the hole's pixels that have a valid neighbour in their row or column.

    Returns:
        [n, 4]: signed means of red, green and blue, and the mean magnitude over all three. NaN
        where the hole has no edge.
    """
    sigma_px = error.shape[-1] * _RIM_SIGMA
    smooth = region_mean(error, holes, sigma_px, radius_px=max(1, round(3 * sigma_px)))
    rim = holes & _has_neighbour(~holes)
    signed = [mean_over(channel, rim) for channel in smooth.split(1, dim=1)]
    return torch.stack([*signed, mean_over(smooth.abs(), rim)], dim=1)


def _has_neighbour(region: Tensor) -> Tensor:
    """Return the pixels whose left, right, upper or lower neighbour is in the region."""
    padded = F.pad(region, (1, 1, 1, 1))
    rows, columns = padded[..., 1:-1], padded[..., 1:-1, :]
    return columns[..., :-2] | columns[..., 2:] | rows[..., :-2, :] | rows[..., 2:, :]


def diversity(output: MethodOutput) -> dict[str, ImageValues]:
    """Return the diversity of two or more results and, if `independent` is known, rho.

    diversity: mean absolute difference of the first two results in the hole, in /255.
    rho: L1 in the hole between them, over that between two independent samples.
    """
    if output.num_variants < 2:
        return {}
    holes, results, independent = output.holes, output.results.double(), output.independent
    difference = hole_l1(results[:, 0], results[:, 1], holes)
    values = {"diversity": ImageValues.of(difference / (3 * holes.sum(dim=(1, 2, 3))))}
    if independent is not None:
        samples = independent.double()
        values["rho"] = ImageValues(difference, hole_l1(samples[:, 0], samples[:, 1], holes))
    return values


def region_mean(images: Tensor, region: Tensor, sigma_px: float, radius_px: int) -> Tensor:
    """Return the Gaussian-weighted mean around each pixel over the pixels of a region.

    mean(x) = blur(x * region) / blur(region)

    Args:
        images: [n, C, R, R].
        region: as in the legend.
        sigma_px: standard deviation of the weights.
        radius_px: the weight is 0 beyond it, along rows or columns.

    Returns:
        [n, C, R, R] float32, 0 where no pixel of the region is near.
    """
    # A product of matrices is the fastest blur on a CPU.
    index = torch.arange(images.shape[-1], dtype=torch.float64)
    distance = (index[:, None] - index).abs()
    weights = torch.exp(-0.5 * (distance / sigma_px) ** 2)
    blur = weights.where(distance <= radius_px, 0.0).float()
    weight = region.float()
    mass = blur @ weight @ blur
    # Where no pixel is near, both are 0; the smallest other mass is far above the bound.
    return (blur @ (images * weight) @ blur) / mass.clamp(min=1e-30)


def mean_over(values: Tensor, region: Tensor) -> Tensor:
    """Return the mean of values [n, C, R, R] over a region and the channels; NaN if it is empty."""
    total = (values * region).sum(dim=(1, 2, 3), dtype=torch.float64)
    return total / (region.sum(dim=(1, 2, 3)) * values.shape[1])
