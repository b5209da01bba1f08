"""Draws the mixer's gate as one table: a row per style layer, a column per variant.

Legend: B images, V variants, N = B*V columns, L style layers, D channels of a code.
"""

import torch
from PIL import Image, ImageDraw
from torch import Tensor

from ..core.contact_sheet import load_font
from ..core.image import uint8_to_unit

_RANDOM = (0.18, 0.42, 0.85)
_BOTH = (0.93, 0.93, 0.93)
_IMAGE = (0.93, 0.48, 0.10)
_BACKGROUND = (24, 24, 24)
_INK = (224, 224, 224)
_DARK_INK = (16, 16, 16)

_TITLE = "How much of each style layer comes from the image (mean gate)"
_TEXT_PX, _TITLE_PX = 17, 19
_ROW_PX = 32
_LEFT_PX = 96
_CELL_PX, _NARROW_PX, _MANY = 64, 24, 16  # width of a column, and of each of many
_MEAN_PX = 84  # width of the last column
_TOP_PX = 84  # title and head of the table
_BOTTOM_PX = 64
_MIN_WIDTH_PX = 640
_SCALE_PX = 220  # length of the colour scale below the rows


def gate_chart(gate: Tensor) -> Tensor:
    """Draw the mean gate of each layer and variant.

    1. A cell is orange where the layer comes from the image (1), blue where it is random (0).
    2. The last column is the mean over the variants.

    Args:
        gate: [B, V, L, D] in [0, 1], any floating-point type and device.

    Returns:
        [1, H, W, 3] float32 in [0, 1] on the CPU.
    """
    B, V, L, _ = gate.shape
    means = gate.detach().to("cpu", torch.float32).mean(dim=3).flatten(0, 1).T  # [L, N]
    cell_px = _CELL_PX if B * V <= _MANY else _NARROW_PX
    width = max(_LEFT_PX + cell_px * B * V + _MEAN_PX, _MIN_WIDTH_PX)
    canvas = Image.new("RGB", (width, _TOP_PX + _ROW_PX * L + _BOTTOM_PX), _BACKGROUND)
    draw = ImageDraw.Draw(canvas)
    draw.text((12, 12), _TITLE, _INK, load_font(_TITLE_PX))
    names = [f"{b}: #{v}" if B > 1 else f"#{v}" for b in range(B) for v in range(V)]
    step = 1 if cell_px == _CELL_PX else 4  # where columns are narrow, not all have a name
    for column in range(0, B * V, step):
        _write(draw, names[column], _LEFT_PX + cell_px * column + cell_px // 2, _TOP_PX - 14)
    right = _LEFT_PX + cell_px * B * V
    _write(draw, "mean", right + _MEAN_PX // 2, _TOP_PX - 14)
    for layer, values in enumerate(means):
        top = _TOP_PX + _ROW_PX * layer
        _write(draw, f"layer {layer}", _LEFT_PX - 12, top + _ROW_PX // 2, anchor="rm")
        for column, value in enumerate(values.tolist()):
            left = _LEFT_PX + cell_px * column
            _cell(draw, value, (left, top, left + cell_px - 2, top + _ROW_PX - 2))
        box = right + 8, top, right + _MEAN_PX - 8, top + _ROW_PX - 2
        _cell(draw, float(values.mean()), box)
    _draw_scale(canvas, _TOP_PX + _ROW_PX * L + 12)
    pixels = torch.frombuffer(bytearray(canvas.tobytes()), dtype=torch.uint8)
    return uint8_to_unit(pixels.reshape(1, canvas.height, canvas.width, 3))


def _write(
    draw: ImageDraw.ImageDraw,
    text: str,
    x: int,
    y: int,
    anchor: str = "mm",
    ink: tuple[int, int, int] = _INK,
) -> None:
    draw.text((x, y), text, ink, load_font(_TEXT_PX), anchor=anchor)


def _cell(draw: ImageDraw.ImageDraw, value: float, box: tuple[int, int, int, int]) -> None:
    """Draw a value in [0, 1] as a rectangle, with the number where it fits."""
    left, top, right, bottom = box
    red, green, blue = (int(c) for c in _colours(torch.tensor([value]))[0])
    draw.rectangle((left, top, right - 1, bottom - 1), (red, green, blue))
    if right - left > _NARROW_PX:
        middle = (left + right) // 2, (top + bottom) // 2
        _write(draw, f"{value:.2f}", *middle, ink=_DARK_INK)


def _colours(values: Tensor) -> Tensor:
    """Return the colour of each value [n] in [0, 1], [n, 3] uint8."""
    low, middle, high = (torch.tensor(colour) for colour in (_RANDOM, _BOTH, _IMAGE))
    signed = (values.clamp(0.0, 1.0) * 2.0 - 1.0)[:, None]
    ends = torch.where(signed > 0, high, low)
    return ((middle + (ends - middle) * signed.abs()) * 255.0).round().to(torch.uint8)


def _draw_scale(canvas: Image.Image, top: int) -> None:
    draw, left = ImageDraw.Draw(canvas), _LEFT_PX + 96
    ramp = bytes(_colours(torch.linspace(0.0, 1.0, _SCALE_PX)).flatten().tolist())
    strip = Image.frombytes("RGB", (_SCALE_PX, 1), ramp)
    canvas.paste(strip.resize((_SCALE_PX, 18)), (left, top))
    _write(draw, "0, random codes", left - 8, top + 9, anchor="rm")
    _write(draw, "1, the image", left + _SCALE_PX + 8, top + 9, anchor="lm")
    _write(draw, "0.5", left + _SCALE_PX // 2, top + 32)
