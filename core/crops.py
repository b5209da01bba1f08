"""Which squares of an image the network sees.

Legend: H x W pixels of an image.
"""

import itertools
import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from .areas import Area, connected_areas, joined, meets, nearest
from .checks import check_choice, check_range
from .errors import InputError
from .faces import Face, FaceFinder, face_crop
from .square_crop import SquareCrop
from .turned_crop import TurnedCrop

CROP_MODES = ("picture", "hole", "face", "auto", "holes")
"""`picture`: the smallest square around the whole image; `hole`: a square around the hole; `face`:
the aligned square of the face that the hole lies in, else `hole`; `auto`: the same, but `picture`
where no face holds the hole and the hole takes much of the image, and several squares where parts
of the hole are far apart; `holes`: a square around each part of the hole."""

MAX_SQUARES = 16
"""Of one image; parts of a hole that are nearest to each other share one beyond that."""

_MIN_CROP_SIDE_PX = 64  # a smaller crop shows too little of the surroundings
_MAX_MARGIN = 16.0
_LARGE_FRAC = 0.5  # of the image's longer side: `auto` then shows the network the whole image
_ALIGNED_FRAC, _ALIGNED_DEG = 0.1, 6.0  # an image that differs less from a face's square is one
_FAR_APART = 4.0  # a square around all parts is so many times as wide as the widest of their own

Crop = SquareCrop | TurnedCrop
"""A square of an image. Both kinds give the image's box around it (`image_area`), turn that box
into an upright square at the image's scale (`upright`) and one back (`lay_back`), and tell how far
each pixel lies inside (`inset`)."""

Chosen = tuple[tuple[Crop, Area], ...]
"""Squares of an image, and the rows and columns in which each completes the hole. No pixel of the
hole is in two of these areas, or next to one in another."""


def choose_crops(
    image_chw: Tensor,
    hole_mask_1hw: Tensor,
    mode: str,
    margin: float,
    face_finder: FaceFinder | None,
) -> tuple[Chosen, str]:
    """Choose the squares that the network sees of an image: one, or one for each part of the hole.

    Args:
        image_chw: [3, H, W] in [0, 1].
        hole_mask_1hw: [1, H, W] in [0, 1], 1 = fill; all zero takes the whole image.
        mode: one of `CROP_MODES`.
        margin: as for `fit_crop`.
        face_finder: for the modes `face` and `auto`.

    Returns:
        The squares, 1 to `MAX_SQUARES`, and what the user should know about the choice, or an empty
        string.

    Raises:
        InputError: an unknown mode, a margin out of bounds, a mode that needs a face finder.
    """
    check_choice(mode, "crop mode", CROP_MODES)
    if not hole_mask_1hw.any():
        return _alone(fit_crop(hole_mask_1hw, "picture", margin)), ""
    if mode in ("picture", "hole"):
        return _alone(fit_crop(hole_mask_1hw, mode, margin)), ""
    if mode == "holes":
        return fit_crops(hole_mask_1hw, margin)
    if face_finder is None:
        raise InputError(
            f"a face finder for crop mode {mode!r}",
            "none",
            "Pass face_finder, or choose another crop mode.",
        )
    around_hole = fit_crop(hole_mask_1hw, "hole", margin)
    faces = face_finder.find(image_chw)
    crop, said = face_crop(hole_mask_1hw, faces)
    picture = fit_crop(hole_mask_1hw, "picture", margin)
    if crop is not None:
        return _alone(picture if _same_square(crop, picture) else crop), said
    if mode == "auto":
        parts, shared = fit_crops(hole_mask_1hw, margin)
        if around_hole.side > _FAR_APART * max(crop.side for crop, _ in parts):
            squares, said = _in_faces(hole_mask_1hw, parts, faces)
            return squares, "; ".join(filter(None, (shared, said)))
    if mode == "auto" and around_hole.side > _LARGE_FRAC * picture.side:
        return _alone(picture), f"{said}, so the model sees the whole image"
    return _alone(around_hole), f"{said}, so the model sees the square around the hole"


def _alone(crop: Crop) -> Chosen:
    return ((crop, crop.image_area),)


def _same_square(face: TurnedCrop, picture: SquareCrop) -> bool:
    """Return whether an image is the aligned square of its face already."""
    x, y = face.centre_x - face.width / 2, face.centre_y - face.height / 2
    differs = max(abs(x), abs(y), abs(face.side - picture.side))
    return differs < _ALIGNED_FRAC * picture.side and abs(face.angle) < _ALIGNED_DEG


