"""Gradients with respect to codes, for constant weights.

Legend: N samples, C channels in, O channels out, H x W pixels. Feature maps are channels_last.
"""

from functools import cached_property
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from ...ops import normalized_weight
from .convolution import Convolution, as_map
from .upsampling import UpsamplingConvolution, smoothing


class DifferentiableConvolution:
    """A prepared convolution of G, with its adjoint; that takes memory once it is needed."""

    def __init__(
        self,
        forward: Convolution | UpsamplingConvolution,
        weight: Tensor,
        taps: Tensor,
        dtype: torch.dtype,
        side: int,
    ) -> None:
        """Complete a prepared convolution.

        Args:
            forward: what has been prepared.
            weight: [O, C, 3, 3] float32, from which it was, for float16 in its normalised form.
            taps: [4] float32, of the filter if it doubles the size.
            dtype: of the feature maps.
            side: of its results.
        """
        self.forward, self.weight, self.taps = forward, weight, taps
        self.dtype, self.side = dtype, side

    def __call__(self, x: Tensor, scale: Tensor) -> Tensor:
        """Return the convolution of x [N, C, H, W] times scale [N, C]: a tensor of its own."""
        return _Apply.apply(x * as_map(scale, x), self)

    def adjoint(self, dy: Tensor) -> Tensor:
        """Return the gradient [N, C, H, W] for that of the result [N, O, side, side]."""
        for convolution in self._adjoint:
            dy = convolution(dy)
        return dy

    @cached_property
    def _adjoint(self) -> list[Convolution]:
        weight = normalized_weight(self.weight) if self.dtype == torch.float16 else self.weight
        swapped = weight.transpose(0, 1)
        if isinstance(self.forward, Convolution):
            return [Convolution(swapped.flip(2, 3), None, self.dtype, self.side)]
        smooth = smoothing(self.taps.flip(0), len(self.weight), self.dtype, self.side, padding=2)
        return [smooth, Convolution(swapped, None, self.dtype, self.side + 1, stride=2, padding=0)]


class _Apply(torch.autograd.Function):
    """The convolution: linear, so that its gradient is its adjoint's result."""

    @staticmethod
    def forward(
        ctx: Any,  # noqa: ANN401 - autograd's context has no public type
        x: Tensor,
        convolution: DifferentiableConvolution,
    ) -> Tensor:
        ctx.convolution = convolution
        y = convolution.forward(x)
        return y.contiguous(memory_format=torch.channels_last)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor, None]:  # noqa: ANN401
        dy = dy.contiguous(memory_format=torch.channels_last)
        return ctx.convolution.adjoint(dy), None
