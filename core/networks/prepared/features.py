"""Feature maps of a type, in units that its range can hold.

Legend: N samples, C channels in, O channels out, K kernel size, H x W pixels.
"""

import torch
from torch import Tensor, nn

from .convolution import Convolution, limited

_FLOAT16_UNIT = 64.0


class Features:
    """The feature maps of networks without demodulation, such as E and S.

    Convolutions, rectifiers and pooling commute with a positive factor. So float16 maps hold their
    values in units of 64: up to 4 million instead of 65504, and nothing is lost, since a value of
    one is still 1000 times the smallest that has all digits. What is larger than that is limited,
    so that no infinity arises.
    """

    def __init__(self, dtype: torch.dtype) -> None:
        self.dtype = dtype
        self.unit = _FLOAT16_UNIT if dtype == torch.float16 else 1.0
        """What a one in a map stands for."""

    def enter(self, x: Tensor) -> Tensor:
        """Return feature maps for float32 values [N, C, H, W]."""
        x = x if self.unit == 1 else x / self.unit
        return x.to(self.dtype, memory_format=torch.channels_last)

    def leave(self, x: Tensor) -> Tensor:
        """Return the float32 values of feature maps."""
        return x.float() if self.unit == 1 else x.float() * self.unit

    def convolution(self, conv: nn.Conv2d, side: int) -> "FeatureConvolution":
        """Prepare a convolution of maps with a side in pixels."""
        stride, padding = conv.stride[0], conv.padding
        assert not isinstance(padding, str)
        return self.prepare(conv.weight, conv.bias, side, stride=stride, padding=padding[0])

    def prepare(
        self,
        weight: Tensor,
        bias: Tensor | None,
        side: int,
        *,
        stride: int = 1,
        padding: int | None = None,
    ) -> "FeatureConvolution":
        """As `Convolution`, from weights [O, C, K, K] and the bias [O] of float32 values."""
        bias = None if bias is None else bias / self.unit
        if self.dtype == torch.float16:
            limit = torch.finfo(self.dtype).max
            weight = weight.clamp(-limit, limit)  # not in place: it may be the network's own
        return FeatureConvolution(
            Convolution(weight, bias, self.dtype, side, stride=stride, padding=padding)
        )


class FeatureConvolution:
    """A `Convolution` whose results are limited."""

    def __init__(self, convolution: Convolution) -> None:
        self.convolution = convolution

    def __call__(self, x: Tensor) -> Tensor:
        """Map [N, C, H, W] to [N, O, H / stride, W / stride]: a tensor of its own."""
        return limited(self.convolution(x))
