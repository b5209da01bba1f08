"""Faces in images: what a finder of faces returns, and which face a hole belongs to.

Legend: H x W pixels of an image. Coordinates are continuous: pixel i covers [i, i + 1].
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import torch
from torch import Tensor

from .checks import check_range
from .turned_crop import TurnedCrop

_FARTHEST_PX, _LEAST_SIDE_PX = 1e6, 1e-3  # beyond any image
_MOST_ENLARGED = 1.25  # beyond it a model that was trained on aligned faces sees too small a face


@dataclass(frozen=True)
class Face:
    """A face as the square around it that an aligned data set shows.

    Raises:
        InputError: a square without size, farther away than any image reaches, or turned by more
            than 360 degrees.
    """

    centre_x: float
    """Columns from the image's left edge to the square's centre, in pixels."""
    centre_y: float
    """Rows from the image's top edge to the square's centre, in pixels."""
    side: float
    """Side of the square, in pixels."""
    angle: float
    """How far the face is tilted clockwise, in degrees."""
    score: float
    """How sure the finder is, in [0, 1]."""

    def __post_init__(self) -> None:
        for name in ("centre_x", "centre_y"):
            check_range(getattr(self, name), f"the face's {name}", -_FARTHEST_PX, _FARTHEST_PX)
        check_range(self.side, "the face's side", _LEAST_SIDE_PX, _FARTHEST_PX)
        check_range(self.angle, "the face's angle", -360, 360)

    def locate(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Return where points of the image lie in the square: (0, 0) top left, (1, 1) its end."""
        radians = math.radians(self.angle)
        cosine, sine = math.cos(radians), math.sin(radians)
        x, y = (x - self.centre_x) / self.side, (y - self.centre_y) / self.side
        return x * cosine + y * sine + 0.5, y * cosine - x * sine + 0.5


class FaceFinder(Protocol):
    """Finds faces of one kind, and knows where their parts lie in the aligned square."""

    parts: dict[str, tuple["Ellipse", ...]]
    """Shapes by the part's name."""

    def find(self, image_chw: Tensor) -> list[Face]:
        """Return the faces of an image [3, H, W] in [0, 1], best first."""
        ...


@dataclass(frozen=True)
class Ellipse:
    """An ellipse in an aligned square whose side is 1."""

    x: float
    """Centre, from the left."""
    y: float
    """Centre, from the top."""
    radius_x: float
    radius_y: float
    tilt: float = 0.0
    """Degrees clockwise."""

    def holds(self, x: Tensor, y: Tensor) -> Tensor:
        """Return which points lie inside."""
        radians = math.radians(self.tilt)
        cosine, sine = math.cos(radians), math.sin(radians)
        x, y = x - self.x, y - self.y
        across, down = x * cosine + y * sine, y * cosine - x * sine
        return (across / self.radius_x) ** 2 + (down / self.radius_y) ** 2 <= 1


def part_mask(face: Face, part: Sequence[Ellipse], height: int, width: int) -> Tensor:
    """Draw one part of a face.

    Returns:
        [H, W] float32, 1 in the part.
    """
    x, y = (torch.arange(size) + 0.5 for size in (width, height))
    across, down = face.locate(x[None, :], y[:, None])
    return torch.stack([shape.holds(across, down) for shape in part]).any(dim=0).float()


def aligned_crop(face: Face, height: int, width: int, scale: float = 1.0) -> TurnedCrop:
    """Return the square of a face, or one that is scale times as large, centred in the image."""
    face = _centred_in(face, height, width)
    side = max(round(face.side * scale), 1)
    return TurnedCrop(face.centre_x, face.centre_y, side, face.angle, height, width)


def _centred_in(face: Face, height: int, width: int) -> Face:
    """Move a face whose centre lies outside the image to the image's border."""
    centre_x, centre_y = min(max(face.centre_x, 0.0), width), min(max(face.centre_y, 0.0), height)
    return replace(face, centre_x=centre_x, centre_y=centre_y)


def face_crop(hole_mask_1hw: Tensor, faces: Sequence[Face]) -> tuple[TurnedCrop | None, str]:
    """Return the square of the face that a hole belongs to, if its square can hold the hole.

    1. The face whose square holds most of the hole; if none holds any, the nearest in sides.
    2. Its square, enlarged up to 1.25 times where the hole needs it.

    Args:
        hole_mask_1hw: [1, H, W] in [0, 1], 1 = fill, not all zero.
        faces: the faces of the image.

    Returns:
        The square, or None where no face was found or the hole reaches too far beyond it; and what
        the user should know, or an empty string.
    """
    if not faces:
        return None, "no face was found"
    height, width = hole_mask_1hw.shape[-2:]
    faces = [_centred_in(face, height, width) for face in faces]  # as their squares will be
    rows, columns = hole_mask_1hw[0].gt(0).nonzero(as_tuple=True)
    x, y = columns.cpu() + 0.5, rows.cpu() + 0.5
    reaches = [_reach(face, x, y) for face in faces]
    held = [int((reach <= 1).sum()) for reach in reaches]
    best = max(range(len(faces)), key=lambda i: (held[i], -float(reaches[i].min())))
    face, needed = faces[best], float(reaches[best].max())
    where = f"at ({face.centre_x:.0f}, {face.centre_y:.0f})"
    if needed > _MOST_ENLARGED:
        return None, f"the hole reaches beyond the face {where}"
    said = []
    if len(faces) > 1:
        said.append(f"{len(faces)} faces were found; the one {where} is used")
    if needed > 1:
        said.append(f"the face's square is enlarged by {100 * (needed - 1):.0f} % for the hole")
    # A pixel more, so that the hole's last pixels are inside whatever the rounding.
    scale = max(needed + 1 / face.side, 1.0)
    return aligned_crop(face, height, width, scale), "; ".join(said)


def _reach(face: Face, x: Tensor, y: Tensor) -> Tensor:
    """How many times as large a face's square must be to hold each point."""
    across, down = face.locate(x, y)
    return 2 * torch.maximum((across - 0.5).abs(), (down - 0.5).abs())
