"""Which square of an image the network sees.

Legend: H x W pixels of an image, h x w those of its box around a square.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from .checks import check_choice, check_int, check_range
from .errors import InputError
from .faces import FaceFinder, face_crop
from .turned_crop import TurnedCrop

CROP_MODES = ("picture", "hole", "face", "auto")
"""`picture`: the smallest square around the whole image; `hole`: a square around the hole; `face`:
the aligned square of the face that the hole lies in, else `hole`; `auto`: the same, but `picture`
where no face holds the hole and the hole takes much of the image."""

_MIN_CROP_SIDE_PX = 64  # a smaller crop shows too little of the surroundings
_MAX_MARGIN = 16.0
_LARGE_FRAC = 0.5  # of the image's longer side: `auto` then shows the network the whole image
_ALIGNED_FRAC, _ALIGNED_DEG = 0.1, 6.0  # an image that differs less from a face's square is one


@dataclass(frozen=True)
class SquareCrop:
    """A square in image coordinates; it may reach beyond the image.

    Raises:
        InputError: a side below 1, an empty image, or a square outside the image.
    """

    top: int
    """First row, in pixels; negative above the image."""
    left: int
    """First column, in pixels; negative left of the image."""
    side: int
    """Side of the square, in pixels."""
    height: int
    """H of the image, in pixels."""
    width: int
    """W of the image, in pixels."""

    def __post_init__(self) -> None:
        for name in ("side", "height", "width"):
            check_int(getattr(self, name), f"the crop's {name}", 1, math.inf)
        check_int(self.top, "the crop's top", 1 - self.side, self.height - 1)
        check_int(self.left, "the crop's left", 1 - self.side, self.width - 1)

    @property
    def image_area(self) -> tuple[slice, slice]:
        """Rows and columns of the image that lie in the square."""
        bottom, right = self.top + self.side, self.left + self.side
        return (
            slice(max(self.top, 0), min(bottom, self.height)),
            slice(max(self.left, 0), min(right, self.width)),
        )

    @property
    def square_area(self) -> tuple[slice, slice]:
        """Rows and columns of the square that lie in the image."""
        rows, columns = self.image_area
        return (
            slice(rows.start - self.top, rows.stop - self.top),
            slice(columns.start - self.left, columns.stop - self.left),
        )

    def upright(self, plane_hw: Tensor) -> Tensor:
        """Place the pixels of `image_area` among zeros: [side, side]."""
        if plane_hw.shape == (self.side, self.side):
            return plane_hw
        square = plane_hw.new_zeros(self.side, self.side)
        square[self.square_area] = plane_hw
        return square

    def lay_back(self, square_nn: Tensor) -> Tensor:
        """Return the pixels of `image_area` from those of the square."""
        return square_nn[self.square_area]

    def inset(self, device: torch.device | str) -> Tensor:
        """Distance to the nearest side of the square that lies inside the image, 1 beside it.

        Returns:
            [h, w] float32 for `image_area`, in pixels; infinite where no side lies inside.
        """
        rows, columns = self.image_area
        vertical = _distance_to_ends(rows, self.height, device)
        return torch.minimum(vertical[:, None], _distance_to_ends(columns, self.width, device))


Crop = SquareCrop | TurnedCrop
"""A square of an image. Both kinds give the image's box around it (`image_area`), turn that box
into an upright square at the image's scale (`upright`) and one back (`lay_back`), and tell how far
each pixel lies inside (`inset`)."""


def choose_crop(
    image_chw: Tensor,
    hole_mask_1hw: Tensor,
    mode: str,
    margin: float,
    face_finder: FaceFinder | None,
) -> tuple[Crop, str]:
    """Choose the square that the network sees of an image.

    Args:
        image_chw: [3, H, W] in [0, 1].
        hole_mask_1hw: [1, H, W] in [0, 1], 1 = fill; all zero takes the whole image.
        mode: one of `CROP_MODES`.
        margin: as for `fit_crop`.
        face_finder: for the modes `face` and `auto`.

    Returns:
        The square, and what the user should know about the choice, or an empty string.

    Raises:
        InputError: an unknown mode, a margin out of bounds, a mode that needs a face finder.
    """
    check_choice(mode, "crop mode", CROP_MODES)
    if not hole_mask_1hw.any():
        return fit_crop(hole_mask_1hw, "picture", margin), ""
    if mode in ("picture", "hole"):
        return fit_crop(hole_mask_1hw, mode, margin), ""
    if face_finder is None:
        raise InputError(
            f"a face finder for crop mode {mode!r}",
            "none",
            "Pass face_finder, or choose another crop mode.",
        )
    around_hole = fit_crop(hole_mask_1hw, "hole", margin)
    crop, said = face_crop(hole_mask_1hw, face_finder.find(image_chw))
    picture = fit_crop(hole_mask_1hw, "picture", margin)
    if crop is not None:
        return (picture if _same_square(crop, picture) else crop), said
    if mode == "auto" and around_hole.side > _LARGE_FRAC * picture.side:
        return picture, f"{said}, so the model sees the whole image"
    return around_hole, f"{said}, so the model sees the square around the hole"


def _same_square(face: TurnedCrop, picture: SquareCrop) -> bool:
    """Return whether an image is the aligned square of its face already."""
    x, y = face.centre_x - face.width / 2, face.centre_y - face.height / 2
    differs = max(abs(x), abs(y), abs(face.side - picture.side))
    return differs < _ALIGNED_FRAC * picture.side and abs(face.angle) < _ALIGNED_DEG


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
    first_row, num_rows = _extent(hole_mask_1hw.amax(dim=(0, 2)))
    first_column, num_columns = _extent(hole_mask_1hw.amax(dim=(0, 1)))
    side = math.ceil(max(num_rows, num_columns) * (1.0 + 2.0 * margin))
    side = min(max(side, _MIN_CROP_SIDE_PX), longest)
    top = _place(first_row, num_rows, side, height)
    return SquareCrop(top, _place(first_column, num_columns, side, width), side, height, width)


def _extent(touched: Tensor) -> tuple[int, int]:
    """First index and number of elements from the first to the last that is above 0."""
    indices = touched.gt(0).nonzero()
    if len(indices) == 0:
        raise InputError(
            "a hole mask that erases something",
            "a mask of zeros",
            "Paint the part to fill.",
            problem="The hole mask erases nothing: it is all zeros.",
        )
    return int(indices[0]), int(indices[-1] - indices[0]) + 1


def _place(first: int, num: int, side: int, length: int) -> int:
    """Start of a square of this side along one axis: around the hole, in the image if it fits."""
    if side >= length:
        return (length - side) // 2
    return min(max(first + (num - side) // 2, 0), length - side)


def _distance_to_ends(part: slice, length: int, device: torch.device | str) -> Tensor:
    """Pixels from each index to the nearest end of the part that is not an end of the image."""
    index = torch.arange(part.start, part.stop, device=device, dtype=torch.float32)
    far = torch.full_like(index, float("inf"))
    before = index - part.start + 1 if part.start > 0 else far
    after = part.stop - index if part.stop < length else far
    return torch.minimum(before, after)
