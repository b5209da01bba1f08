"""Means over a part of a picture, without a trace of what lies outside the part.

Legend: n pictures, C channels, R their side in pixels.
"""

import torch
from torch import Tensor


def region_mean(images: Tensor, region: Tensor, sigma_px: float, radius_px: int) -> Tensor:
    """Return the Gaussian-weighted mean around each pixel over the pixels of a region.

    mean(x) = blur(x * region) / blur(region)

    Args:
        images: [n, C, R, R] float32.
        region: [n, 1, R, R] bool.
        sigma_px: standard deviation of the weights.
        radius_px: beyond it, along rows or columns, the weight is 0.

    Returns:
        [n, C, R, R] float32, 0 where no pixel of the region is near.
    """
    blur = _blur_matrix(images.shape[-1], sigma_px, radius_px)
    weight = region.float()
    mass = blur @ weight @ blur
    # Where no pixel is near, both are 0; the smallest other mass is far above the bound.
    return (blur @ (images * weight) @ blur) / mass.clamp(min=1e-30)


def _blur_matrix(side: int, sigma_px: float, radius_px: int) -> Tensor:
    """[R, R]: weight of pixel j for pixel i. A product of matrices is the fastest blur on a CPU."""
    index = torch.arange(side, dtype=torch.float64)
    distance = (index[:, None] - index).abs()
    weights = torch.exp(-0.5 * (distance / sigma_px) ** 2)
    return weights.where(distance <= radius_px, 0.0).float()


def mean_over(values: Tensor, region: Tensor) -> Tensor:
    """Return the mean of values [n, C, R, R] over the pixels of a region [n, 1, R, R] and channels.

    Returns:
        [n] float64, NaN where the region is empty.
    """
    total = (values * region).sum(dim=(1, 2, 3), dtype=torch.float64)
    return total / (region.sum(dim=(1, 2, 3)) * values.shape[1])
