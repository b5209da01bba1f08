"""From images of any size to the network's squares, and back.

Legend: B images, S squares of them, H x W pixels of an image, R the network's resolution, M = 1
where a pixel is valid, I the image. Only `erase` depends on the range of values: it returns
[-1, 1] for the networks.
"""

import dataclasses
import math
from dataclasses import dataclass
from typing import Self

import torch
import torch.nn.functional as F
from torch import Tensor

from .areas import Area
from .checks import check_int
from .crops import CROP_MODES, Crop, choose_crops
from .errors import InputError, image_number
from .faces import FaceFinder
from .hole_masks import hole_mask_to_b1hw, num_hole_masks, valid_mask
from .image import image_to_unit_bchw, unit_to_network
from .printable import counted
from .progress import OnStep
from .transparency import cover_hidden, hidden_mask

_SQUARES_SHOWN = 8
_MIN_VALID_FRAC = 0.5  # of what a resized pixel covers, for it to be valid


@dataclass(frozen=True, eq=False)
class Erased:
    """Images with holes, as the networks take them, and what it takes to paste results back."""

    original: Tensor
    """[B, 3, H, W] float32 in [0, 1], as given: valid pixels of results are taken from here. What
    alpha hides is covered."""
    hole_mask: Tensor
    """[B, 1, H, W] float32 in [0, 1], soft, 1 = fill."""
    crops: tuple[Crop, ...]
    """The S squares that were cropped: one of each image, or several with crop mode `holes` or
    `auto`. Those of an image follow each other."""
    areas: tuple[Area, ...]
    """Rows and columns in which each square completes the hole, S of them; see `Chosen`."""
    image_of: tuple[int, ...]
    """The image of each square, S numbers from 0."""
    erased: Tensor
    """[S, 3, R, R] float32 in [-1, 1]: M * I, 0 where erased, be it by another square's part of the
    hole."""
    valid: Tensor
    """[S, 1, R, R] float32, M: 1 where known, 0 where erased or outside the image."""
    notes: tuple[str, ...] = ()
    """What the user should know about the choice of the squares."""

    def __repr__(self) -> str:
        """Return what people need to know; ComfyUI's "Preview as Text" shows it."""
        B, _, H, W = self.original.shape
        R, fraction = self.erased.shape[-1], float(self.hole_mask.mean())
        head = f"erased: {counted(B, 'image')} of {W} x {H} px, {fraction:.0%} to be filled"
        places = [f"square of {c.side} px, seen at {R} px" for c in self.crops[:_SQUARES_SHOWN]]
        more = len(self.crops) - len(places)
        return "\n".join([head, *places, *([f"and {more} more"] if more else []), *self.notes])

    def name(self, square: int) -> str:
        """Return what messages call a square."""
        b = self.image_of[square]
        image = image_number(b, len(self.original))
        if self.image_of.count(b) == 1:
            return image
        rows, columns = self.areas[square]
        return f"{image}, around the hole at ({columns.start}, {rows.start}),"

    def to(self, device: torch.device | str) -> Self:
        """Return a copy on another device."""
        fields = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        moved = {name: x.to(device) for name, x in fields.items() if isinstance(x, Tensor)}
        return dataclasses.replace(self, **moved)


def erase(
    image: Tensor,
    hole_mask: Tensor,
    resolution: int,
    *,
    crop_mode: str = CROP_MODES[0],
    margin: float = 0.25,
    face_finder: FaceFinder | None = None,
    alpha: Tensor | None = None,
    may_be_empty: bool = False,
    on_step: OnStep | None = None,
) -> Erased:
    """Return images and hole masks of any public layout as the encoder takes them.

    Args:
        image: as for `image_to_unit_bchw`.
        hole_mask: as for `hole_mask_to_b1hw`; one image with several masks is repeated. An image
            whose mask erases nothing is encoded whole.
        resolution: R, in pixels.
        crop_mode: one of `CROP_MODES`.
        margin: as for `fit_crop`.
        face_finder: for the crop modes `face` and `auto`. It sees the image with what is to be
            erased, where that is still there: of those pixels the place, size and angle of the
            square may depend, and nothing else does.
        alpha: as for `hidden_mask`, for images with transparent parts. What they hide counts as
            erased, and `original` has colours of visible pixels there.
        may_be_empty: see `hole_mask_to_b1hw`.
        on_step: called after each image's squares were chosen, with their number and B.

    Returns:
        Erased on the image's device.

    Raises:
        InputError: as for the functions named above.
    """
    original = image_to_unit_bchw(image)
    batch, _, height, width = original.shape
    num_masks = num_hole_masks(hole_mask, height, width)
    if batch == 1:  # one image, completed once for each mask
        batch, original = num_masks, original.expand(num_masks, -1, -1, -1)
    hole = hole_mask_to_b1hw(
        hole_mask.to(original.device), batch, height, width, may_be_empty=may_be_empty
    )
    chosen = []
    for one, mask in zip(original, hole, strict=True):
        chosen.append(choose_crops(one, mask, crop_mode, margin, face_finder))
        if on_step is not None:
            on_step(len(chosen), batch)
    squares = [(b, *square) for b, (squares, _) in enumerate(chosen) for square in squares]
    image_of, crops, areas = zip(*squares, strict=True)
    known = valid_mask(hole)
    if alpha is not None:
        hidden = hidden_mask(alpha, batch, height, width).to(hole.device)
        original, known = cover_hidden(original, hidden), known * ~hidden
    unit, valid = extract(original, known, crops, resolution, image_of)
    erased = torch.where(valid > 0, unit_to_network(unit), 0.0)
    return Erased(
        original=original,
        hole_mask=hole,
        crops=crops,
        areas=areas,
        image_of=image_of,
        erased=erased,
        valid=valid,
        notes=tuple(
            f"{image_number(b, batch)}: {said}." for b, (_, said) in enumerate(chosen) if said
        ),
    )


