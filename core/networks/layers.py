"""Layers with equalised learning rates, shared by all StyleGAN2 networks."""

import math

import torch
from torch import Tensor, nn

from ..ops import bias_act, setup_filter
from ..ops.upfirdn2d import upfirdn2d


def clamp_features(x: Tensor, limit: float | None) -> Tensor:
    """Limit x to [-limit, limit]; None leaves it as it is."""
    return x if limit is None else x.clamp(-limit, limit)


class EqualizedLinear(nn.Module):
    """Fully connected layer whose weights are scaled when used, not when initialised.

    y = activation(x W^T * lr_multiplier / sqrt(in) + b * lr_multiplier) * gain

    Source: Karras et al. 2018, arXiv:1710.10196, section 4.1.
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        *,
        activation: str = "linear",
        bias_init: float = 0.0,
        lr_multiplier: float = 1.0,
    ) -> None:
        super().__init__()
        self.activation = activation
        self.weight = nn.Parameter(torch.randn(out_features, in_features) / lr_multiplier)
        self.bias = nn.Parameter(torch.full([out_features], bias_init / lr_multiplier))
        self.weight_gain = lr_multiplier / math.sqrt(in_features)
        self.bias_gain = lr_multiplier

    def forward(self, x: Tensor) -> Tensor:
        """Map [N, in] to [N, out]."""
        y = x @ (self.weight * self.weight_gain).to(x.dtype).t()
        return bias_act(y, self.bias * self.bias_gain, self.activation)


class EqualizedConv2d(nn.Module):
    """Convolution with equalised learning rate; halves the size after smoothing if down is 2.

    Source: Karras et al. 2020, arXiv:1912.04958, appendix B.
    """

    taps: Tensor

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        *,
        activation: str = "linear",
        bias: bool = True,
        down: int = 1,
        clamp: float | None = None,
    ) -> None:
        super().__init__()
        self.activation = activation
        self.down = down
        self.clamp = clamp
        shape = (out_channels, in_channels, kernel_size, kernel_size)
        self.weight = nn.Parameter(torch.randn(shape))
        self.bias = nn.Parameter(torch.zeros(out_channels)) if bias else None
        self.weight_gain = 1.0 / math.sqrt(in_channels * kernel_size**2)
        self.register_buffer("taps", setup_filter(), persistent=False)

    def forward(self, x: Tensor, gain: float = 1.0) -> Tensor:
        """Map [N, in, H, W] to [N, out, H/down, W/down]; gain multiplies result and limit."""
        weight = (self.weight * self.weight_gain).to(x.dtype)
        K = weight.shape[-1]
        if self.down == 1:
            y = nn.functional.conv2d(x, weight, padding=K // 2)
        else:
            y = self._downsampled(x, weight, K)
        slope_gain = math.sqrt(2.0) if self.activation != "linear" else 1.0
        y = bias_act(y, self.bias, self.activation, gain * slope_gain)
        return clamp_features(y, None if self.clamp is None else self.clamp * gain)

    def _downsampled(self, x: Tensor, weight: Tensor, K: int) -> Tensor:
        """Smooth, then convolve with stride 2; a 1x1 kernel needs every second sample only."""
        T = self.taps.shape[0]
        before, after = (T - 1) // 2 + K // 2, (T - 2) // 2 + K // 2
        if K == 1:
            return nn.functional.conv2d(
                upfirdn2d(x, self.taps, down=2, padding=(before, after) * 2), weight
            )
        smooth = upfirdn2d(x, self.taps, padding=(before, after) * 2)
        return nn.functional.conv2d(smooth, weight, stride=2)