def _in_faces(hole_mask_1hw: Tensor, parts: Chosen, faces: Sequence[Face]) -> tuple[Chosen, str]:
    """Replace the square of each part by that of the face that holds it, where there is one."""
    areas: dict[Crop, Area] = {}
    for crop, area in parts:
        part = torch.zeros_like(hole_mask_1hw)
        part[(0, *area)] = hole_mask_1hw[(0, *area)]
        chosen = face_crop(part, faces)[0] or crop
        areas[chosen] = joined(areas[chosen], area) if chosen in areas else area
    pairs = itertools.combinations(areas.values(), 2)
    if any(meets(*pair) for pair in pairs):  # faces that lie among each other
        areas = dict(parts)
    num_faces = sum(isinstance(crop, TurnedCrop) for crop in areas)
    said = f"parts of the hole are far apart, so the model sees {len(areas)} squares"
    return tuple(areas.items()), f"{said}, {num_faces} of them faces" if num_faces else said


def fit_crop(hole_mask_1hw: Tensor, mode: str, margin: float) -> SquareCrop:
    """Choose the square that the network sees.

    1. `picture`: the smallest square that contains the whole image, centred.
    2. `hole`: the smallest square that contains everything the mask touches, extended on each side
       by margin times its side, at least 64 px and at most the square of `picture`; shifted into
       the image if it fits.

    Args:
        hole_mask_1hw: [1, H, W] in [0, 1], 1 = fill, not all zero.
        mode: `picture` or `hole`.
        margin: fraction of the box's side, 0 to 16.

    Raises:
        InputError: an unknown mode, a margin out of bounds, a mask of zeros.
    """
    check_choice(mode, "crop mode", ("picture", "hole"))
    check_range(margin, "margin", 0.0, _MAX_MARGIN)
    height, width = hole_mask_1hw.shape[-2:]
    longest = max(height, width)
    if mode == "picture":
        top, left = (height - longest) // 2, (width - longest) // 2
        return SquareCrop(top, left, longest, height, width)
    area = _extent(hole_mask_1hw.amax(dim=(0, 2))), _extent(hole_mask_1hw.amax(dim=(0, 1)))
    return _square_around(area, margin, height, width)


def fit_crops(hole_mask_1hw: Tensor, margin: float) -> tuple[Chosen, str]:
    """Choose a square for each part of a hole.

    1. Each connected part has the square of `fit_crop` around it; diagonal pixels are connected.
    2. Parts whose squares overlap share one, and so on.
    3. Of more than `MAX_SQUARES` parts, those share one whose common box is smallest. Such squares
       may overlap.

    Args:
        hole_mask_1hw: as for `fit_crop`.
        margin: as for `fit_crop`.

    Returns:
        The squares, from top to bottom, and what the user should know, or an empty string.

    Raises:
        InputError: as for `fit_crop`.
    """
    around_hole = fit_crop(hole_mask_1hw, "hole", margin)
    size = around_hole.height, around_hole.width

    def square(area: Area) -> Area:
        return _square_around(area, margin, *size).image_area

    areas: list[Area] = []
    for area in connected_areas(hole_mask_1hw[0] > 0):
        _add(areas, area, square)
    said = ""
    if len(areas) > MAX_SQUARES:
        said = (
            f"the hole has {len(areas)} parts far from each other, but only {MAX_SQUARES} squares "
            "are completed, so near parts share one"
        )
    while len(areas) > MAX_SQUARES:  # their squares may overlap, or all would end up in one
        first, second = nearest(areas)
        pair = joined(areas[first], areas[second])
        areas = [area for i, area in enumerate(areas) if i not in (first, second)]
        _add(areas, pair, lambda area: area)
    if len(areas) == 1:
        return _alone(around_hole), said
    areas.sort(key=lambda area: [part.start for part in area])
    return tuple((_square_around(area, margin, *size), area) for area in areas), said


def _add(areas: list[Area], area: Area, footprint: Callable[[Area], Area]) -> None:
    """Add an area, joined with those whose footprints share a pixel with its own."""
    while True:
        own = footprint(area)
        near = next((other for other in areas if meets(footprint(other), own)), None)
        if near is None:
            break
        areas.remove(near)
        area = joined(area, near)
    areas.append(area)


def _square_around(area: Area, margin: float, height: int, width: int) -> SquareCrop:
    """Return the square around an area with its margin on each side."""
    longest = max(part.stop - part.start for part in area)
    side = max(math.ceil(longest * (1.0 + 2.0 * margin)), _MIN_CROP_SIDE_PX)
    side = min(side, max(height, width))
    top, left = (_place(p, side, n) for p, n in zip(area, (height, width), strict=True))
    return SquareCrop(top, left, side, height, width)


def _extent(touched: Tensor) -> slice:
    """From the first element above 0 to the last."""
    indices = touched.gt(0).nonzero()
    if len(indices) == 0:
        raise InputError(
            "a hole mask that erases something",
            "a mask of zeros",
            "Paint the part to fill.",
            problem="The hole mask erases nothing: it is all zeros.",
        )
    return slice(int(indices[0]), int(indices[-1]) + 1)


def _place(part: slice, side: int, length: int) -> int:
    """Start of a square of this side along one axis: around the hole, in the image if it fits."""
    if side >= length:
        return (length - side) // 2
    return min(max(part.start + (part.stop - part.start - side) // 2, 0), length - side)
