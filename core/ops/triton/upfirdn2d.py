"""Resampling with an FIR filter in one pass, without the zeros between samples.

Legend: a map is a dense [N, H, W, C]; where channels do not lie side by side, each is a map of its
own with C = 1.
"""

from collections.abc import Sequence

import torch
import triton
import triton.language as tl
from torch import Tensor

from .layout import accumulator, dense, is_channels_last, on_device_of

_ELEMENTS = 1024
_PIXELS = 256
_MAX_CHANNELS = 64


# Triton compiles anew for sizes of 1 and multiples of 16; only that of C pays.
@triton.jit(
    do_not_specialize=(
        *("num_pixels", "H", "W", "out_h", "out_w", "pad_left", "pad_top"),
        *("first_tap_y", "first_tap_x", "step"),
    ),
)
def _upfirdn2d_kernel(
    x_ptr,
    taps_ptr,
    y_ptr,
    num_pixels,
    H,
    W,
    C,
    out_h,
    out_w,
    pad_left,
    pad_top,
    first_tap_y,
    first_tap_x,
    step,
    gain: tl.constexpr,
    up: tl.constexpr,
    down: tl.constexpr,
    kernel_h: tl.constexpr,
    kernel_w: tl.constexpr,
    separable: tl.constexpr,
    dtype: tl.constexpr,
    block_pixels: tl.constexpr,
    block_channels: tl.constexpr,
):
    pixel = tl.program_id(0).to(tl.int64) * block_pixels + tl.arange(0, block_pixels)
    channel = tl.program_id(1) * block_channels + tl.arange(0, block_channels)
    is_pixel, is_channel = pixel < num_pixels, channel < C
    out_x = pixel % out_w
    row = pixel // out_w
    out_y = row % out_h
    n = row // out_h
    # Where tap 0 lies in the upsampled map, whose samples are at multiples of up.
    left = out_x * down - pad_left
    top = out_y * down - pad_top
    # The first tap that meets a sample; C's remainder of a negative number is negative.
    first_x = (up - (left % up + up) % up) % up
    first_y = (up - (top % up + up) % up) % up
    total = tl.zeros([block_pixels, block_channels], dtype=dtype)
    for j in tl.range((kernel_h + up - 1) // up):  # a loop: unrolled, it takes seconds to compile
        ky = first_y + j * up
        y = (top + ky) // up
        is_row = is_pixel & (ky < kernel_h) & (top + ky >= 0) & (y < H)
        tap_y = first_tap_y + step * ky
        for i in tl.static_range((kernel_w + up - 1) // up):
            kx = first_x + i * up
            x = (left + kx) // up
            is_sample = is_row & (kx < kernel_w) & (left + kx >= 0) & (x < W)
            tap_x = first_tap_x + step * kx
            if separable:
                tap = tl.load(taps_ptr + tap_y, mask=is_sample, other=0.0).to(dtype)
                tap *= tl.load(taps_ptr + tap_x, mask=is_sample, other=0.0).to(dtype)
            else:
                place = tap_y * kernel_w + tap_x
                tap = tl.load(taps_ptr + place, mask=is_sample, other=0.0).to(dtype)
            sample = ((n * H + y) * W + x) * C
            value = tl.load(
                x_ptr + sample[:, None] + channel[None, :],
                mask=is_sample[:, None] & is_channel[None, :],
                other=0.0,
            )
            total += tap[:, None] * value.to(dtype)
    place = pixel[:, None] * C + channel[None, :]
    tl.store(y_ptr + place, total * gain, mask=is_pixel[:, None] & is_channel[None, :])


def upfirdn2d(
    x: Tensor, taps: Tensor, up: int, down: int, padding: Sequence[int], flip: bool, gain: float
) -> Tensor:
    """Resample x; arguments as in the public op, all of them given and checked."""
    channels_last = is_channels_last(x)
    x, taps = dense(x, channels_last), taps.contiguous()
    B, C, H, W = x.shape
    KH, KW = taps.shape[0], taps.shape[-1]
    left, right, top, bottom = padding
    out_h = (H * up + top + bottom - KH) // down + 1
    out_w = (W * up + left + right - KW) // down + 1
    y = torch.empty(
        (B, C, out_h, out_w),
        dtype=x.dtype,
        device=x.device,
        memory_format=torch.channels_last if channels_last else torch.contiguous_format,
    )
    maps, inner = (B, C) if channels_last else (B * C, 1)
    num_pixels = maps * out_h * out_w
    if not num_pixels * inner:
        return y
    block_channels = min(triton.next_power_of_2(inner), _MAX_CHANNELS)
    block_pixels = _ELEMENTS // block_channels if inner > 1 else _PIXELS
    grid = (triton.cdiv(num_pixels, block_pixels), triton.cdiv(inner, block_channels))
    with on_device_of(x):
        _upfirdn2d_kernel[grid](
            *(x, taps, y, num_pixels, H, W, inner, out_h, out_w, left, top),
            # A convolution walks the taps backwards, a correlation forwards.
            *((0, 0, 1) if flip else (KH - 1, KW - 1, -1)),
            *(gain, up, down, KH, KW, taps.ndim == 1),
            *(accumulator(x), block_pixels, block_channels),
        )
    return y
