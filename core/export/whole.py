"""The whole of `Inpainter.inpaint` as one function that can be exported.

Legend: V variants, R the model's resolution, H x W pixels of the image, side the longer of both.
"""

from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor

from ..image import network_to_unit, uint8_to_unit, unit_to_network, unit_to_uint8
from ..networks import DiverseInpaintingModel

_HOLE_LEVEL = 128
_MIN_VALID_FRAC = 0.5  # as in core/geometry.py
_ROUNDING = 1e-4  # edges halfway in a pixel are common, and no runtime resizes with the same errors


def complete(model: DiverseInpaintingModel, image: Tensor, hole_mask: Tensor, z: Tensor) -> Tensor:
    """Complete an image in V ways, as `inpaint` does with crop mode `picture` and blend `feather`.

    Args:
        model: with an encoder and a mixer.
        image: [1, 3, H, W] uint8.
        hole_mask: [1, 1, H, W] uint8; 128 and above is filled.
        z: [V, z_dim].

    Returns:
        [V, 3, H, W] uint8.
    """
    H, W = image.shape[2:]
    known = hole_mask < _HOLE_LEVEL
    unit = uint8_to_unit(image)
    erased, valid = _in_square(model, unit * known, known.to(unit.dtype))
    w_enc = model.encode(erased, valid)
    w_rand = model.generator.broadcast(model.generator.mapping(z))
    V = z.shape[0]
    w_out, _ = model.mix(w_enc.expand(V, -1, -1), w_rand)
    if model.skip_encoder is None:
        output = model.synthesize(w_out)
    else:
        inputs = erased.expand(V, -1, -1, -1), valid.expand(V, -1, -1, -1)
        output = model.refine(w_out, *inputs).output
    completed = _in_image(network_to_unit(output), H, W)
    return unit_to_uint8(torch.where(known, unit, completed))


def _in_square(
    model: DiverseInpaintingModel, known_part: Tensor, known: Tensor
) -> tuple[Tensor, Tensor]:
    """Return M*I and M at the model's resolution, from M*I in [0, 1] and M at the image's."""
    R = model.generator.config.resolution
    side, top, left = _square(*known.shape[2:])
    planes = torch.cat([known_part, known], dim=1)
    H, W = known.shape[2:]
    planes = F.pad(planes, (left, side - W - left, top, side - H - top))
    planes = F.interpolate(planes, size=(R, R), mode="bilinear", antialias=True)
    colours, weight = planes[:, :3], planes[:, 3:]
    valid = weight > _MIN_VALID_FRAC + _ROUNDING
    colours = unit_to_network(colours / weight.clamp(min=_MIN_VALID_FRAC))
    return torch.where(valid, colours, 0.0), valid.to(known.dtype)


def _in_image(completed: Tensor, H: int, W: int) -> Tensor:
    """Return completions [V, 3, R, R] at the image's size, within their own extremes."""
    side, top, left = _square(H, W)
    low, high = completed.amin(dim=(2, 3), keepdim=True), completed.amax(dim=(2, 3), keepdim=True)
    resized = F.interpolate(completed, size=(side, side), mode="bicubic", antialias=True)
    resized = torch.minimum(torch.maximum(resized, low), high)
    return resized[:, :, top : top + H, left : left + W]


def _square(H: int, W: int) -> tuple[int, int, int]:
    """Return the side of the square around an image, and the rows and columns before it."""
    side = cast(int, torch.sym_max(H, W))  # max(H, W) would be a constant of the graph
    return side, (side - H + 1) // 2, (side - W + 1) // 2
