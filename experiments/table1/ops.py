"""The two functions that rosinality's StyleGAN2 compiles for CUDA, with this project's kernels.

With them the public code of pSp, HFGI, HyperStyle and CoModGAN's port needs no compiler and runs on
a CPU, too.
"""

# pyright: reportMissingImports=false
# An editable install is invisible to a type checker.
import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from diverse_inpainting.core import ops


def fused_leaky_relu(
    input: Tensor,
    bias: Tensor | None = None,
    negative_slope: float = 0.2,
    scale: float = math.sqrt(2),
) -> Tensor:
    """Return leaky_relu(input + bias) * scale."""
    if bias is not None:
        input = input + bias.view(1, -1, *[1] * (input.ndim - 2))
    return F.leaky_relu(input, negative_slope) * scale


class FusedLeakyReLU(nn.Module):
    """`fused_leaky_relu` with a bias that it holds."""

    def __init__(
        self,
        channel: int,
        *,
        bias: bool = True,
        negative_slope: float = 0.2,
        scale: float = math.sqrt(2),
    ) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(channel)) if bias else None
        self.negative_slope, self.scale = negative_slope, scale

    def forward(self, input: Tensor) -> Tensor:
        """Map [N, C, ...] to the same shape."""
        return fused_leaky_relu(input, self.bias, self.negative_slope, self.scale)


def upfirdn2d(
    input: Tensor,
    kernel: Tensor,
    up: int = 1,
    down: int = 1,
    pad: tuple[int, int] = (0, 0),
) -> Tensor:
    """Resample [N, C, H, W] with a filter [K, K], padded alike along both axes."""
    result = ops.upfirdn2d(input, kernel, up=up, down=down, padding=(*pad, *pad))
    return result.contiguous()  # callers use `view`
