"""Doubling of feature maps and images, with StyleGAN2's filter.

Legend: N samples, C channels in, O channels out, H x W pixels. Feature maps are channels_last.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from ...precision import has_matrix_units
from .convolution import Convolution, TransposedConvolution, as_map, limited


class UpsamplingConvolution:
    """`modulated_conv2d` with up = 2, before demodulation: transposed convolution, then filter."""

    def __init__(self, weight: Tensor, taps: Tensor, dtype: torch.dtype, side: int) -> None:
        """Prepare weights [O, C, 3, 3] and taps [4] in float32; side is that of the input."""
        has_units = weight.device.type == "cpu" and has_matrix_units(dtype)
        spread = PhaseConvolution if has_units else TransposedConvolution
        self.spread = spread(weight, dtype, side)
        self.smooth = smoothing(taps, len(weight), dtype, 2 * side + 1, padding=1)

    def __call__(self, x: Tensor, scale: Tensor | None = None) -> Tensor:
        """Return [N, O, 2H, 2W] for x [N, C, H, W] times scale [N, C]; may be a part of a map."""
        scaled = x if scale is None else x * as_map(scale, x)
        y = self.smooth(limited(self.spread(scaled)))
        return y[:, :, : 2 * x.shape[2], : 2 * x.shape[3]]


def smoothing(
    taps: Tensor, num_channels: int, dtype: torch.dtype, side: int, padding: int
) -> Convolution:
    """Prepare the filter that follows the doubling of maps; side is that of its input."""
    kernel = torch.outer(taps, taps).flip(0, 1) * 4.0
    kernel = kernel.repeat(num_channels, 1, 1, 1)
    return Convolution(kernel, None, dtype, side, padding=padding, groups=num_channels)


class PhaseConvolution:
    """The transposed convolution as one of 2x2, whose outputs are the four phases of a pixel.

    It multiplies 16 times where nine do, but as an ordinary convolution, which matrix units do
    several times as fast.
    """

    def __init__(self, weight: Tensor, dtype: torch.dtype, side: int) -> None:
        """Prepare weights [O, C, 3, 3] in float32 for maps of dtype and of that side."""
        channels_out, channels_in = weight.shape[:2]
        pairs = (channels_out, channels_in, 2, 2, 2, 2)
        # y[2i + phase] = x[i - 1] w[phase + 2] + x[i] w[phase], with w[3] = 0.
        taps = F.pad(weight, (0, 1, 0, 1)).view(pairs).flip(2, 4)
        phases = taps.permute(3, 5, 0, 1, 2, 4).reshape(-1, channels_in, 2, 2)
        self.convolution = Convolution(phases, None, dtype, side, padding=1)

    def __call__(self, x: Tensor) -> Tensor:
        """Return [N, O, 2H + 2, 2W + 2], whose last row and column are zero."""
        y = self.convolution(x).permute(0, 2, 3, 1)
        N, H, W, channels = y.shape
        y = y.reshape(N, H, W, 2, 2, channels // 4).transpose(2, 3)
        return y.reshape(N, 2 * H, 2 * W, channels // 4).permute(0, 3, 1, 2)


def upsample_image(image: Tensor, taps: tuple[float, ...]) -> Tensor:
    """Return `upsample2d` of images [N, 3, H, W] for four taps: each phase is a sum of two pixels.

    Much faster than a convolution of so few channels.
    """
    for axis in (2, 3):
        image = _upsample_axis(image, axis, taps)
    return image


def _upsample_axis(x: Tensor, axis: int, taps: tuple[float, ...]) -> Tensor:
    size = x.shape[axis]
    before, after = x.narrow(axis, 0, size - 1), x.narrow(axis, 1, size - 1)
    even, odd = x * (2 * taps[1]), x * (2 * taps[2])
    even.narrow(axis, 1, size - 1).add_(before, alpha=2 * taps[3])
    odd.narrow(axis, 0, size - 1).add_(after, alpha=2 * taps[0])
    return torch.stack([even, odd], dim=axis + 1).flatten(axis, axis + 1)
