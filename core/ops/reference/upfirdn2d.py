"""Resampling with an FIR filter in plain PyTorch."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor


def _insert_zeros(x: Tensor, up: int) -> Tensor:
    """Insert up - 1 zeros after every sample: [B, C, H, W] to [B, C, H*up, W*up]."""
    B, C, H, W = x.shape
    spread = x.new_zeros(B, C, H, up, W, up)
    spread[:, :, :, 0, :, 0] = x
    return spread.reshape(B, C, H * up, W * up)


def upfirdn2d(
    x: Tensor, taps: Tensor, up: int, down: int, padding: Sequence[int], flip: bool, gain: float
) -> Tensor:
    """Resample x; arguments as in the public op, without defaults and already checked."""
    C = x.shape[1]
    if up > 1:
        x = _insert_zeros(x, up)
    # One pass with the outer product beats two separable passes: this is bound by memory.
    kernel = torch.outer(taps, taps) if taps.ndim == 1 else taps
    kernel = (kernel if flip else kernel.flip(0, 1)) * gain
    left, right, top, bottom = padding
    if min(padding) < 0 or left != right or top != bottom:
        x, left, top = F.pad(x, [max(amount, 0) for amount in padding]), 0, 0
    if min(padding) < 0:  # separately: F.pad crops first, possibly more than there is
        x = F.pad(x, [min(amount, 0) for amount in padding])
    weight = kernel.to(x.dtype).repeat(C, 1, 1, 1)
    return F.conv2d(x, weight, stride=down, padding=(top, left), groups=C)
