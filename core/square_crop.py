"""An upright square of an image: the way into it and back.

Legend: H x W pixels of an image, h x w those of its box around a square.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from .areas import Area
from .checks import check_int


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
    def image_area(self) -> Area:
        """Rows and columns of the image that lie in the square."""
        bottom, right = self.top + self.side, self.left + self.side
        return (
            slice(max(self.top, 0), min(bottom, self.height)),
            slice(max(self.left, 0), min(right, self.width)),
        )

    @property
    def square_area(self) -> Area:
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


def _distance_to_ends(part: slice, length: int, device: torch.device | str) -> Tensor:
    """Pixels from each index to the nearest end of the part that is not an end of the image."""
    index = torch.arange(part.start, part.stop, device=device, dtype=torch.float32)
    far = torch.full_like(index, float("inf"))
    before = index - part.start + 1 if part.start > 0 else far
    after = part.stop - index if part.stop < length else far
    return torch.minimum(before, after)
