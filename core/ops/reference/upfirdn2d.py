"""Resampling with an FIR filter in plain PyTorch."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor


def upfirdn2d(
    x: Tensor, taps: Tensor, up: int, down: int, padding: Sequence[int], flip: bool, gain: float
) -> Tensor:
    """Resample x; arguments as in the public op, without defaults and already checked."""
    # One pass with the outer product beats two separable passes: this is bound by memory.
    kernel = torch.outer(taps, taps) if taps.ndim == 1 else taps
    kernel = (kernel if flip else kernel.flip(0, 1)) * gain
    if up > 1 and down == 1:
        crop = _crop(kernel, up, padding)
        if crop is not None:
            return _interpolate(x, kernel, up, crop)
    if up > 1:
        x = _insert_zeros(x, up)
    left, right, top, bottom = padding
    if min(padding) < 0 or left != right or top != bottom:
        x, left, top = F.pad(x, [max(amount, 0) for amount in padding]), 0, 0
    if min(padding) < 0:  # separately: F.pad crops first, possibly more than there is
        x = F.pad(x, [min(amount, 0) for amount in padding])
    C = x.shape[1]
    weight = kernel.to(x.dtype).repeat(C, 1, 1, 1)
    return F.conv2d(x, weight, stride=down, padding=(top, left), groups=C)


def _crop(kernel: Tensor, up: int, padding: Sequence[int]) -> tuple[int, int] | None:
    """Return how much of a transposed convolution to crop, or None if that is not symmetric."""
    KH, KW = kernel.shape
    left, right, top, bottom = padding
    across, down = (KW - 1 - left, KW - up - right), (KH - 1 - top, KH - up - bottom)
    is_symmetric = across[0] == across[1] >= 0 and down[0] == down[1] >= 0
    return (down[0], across[0]) if is_symmetric else None


def _interpolate(x: Tensor, kernel: Tensor, up: int, crop: tuple[int, int]) -> Tensor:
    """Upsample by a transposed convolution, which neither stores nor multiplies inserted zeros."""
    dtype = x.dtype
    if x.device.type == "cpu" and dtype.itemsize == 2:
        x = x.float()  # in half precision, oneDNN takes 25 times as long on a CPU
    C = x.shape[1]
    weight = kernel.flip(0, 1).to(x.dtype).repeat(C, 1, 1, 1)
    return F.conv_transpose2d(x, weight, stride=up, padding=crop, groups=C).to(dtype)


def _insert_zeros(x: Tensor, up: int) -> Tensor:
    """Insert up - 1 zeros after every sample: [B, C, H, W] to [B, C, H*up, W*up]."""
    B, C, H, W = x.shape
    spread = x.new_zeros(B, C, H, up, W, up)
    spread[:, :, :, 0, :, 0] = x
    return spread.reshape(B, C, H * up, W * up)