def extract(
    image_bchw: Tensor,
    valid_b1hw: Tensor,
    crops: tuple[Crop, ...],
    resolution: int,
    image_of: tuple[int, ...] | None = None,
) -> tuple[Tensor, Tensor]:
    """Crop the squares at the network's resolution, without a trace of the erased pixels.

    1. What lies outside the image counts as erased (M = 0).
    2. `erased = resize(M * I) / resize(M)` where `resize(M) > 0.5`, and 0 elsewhere: each pixel is
       the mean of valid pixels only, and at least half of what it covers is valid.
    3. A square of side R is copied bit for bit.

    Args:
        image_bchw: [B, C, H, W] floating point, finite where valid.
        valid_b1hw: [B, 1, H, W] 0 or 1, 1 = valid.
        crops: the S squares.
        resolution: R, in pixels.
        image_of: the image of each square; None where there is one square per image.

    Returns:
        erased [S, C, R, R] and valid [S, 1, R, R], both of the image's dtype; valid is 0 or 1.

    Raises:
        InputError: shapes do not match.
    """
    check_int(resolution, "resolution", 1, math.inf)
    image_of = tuple(range(len(image_bchw))) if image_of is None else image_of
    _check_shapes(image_bchw, valid_b1hw, crops, len(image_of))
    pairs = [
        _extract_one(image_bchw[b], valid_b1hw[b] > 0, crop, resolution)
        for b, crop in zip(image_of, crops, strict=True)
    ]
    erased, valid = zip(*pairs, strict=True)
    return torch.stack(erased), torch.stack(valid)


def place_completed(completed_crr: Tensor, crop: Crop) -> Tensor:
    """Resize a completed square and return the part that lies in its image.

    A square of side R is taken bit for bit; others are resized (bicubic, antialiased) and clamped,
    channel by channel, to the completion's own extremes, because bicubic overshoots.

    Args:
        completed_crr: [C, R, R] floating point, in the image's range.
        crop: where the square lies.

    Returns:
        [C, h, w] for the h rows and w columns of `crop.image_area`.
    """
    planes = [crop.lay_back(_resize_completed(plane, crop.side)) for plane in completed_crr]
    return torch.stack(planes)


def _check_shapes(image: Tensor, mask: Tensor, crops: tuple[Crop, ...], num_squares: int) -> None:
    batch, _, height, width = image.shape
    agree = mask.shape[0] == batch and mask.shape[2:] == (height, width)
    agree = agree and len(crops) == num_squares
    if not agree or any((crop.height, crop.width) != (height, width) for crop in crops):
        raise InputError(
            "one mask and one crop of the same size for each image",
            f"images {tuple(image.shape)}, masks {tuple(mask.shape)} and {len(crops)} crops of "
            f"{sorted({(crop.height, crop.width) for crop in crops})}",
            "Take the crops from fit_crop of the same masks.",
        )


def _extract_one(
    image_chw: Tensor, valid_1hw: Tensor, crop: Crop, resolution: int
) -> tuple[Tensor, Tensor]:
    """One erased square [C, R, R] and its mask [1, R, R]."""
    inside = (slice(None), *crop.image_area)
    image_chw, valid_hw = image_chw[inside], valid_1hw[inside][0]
    weight = _resize_in_square(valid_hw.to(image_chw.dtype), crop, resolution)
    valid = weight > _MIN_VALID_FRAC
    planes = []
    for plane_hw in image_chw:
        # torch.where, not a product: what was erased may be anything, and 0 * NaN is NaN.
        plane_rr = _resize_in_square(torch.where(valid_hw, plane_hw, 0.0), crop, resolution)
        planes.append(torch.where(valid, plane_rr / weight.clamp(min=_MIN_VALID_FRAC), 0.0))
    return torch.stack(planes), valid[None].to(image_chw.dtype)


def _resize_in_square(plane_hw: Tensor, crop: Crop, resolution: int) -> Tensor:
    """Resize the square around the image's part of it: [R, R]."""
    square = crop.upright(plane_hw)
    if crop.side == resolution:
        return square
    size = (resolution, resolution)
    return F.interpolate(square[None, None], size=size, mode="bilinear", antialias=True)[0, 0]


def _resize_completed(completed_rr: Tensor, side: int) -> Tensor:
    """One plane at the crop's size: at 8000 px it takes 256 MB, so they come one by one."""
    if completed_rr.shape == (side, side):
        return completed_rr
    low, high = completed_rr.aminmax()
    size = (side, side)
    resized = F.interpolate(completed_rr[None, None], size=size, mode="bicubic", antialias=True)
    return resized[0, 0].clamp_(low, high)
