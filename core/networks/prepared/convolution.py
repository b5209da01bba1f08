"""Convolutions with constant weights, laid out once as the machine wants them.

Legend: N samples, C channels in, O channels out, K kernel size, H x W pixels. Feature maps are
channels_last.
"""

from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

from .winograd import WinogradConvolution

_WINOGRAD_SIDES = range(16, 129)
_WINOGRAD_CHANNELS = 128
"""Where Winograd's form takes 0.45 to 0.75 of the direct one's time on a CPU with AVX512. At a side
of 8 reading its weights takes longer; with 64 channels the transforms do."""


class Convolution:
    """conv2d with constant weights, zero padding and a stride."""

    def __init__(
        self,
        weight: Tensor,
        bias: Tensor | None,
        dtype: torch.dtype,
        side: int,
        *,
        stride: int = 1,
        padding: int | None = None,
        groups: int = 1,
    ) -> None:
        """Prepare weights.

        Args:
            weight: [O, C / groups, K, K] float32.
            bias: [O] float32, or None.
            dtype: of the feature maps.
            side: of the feature maps, in pixels.
            stride: of the outputs.
            padding: on each side; None for K // 2.
            groups: of channels.
        """
        self.stride, self.groups = stride, groups
        self.padding = weight.shape[-1] // 2 if padding is None else padding
        self.bias = None if bias is None else bias.to(dtype)
        self.winograd = None
        self.is_packed = False
        if self._suits_winograd(weight, dtype, side):
            self.winograd = WinogradConvolution(weight)
            return
        self.weight = weight.to(dtype, memory_format=torch.channels_last)
        if weight.device.type == "cpu" and can_pack(dtype):
            self.is_packed = True
            size = [1, weight.shape[1] * groups, side, side]
            self.weight = torch.ops.mkldnn._reorder_convolution_weight(
                self.weight, *self._geometry(), size
            )

    def _suits_winograd(self, weight: Tensor, dtype: torch.dtype, side: int) -> bool:
        return (
            weight.device.type == "cpu"
            and dtype == torch.float32
            and tuple(weight.shape[2:]) == (3, 3)
            and (self.stride, self.padding) == (1, 1)
            and min(weight.shape[:2]) >= _WINOGRAD_CHANNELS
            and side in _WINOGRAD_SIDES
            and side % 4 == 0
        )

    def _geometry(self) -> tuple[list[int], list[int], list[int], int]:
        return [self.padding] * 2, [self.stride] * 2, [1, 1], self.groups

    def __call__(self, x: Tensor, scale: Tensor | None = None) -> Tensor:
        """Return the convolution of x [N, C, H, W] times scale [N, C]: a tensor of its own."""
        if self.winograd is not None:
            y = self.winograd(x, scale)
            return y if self.bias is None else y.add_(self.bias[:, None, None])
        if scale is not None:
            x = x * as_map(scale, x)
        if not self.is_packed:
            stride, padding, dilation, groups = self.stride, self.padding, 1, self.groups
            return F.conv2d(x, self.weight, self.bias, stride, padding, dilation, groups)
        return torch.ops.mkldnn._convolution_pointwise(
            x, self.weight, self.bias, *self._geometry(), "none", [], ""
        )


class TransposedConvolution:
    """conv_transpose2d with constant 3x3 weights and a stride of two: [N, O, 2H + 1, 2W + 1]."""

    def __init__(self, weight: Tensor, dtype: torch.dtype, side: int) -> None:
        """Prepare weights [O, C, 3, 3] in float32 for maps of dtype and, mostly, of that side."""
        self.weight = weight.transpose(0, 1).to(dtype, memory_format=torch.channels_last)
        self.is_packed = weight.device.type == "cpu" and can_pack(dtype)
        if self.is_packed:
            self.weight = torch.ops.mkldnn._reorder_convolution_transpose_weight(
                self.weight, [0, 0], [0, 0], [2, 2], [1, 1], 1, [1, weight.shape[1], side, side]
            )

    def __call__(self, x: Tensor) -> Tensor:
        """Return the transposed convolution of x [N, C, H, W]: a tensor of its own."""
        if not self.is_packed:
            return F.conv_transpose2d(x, self.weight, stride=2)
        return torch.ops.mkldnn._convolution_transpose_pointwise(
            x, self.weight, None, [0, 0], [0, 0], [2, 2], [1, 1], 1, "none", [], ""
        )


def as_map(per_channel: Tensor, like: Tensor) -> Tensor:
    """Return [N, C] as [N, C, 1, 1] in the type of a feature map."""
    return per_channel.to(like.dtype)[:, :, None, None]


def limited(x: Tensor, limit: float | None = None) -> Tensor:
    """Limit x to [-limit, limit], or to what float16 can hold if that is its type; in place.

    While gradients are recorded the result is another tensor.
    """
    if limit is None:
        if x.dtype != torch.float16:
            return x
        limit = torch.finfo(x.dtype).max
    return x.clamp(-limit, limit) if torch.is_grad_enabled() else x.clamp_(-limit, limit)


@lru_cache(maxsize=8)
def can_pack(dtype: torch.dtype) -> bool:
    """Say whether oneDNN's private operations are there and agree with the public ones.

    They skip what PyTorch does at each call: copying weights into oneDNN's own layout.
    """
    if not torch.backends.mkldnn.is_available() or not torch.backends.mkldnn.enabled:
        return False
    generator = torch.Generator().manual_seed(0)
    x, weight = (
        torch.randn(shape, generator=generator).to(dtype, memory_format=torch.channels_last)
        for shape in ((2, 16, 8, 8), (32, 16, 3, 3))
    )
    bias = torch.randn(32, generator=generator).to(dtype)
    ops, ones = torch.ops.mkldnn, [1, 1]
    try:
        packed = ops._reorder_convolution_weight(weight, ones, ones, ones, 1, [1, 16, 8, 8])
        y = ops._convolution_pointwise(x, packed, bias, ones, ones, ones, 1, "none", [], "")
        pair = [0, 0], [0, 0], [2, 2], ones
        spread = weight.transpose(0, 1).contiguous(memory_format=torch.channels_last)
        packed = ops._reorder_convolution_transpose_weight(spread, *pair, 1, [1, 16, 8, 8])
        z = ops._convolution_transpose_pointwise(x, packed, None, *pair, 1, "none", [], "")
    except (AttributeError, RuntimeError, TypeError):
        return False  # another version of PyTorch, or a processor without this type
    precise = x.float(), weight.float()
    expected = F.conv2d(*precise, bias.float(), padding=1)
    also = F.conv_transpose2d(precise[0], precise[1].transpose(0, 1), stride=2)
    limit = 32 * torch.finfo(dtype).eps * expected.abs().max().item()
    return all(
        bool((got.float() - wanted).abs().max() <= limit)
        for got, wanted in ((y, expected), (z, also))
    )
