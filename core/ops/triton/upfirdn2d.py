"""Resampling with an FIR filter in one pass, without inserting zeros.

Legend: a map is a dense [N, H, W, C]; where channels are not adjacent in memory, each is a separate
map with C = 1. A column is `rows` vertically adjacent outputs of a map, which share most of their
samples.
"""

from collections.abc import Sequence

import torch
import triton
import triton.language as tl
from torch import Tensor

from .layout import accumulator, dense, is_channels_last, on_device_of

_ROWS = 4
"""Outputs per column: with eight, their sums alone would take 64 registers."""
_ELEMENTS = 1024
"""Elements of a line of samples per program: eight per thread, 16 bytes in half precision."""
_LOOSE_ELEMENTS = 512
"""The same where Triton loads single elements, with an address and a mask in registers each."""
_MAX_COLUMNS = 128
_MAX_CHANNELS = 64
_MAX_UNROLLED = 40
"""Unrolled loads, so that many are in flight; more would take long to compile."""


# Triton recompiles for sizes of 1 and multiples of 16, which pays off for C only.
@triton.jit(
    do_not_specialize=(
        *("num_tiles", "num_columns", "H", "W", "out_h", "out_w"),
        *("shift_x", "shift_y", "lead_x", "lead_y", "first_tap_x", "first_tap_y", "step"),
    ),
)
def _upfirdn2d_kernel(
    x_ptr,
    taps_ptr,
    y_ptr,
    num_tiles,
    num_columns,
    H,
    W,
    C,
    out_h,
    out_w,
    shift_x,
    shift_y,
    lead_x,
    lead_y,
    first_tap_x,
    first_tap_y,
    step,
    gain: tl.constexpr,
    up: tl.constexpr,
    down: tl.constexpr,
    kernel_h: tl.constexpr,
    kernel_w: tl.constexpr,
    separable: tl.constexpr,
    dtype: tl.constexpr,
    rows: tl.constexpr,
    block_columns: tl.constexpr,
    block_channels: tl.constexpr,
    num_lines: tl.constexpr,
    unroll: tl.constexpr,
):
    # Everything is [rows, columns, channels], so that loads have the same layout as the sums.
    n = tl.program_id(0) // num_tiles
    tile = tl.program_id(0) % num_tiles
    column = (tile * block_columns + tl.arange(0, block_columns))[None, :, None]
    channel = (tl.program_id(1) * block_channels + tl.arange(0, block_channels))[None, None, :]
    row = tl.arange(0, rows)[:, None, None]
    is_inside = (column < num_columns) & (channel < C)
    # Nothing here is negative, and unsigned division takes fewer instructions.
    group = (column.to(tl.uint32) // out_w.to(tl.uint32)).to(tl.int32)
    out_x, out_y = column - group * out_w, group * rows
    place_x = (out_x * down + shift_x).to(tl.uint32)
    place_y = (out_y * down + shift_y).to(tl.uint32)
    # The first sample under each filter, and its tap.
    first_x = (place_x // up).to(tl.int32) - lead_x
    first_y = (place_y // up).to(tl.int32) - lead_y
    first_kx = up - 1 - (place_x % up).to(tl.int32)
    first_ky = up - 1 - (place_y % up).to(tl.int32)
    start = (n.to(tl.int64) * H + first_y) * W + first_x
    sample = x_ptr + start * C + channel
    total = tl.zeros([rows, block_columns, block_channels], dtype=dtype)
    for i in tl.range(0, num_lines, loop_unroll_factor=unroll):
        is_line = is_inside & ((first_y + i).to(tl.uint32) < H)
        ky = first_ky + i * up - row * down
        is_tap_y = (ky >= 0) & (ky < kernel_h)
        tap_y = first_tap_y + step * ky
        line = tl.zeros([1, block_columns, block_channels], dtype=dtype)
        for j in tl.static_range((kernel_w - 1) // up + 1):
            kx = first_kx + j * up
            is_tap_x = kx < kernel_w
            is_sample = is_line & is_tap_x & ((first_x + j).to(tl.uint32) < W)
            tap_x = first_tap_x + step * kx
            value = tl.load(sample + j * C, mask=is_sample, other=0.0).to(dtype)
            if separable:
                line += tl.load(taps_ptr + tap_x, mask=is_tap_x, other=0.0).to(dtype) * value
            else:
                is_tap = is_tap_y & is_tap_x
                tap = tl.load(taps_ptr + tap_y * kernel_w + tap_x, mask=is_tap, other=0.0)
                total = tl.where(is_tap, total + tap.to(dtype) * value, total)
        if separable:
            tap = tl.load(taps_ptr + tap_y, mask=is_tap_y, other=0.0).to(dtype)
            # Not 0 * line: a NaN must not reach rows whose filter does not cover it.
            total = tl.where(is_tap_y, total + tap * line, total)
        sample += W * C
    place = ((n.to(tl.int64) * out_h + out_y + row) * out_w + out_x) * C + channel
    tl.store(y_ptr + place, total * gain, mask=is_inside & (out_y + row < out_h))


def upfirdn2d(
    x: Tensor, taps: Tensor, up: int, down: int, padding: Sequence[int], flip: bool, gain: float
) -> Tensor:
    """Resample x; arguments as in the public op, without defaults and already checked."""
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
    if not y.numel():
        return y
    maps, inner = (B, C) if channels_last else (B * C, 1)
    rows = max(1, _ROWS // down)
    num_lines = ((rows - 1) * down + KH - 1) // up + 1
    num_loads = num_lines * ((KW - 1) // up + 1)
    block_channels = min(triton.next_power_of_2(inner), _MAX_CHANNELS)
    elements = _ELEMENTS if inner % 16 == 0 else _LOOSE_ELEMENTS
    block_columns = min(elements // block_channels, _MAX_COLUMNS)
    num_columns = triton.cdiv(out_h, rows) * out_w
    num_tiles = triton.cdiv(num_columns, block_columns)
    # Sample s of the map is at s * up, tap 0 of the first output at -padding.
    lead_x, lead_y = -(-left // up), -(-top // up)
    shift_x, shift_y = lead_x * up - left + up - 1, lead_y * up - top + up - 1
    with on_device_of(x):
        _upfirdn2d_kernel[(maps * num_tiles, triton.cdiv(inner, block_channels))](
            *(x, taps, y, num_tiles, num_columns, H, W, inner, out_h, out_w),
            *(shift_x, shift_y, lead_x, lead_y),
            # A convolution walks the taps backwards, a correlation forwards.
            *((0, 0, 1) if flip else (KW - 1, KH - 1, -1)),
            *(gain, up, down, KH, KW, taps.ndim == 1, accumulator(x)),
            *(rows, block_columns, block_channels, num_lines),
            num_lines if num_loads <= _MAX_UNROLLED else 1,
        )
    return y
