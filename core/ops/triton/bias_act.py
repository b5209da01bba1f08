"""Bias and activation in one pass, and their gradient in another."""

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from .layout import accumulator, dense, inner_size, is_channels_last, on_device_of

_BLOCK = 1024


@triton.jit
def _bias_act_kernel(
    x_ptr,
    bias_ptr,
    y_ptr,
    numel,
    inner,
    channels,
    slope: tl.constexpr,
    gain: tl.constexpr,
    has_bias: tl.constexpr,
    dtype: tl.constexpr,
    block: tl.constexpr,
):
    i = tl.program_id(0).to(tl.int64) * block + tl.arange(0, block)
    x = tl.load(x_ptr + i, mask=i < numel).to(dtype)
    if has_bias:
        x += tl.load(bias_ptr + (i // inner) % channels, mask=i < numel).to(dtype)
    y = tl.where(x > 0, x, x * slope) * gain
    tl.store(y_ptr + i, y, mask=i < numel)


@triton.jit
def _gradient_kernel(
    dy_ptr,
    y_ptr,
    dx_ptr,
    numel,
    slope: tl.constexpr,
    gain: tl.constexpr,
    dtype: tl.constexpr,
    block: tl.constexpr,
):
    i = tl.program_id(0).to(tl.int64) * block + tl.arange(0, block)
    dy = tl.load(dy_ptr + i, mask=i < numel).to(dtype)
    y = tl.load(y_ptr + i, mask=i < numel)
    tl.store(dx_ptr + i, tl.where(y > 0, dy, dy * slope) * gain, mask=i < numel)


def bias_act(x: Tensor, bias: Tensor | None, slope: float, gain: float) -> Tensor:
    """Return leaky_relu(x + bias) * gain; arguments as in the public op, all given."""
    x = dense(x, is_channels_last(x))
    y = torch.empty_like(x)
    if bias is not None:
        bias = bias.contiguous()
    _launch(
        _bias_act_kernel,
        (x, bias, y, x.numel(), inner_size(x), x.shape[1], slope, gain, bias is not None),
        x,
    )
    return y


def bias_act_gradient(dy: Tensor, y: Tensor, slope: float, gain: float) -> Tensor:
    """Return dy * gain where y is above zero, dy * gain * slope elsewhere."""
    y = dense(y, is_channels_last(y))
    dy = dense(dy, is_channels_last(y))
    dx = torch.empty_like(y, dtype=dy.dtype)
    _launch(_gradient_kernel, (dy, y, dx, y.numel(), slope, gain), y)
    return dx


def _launch(kernel: Any, arguments: tuple[Any, ...], x: Tensor) -> None:  # noqa: ANN401
    if x.numel():
        with on_device_of(x):
            kernel[(triton.cdiv(x.numel(), _BLOCK),)](*arguments, accumulator(x), _BLOCK)
