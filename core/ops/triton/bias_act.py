"""Scale, noise, bias and activation in one pass, and all their gradients in another.

Legend: a map is a dense [N, P, C] or [N, C, P], with P pixels. A program processes block_channels
channels of one sample and loops over some of its tiles of block_pixels pixels, so divisions are per
program, not per element.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
import triton
import triton.language as tl
from torch import Tensor

from .layout import accumulator, dense, inner_size, is_channels_last, on_device_of

_ELEMENTS = 1024
"""Per tile: 16 bytes of bfloat16 for each of 128 threads."""
_MAX_CHANNELS = 64
_PROGRAMS = 4096
"""About two per slot of a large GPU; each writes partial sums of gradients."""


@triton.jit
def _program(
    P,
    C,
    stride_p,
    stride_c,
    num_blocks,
    num_tiles,
    block_pixels: tl.constexpr,
    block_channels: tl.constexpr,
):
    """Return sample, first channel, first pixel and their offset, and what a tile needs.

    For a tile: its pixels and channels, a mask of valid channels, and offsets from the start.
    """
    program, channel_blocks = tl.program_id(0), tl.cdiv(C, block_channels)
    column = program // num_blocks
    n = (column // channel_blocks).to(tl.int64)
    first_c = (column % channel_blocks) * block_channels
    first_p = (program % num_blocks).to(tl.int64) * num_tiles * block_pixels
    place = n * P * C + first_c.to(tl.int64) * stride_c
    pixels, channels = tl.arange(0, block_pixels), tl.arange(0, block_channels)
    inside = pixels[:, None] * stride_p + channels[None, :] * stride_c
    return n, first_c, first_p, place, pixels, channels, channels < C - first_c, inside


@triton.jit(do_not_specialize=("num_blocks", "num_tiles"))
def _bias_act_kernel(
    x_ptr,
    bias_ptr,
    scale_ptr,
    noise_ptr,
    y_ptr,
    noise_stride,
    P,
    C,
    stride_p,
    stride_c,
    num_blocks,
    num_tiles,
    slope: tl.constexpr,
    gain: tl.constexpr,
    dtype: tl.constexpr,
    block_pixels: tl.constexpr,
    block_channels: tl.constexpr,
):
    n, first_c, first_p, place, pixels, channels, is_channel, inside = _program(
        P, C, stride_p, stride_c, num_blocks, num_tiles, block_pixels, block_channels
    )
    if scale_ptr is not None:
        scale = tl.load(scale_ptr + n * C + first_c + channels, mask=is_channel).to(dtype)
    if bias_ptr is not None:
        bias = tl.load(bias_ptr + first_c + channels, mask=is_channel).to(dtype)
    for tile in range(num_tiles):
        p = first_p + tile * block_pixels
        is_pixel = pixels < P - p
        mask = is_pixel[:, None] & is_channel[None, :]
        start = place + p * stride_p
        value = tl.load(x_ptr + start + inside, mask=mask).to(dtype)
        if scale_ptr is not None:
            value *= scale[None, :]
        if noise_ptr is not None:
            noise = tl.load(noise_ptr + n * noise_stride + p + pixels, mask=is_pixel)
            value += noise.to(dtype)[:, None]
        if bias_ptr is not None:
            value += bias[None, :]
        value = tl.where(value > 0, value, value * slope) * gain
        tl.store(y_ptr + start + inside, value, mask=mask)


@triton.jit(do_not_specialize=("num_blocks", "num_tiles"))
def _gradients_kernel(
    dy_ptr,
    y_ptr,
    x_ptr,
    scale_ptr,
    dx_ptr,
    dbias_ptr,
    dscale_ptr,
    P,
    C,
    stride_p,
    stride_c,
    num_blocks,
    num_tiles,
    slope: tl.constexpr,
    gain: tl.constexpr,
    dtype: tl.constexpr,
    block_pixels: tl.constexpr,
    block_channels: tl.constexpr,
):
    n, first_c, first_p, place, pixels, channels, is_channel, inside = _program(
        P, C, stride_p, stride_c, num_blocks, num_tiles, block_pixels, block_channels
    )
    if scale_ptr is not None:
        scale = tl.load(scale_ptr + n * C + first_c + channels, mask=is_channel).to(dtype)
    dbias = tl.zeros([block_pixels, block_channels], dtype=dtype)
    dscale = tl.zeros([block_pixels, block_channels], dtype=dtype)
    for tile in range(num_tiles):
        p = first_p + tile * block_pixels
        mask = (pixels < P - p)[:, None] & is_channel[None, :]
        start = place + p * stride_p
        dz = tl.load(dy_ptr + start + inside, mask=mask, other=0.0).to(dtype) * gain
        if y_ptr is not None:
            y = tl.load(y_ptr + start + inside, mask=mask, other=0.0)
            dz = tl.where(y > 0, dz, dz * slope)
        if dbias_ptr is not None:
            dbias += dz
        if dscale_ptr is not None:
            dscale += dz * tl.load(x_ptr + start + inside, mask=mask, other=0.0).to(dtype)
        if dx_ptr is not None:
            if scale_ptr is not None:
                dz *= scale[None, :]
            tl.store(dx_ptr + start + inside, dz, mask=mask)
    # Partial sums [N, num_blocks, C] instead of atomics: the result is deterministic.
    row = (n * num_blocks + first_p // (num_tiles * block_pixels)) * C + first_c
    if dbias_ptr is not None:
        tl.store(dbias_ptr + row + channels, tl.sum(dbias, 0), mask=is_channel)
    if dscale_ptr is not None:
        tl.store(dscale_ptr + row + channels, tl.sum(dscale, 0), mask=is_channel)


class _Tiling(NamedTuple):
    """How a map is divided among programs."""

    N: int
    sizes: tuple[int, ...]
    """The kernels' P, C, stride_p, stride_c, num_blocks and num_tiles."""
    block_pixels: int
    block_channels: int

    @classmethod
    def of(cls, x: Tensor, by_sample: bool) -> "_Tiling":
        """Return the tiling of a dense [B, C, ...]; by_sample: an argument differs by sample."""
        N, C = x.shape[:2]
        P = x[:1, :1].numel()
        if inner_size(x) == 1:
            if not by_sample:
                N, P = 1, N * P
            strides = (C, 1)
            block_channels = min(triton.next_power_of_2(max(C, 1)), _MAX_CHANNELS)
            block_pixels = _ELEMENTS // block_channels
        else:
            strides = (1, P)
            block_pixels = min(triton.next_power_of_2(max(P, 1)), _ELEMENTS)
            block_channels = min(triton.next_power_of_2(max(C, 1)), _ELEMENTS // block_pixels)
        tiles = triton.cdiv(P, block_pixels)
        wanted = tiles * N * triton.cdiv(C, block_channels) // _PROGRAMS
        num_tiles = min(max(wanted, 1), max(tiles, 1))
        sizes = (P, C, *strides, triton.cdiv(tiles, num_tiles), num_tiles)
        return cls(N, sizes, block_pixels, block_channels)

    @property
    def num_blocks(self) -> int:
        """Number of programs for the same channels of the same sample."""
        return self.sizes[-2]

    def launch(self, kernel: Any, arguments: Sequence[Any], slope: float, gain: float) -> None:  # noqa: ANN401
        """Run the kernel unless the map, its first argument, is empty."""
        programs = self.N * triton.cdiv(self.sizes[1], self.block_channels) * self.num_blocks
        if programs:
            x = arguments[0]
            constants = (slope, gain, accumulator(x), self.block_pixels, self.block_channels)
            with on_device_of(x):
                kernel[(programs,)](*arguments, *self.sizes, *constants)


def bias_act(
    x: Tensor,
    bias: Tensor | None,
    scale: Tensor | None,
    noise: Tensor | None,
    slope: float,
    gain: float,
) -> Tensor:
    """Return leaky_relu(x * scale + noise + bias) * gain; arguments as in the reference."""
    x = dense(x, is_channels_last(x))
    y = torch.empty_like(x)
    bias, scale, noise = (
        None if tensor is None else tensor.contiguous() for tensor in (bias, scale, noise)
    )
    noise_stride = 0 if noise is None or len(noise) == 1 else noise.stride(0)
    tiling = _Tiling.of(x, by_sample=scale is not None or noise is not None)
    tiling.launch(_bias_act_kernel, (x, bias, scale, noise, y, noise_stride), slope, gain)
    return y


def bias_act_gradients(
    dy: Tensor,
    y: Tensor | None,
    x: Tensor | None,
    scale: Tensor | None,
    slope: float,
    gain: float,
    wants: Sequence[bool],
) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
    """Return the requested gradients of x, bias and scale; arguments as in the reference."""
    wants_x, wants_bias, wants_scale = wants
    like = next(tensor for tensor in (y, x, dy) if tensor is not None)
    channels_last = is_channels_last(like)
    dy, y, x = (None if tensor is None else dense(tensor, channels_last) for tensor in (dy, y, x))
    scale = None if scale is None else scale.contiguous()
    tiling = _Tiling.of(dy, by_sample=scale is not None or wants_scale)
    precise = torch.promote_types(dy.dtype, torch.float32)
    partial = (tiling.N, tiling.num_blocks, dy.shape[1])
    dx = torch.empty_like(dy) if wants_x else None
    dbias = dy.new_empty(partial, dtype=precise) if wants_bias else None
    dscale = dy.new_empty(partial, dtype=precise) if wants_scale else None
    tiling.launch(_gradients_kernel, (dy, y, x, scale, dx, dbias, dscale), slope, gain)
    return (
        dx,
        None if dbias is None else dbias.sum((0, 1)),
        None if dscale is None else dscale.sum(1),
    )
