"""Modulated convolution in plain PyTorch, by scaling the feature maps."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from ..upfirdn2d import upfirdn2d


def modulated_conv2d(
    x: Tensor, weight: Tensor, styles: Tensor, demodulate: bool, up: int, taps: Tensor | None
) -> Tensor:
    """Convolve x; arguments as in the public op, all of them given and checked.

    Scaling the input by the style and the output by the demodulation coefficient equals
    convolving every sample with weights of its own, and lets the batch share one convolution.
    """
    if demodulate and x.dtype == torch.float16:
        weight, styles = _normalized(weight, styles)
    y = _convolve(x * styles.to(x.dtype)[:, :, None, None], weight.to(x.dtype), up, taps)
    if not demodulate:
        return y
    precise = torch.promote_types(weight.dtype, torch.float32)  # 1e-8 is zero in float16
    power = weight.to(precise).square().sum(dim=(2, 3))
    coefficients = torch.rsqrt(styles.to(precise).square() @ power.t() + 1e-8)
    return y * coefficients.to(y.dtype)[:, :, None, None]


def _normalized(weight: Tensor, styles: Tensor) -> tuple[Tensor, Tensor]:
    """Scale both so that no sum exceeds float16's 65504; demodulation undoes any scale.

    The scales are constants to the gradient: what does not change the result has none.
    """
    largest_weight = weight.detach().abs().amax(dim=(1, 2, 3), keepdim=True)
    largest_style = styles.detach().abs().amax(dim=1, keepdim=True)
    weight = weight / (_or_one(largest_weight) * math.sqrt(weight[0].numel()))
    return weight, styles / _or_one(largest_style)


def _or_one(scale: Tensor) -> Tensor:
    """Replace zeros, which scale nothing, by one."""
    return scale.masked_fill(scale == 0, 1.0)


def _convolve(x: Tensor, weight: Tensor, up: int, taps: Tensor | None) -> Tensor:
    """Convolve with zero padding that keeps the size, or doubles it when up is 2."""
    K = weight.shape[-1]
    if up == 1 or taps is None:
        return F.conv2d(x, weight, padding=K // 2)
    # The transposed convolution skips the multiplications by inserted zeros; it makes 2H - 2 + K
    # samples, which the filter smooths and its padding trims to 2H.
    y = F.conv_transpose2d(x, weight.transpose(0, 1), stride=2)
    before = (taps.shape[0] + 1) // 2 + K // 2 - (K - 1)
    after = (taps.shape[0] - 2) // 2 + K // 2 - (K - 2)
    return upfirdn2d(y, taps, padding=(before, after) * 2, gain=4.0)
