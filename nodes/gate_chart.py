"""Draws the mixer's gate: a row per style layer, a column per channel.

Legend: N completions, L style layers, D channels of a code.
"""

import torch
from PIL import Image, ImageDraw
from torch import Tensor

from ..core.image import uint8_to_unit

_RANDOM = (0.18, 0.42, 0.85)
_BOTH = (0.93, 0.93, 0.93)
_IMAGE = (0.93, 0.48, 0.10)
_BACKGROUND = (24, 24, 24)
_INK = (224, 224, 224)

_MIN_WIDTH_PX = 512
_ROW_PX = 18
_LEFT_PX = 64
_RIGHT_PX = 52
_TOP_PX = 24
_BOTTOM_PX = 30
_SCALE_PX = 160  # length of the colour scale below the rows


def gate_chart(gate: Tensor) -> Tensor:
    """Draw the gate of each completion.

    1. A cell is orange where the code comes from the image (1), blue where it is random (0).
    2. The number at the end of a row is the layer's mean.

    Args:
        gate: [N, L, D] in [0, 1], any floating-point type and device.

    Returns:
        [N, H, W, 3] float32 in [0, 1] on the CPU; H and W depend only on L and D.
    """
    gate = gate.detach().to("cpu", torch.float32)
    return torch.stack([_draw(one) for one in gate])


def _draw(gate_ld: Tensor) -> Tensor:
    num_layers, w_dim = gate_ld.shape
    channel_px = max(1, -(-_MIN_WIDTH_PX // w_dim))
    width, height = channel_px * w_dim, _ROW_PX * num_layers
    canvas = Image.new("RGB", (_LEFT_PX + width + _RIGHT_PX, _TOP_PX + height + _BOTTOM_PX))
    canvas.paste(_BACKGROUND, (0, 0, *canvas.size))
    canvas.paste(_heat_map(gate_ld, width, height), (_LEFT_PX, _TOP_PX))
    _label_rows(ImageDraw.Draw(canvas), gate_ld.mean(dim=1), _LEFT_PX + width)
    _draw_scale(canvas, _TOP_PX + height)
    pixels = torch.frombuffer(bytearray(canvas.tobytes()), dtype=torch.uint8)
    return uint8_to_unit(pixels.reshape(canvas.height, canvas.width, 3))


def _heat_map(values_hw: Tensor, width: int, height: int) -> Image.Image:
    """Draw each value in [0, 1] as a rectangle of its colour, all of one size."""
    low, middle, high = (torch.tensor(colour) for colour in (_RANDOM, _BOTH, _IMAGE))
    signed = (values_hw.clamp(0.0, 1.0) * 2.0 - 1.0)[..., None]
    ends = torch.where(signed > 0, high, low)
    pixels = ((middle + (ends - middle) * signed.abs()) * 255.0).round().to(torch.uint8)
    size = pixels.shape[1], pixels.shape[0]
    image = Image.frombytes("RGB", size, bytes(pixels.flatten().tolist()))
    return image.resize((width, height), Image.Resampling.NEAREST)


def _label_rows(draw: ImageDraw.ImageDraw, means: Tensor, right: int) -> None:
    draw.text((8, 6), "gate per style layer (row) and channel (column)", fill=_INK)
    draw.text((right + 8, 6), "mean", fill=_INK)
    for layer, mean in enumerate(means.tolist()):
        middle = _TOP_PX + _ROW_PX * layer + _ROW_PX // 2
        draw.text((8, middle), f"layer {layer}", fill=_INK, anchor="lm")
        draw.text((right + 8, middle), f"{mean:.2f}", fill=_INK, anchor="lm")


def _draw_scale(canvas: Image.Image, top: int) -> None:
    ramp = torch.linspace(0.0, 1.0, _SCALE_PX)[None]
    left = _LEFT_PX + 60
    canvas.paste(_heat_map(ramp, _SCALE_PX, 10), (left, top + 10))
    draw = ImageDraw.Draw(canvas)
    draw.text((left - 8, top + 15), "random", fill=_INK, anchor="rm")
    draw.text((left + _SCALE_PX + 8, top + 15), "image", fill=_INK, anchor="lm")
