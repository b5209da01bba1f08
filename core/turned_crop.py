"""A square that is turned against its image, as faces are: the way into it and back.

Legend: H x W pixels of an image, h x w those of its box around the square, n the square's side.
Coordinates are continuous: pixel i covers [i, i + 1]. Angles are in degrees, clockwise.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from .checks import check_int, check_range

_ROUNDING_PX = 1e-6  # a quarter turn has a cosine of 6e-17, and is to end where it should
_BAND_ROWS = 256  # sampling positions take two numbers per pixel: a band at a time


@dataclass(frozen=True)
class TurnedCrop:
    """A square of any place and angle; it may reach beyond the image.

    Raises:
        InputError: a side below 1, an empty image, or a centre outside the image.
    """

    centre_x: float
    """Columns from the image's left edge to the square's centre, in pixels."""
    centre_y: float
    """Rows from the image's top edge to the square's centre, in pixels."""
    side: int
    """n, side of the square, in pixels of the image."""
    angle: float
    """How far the square's content is tilted clockwise, in degrees."""
    height: int
    """H of the image, in pixels."""
    width: int
    """W of the image, in pixels."""

    def __post_init__(self) -> None:
        for name in ("side", "height", "width"):
            check_int(getattr(self, name), f"the crop's {name}", 1, math.inf)
        check_range(self.centre_x, "the crop's centre_x", 0, self.width)
        check_range(self.centre_y, "the crop's centre_y", 0, self.height)
        check_range(self.angle, "the crop's angle", -360, 360)

    @property
    def image_area(self) -> tuple[slice, slice]:
        """Rows and columns of the image's smallest box that holds the square's part in it."""
        cosine, sine = self._turn()
        reach = self.side / 2 * (abs(cosine) + abs(sine))
        return (
            _clipped(self.centre_y - reach, self.centre_y + reach, self.height),
            _clipped(self.centre_x - reach, self.centre_x + reach, self.width),
        )

    def upright(self, plane_hw: Tensor) -> Tensor:
        """Turn the image's part of the square upright, at the image's scale; zeros around it.

        Bilinear: each pixel is a weighted sum of pixels with weights of 0 or more, the same for
        every plane.

        Args:
            plane_hw: [h, w] floating point, the pixels of `image_area`.

        Returns:
            [n, n], the plane's dtype and device.
        """
        rows, columns = self.image_area
        cosine, sine = self._turn()
        across = torch.arange(self.side, dtype=plane_hw.dtype, device=plane_hw.device)
        across = across + 0.5 - self.side / 2
        bands = []
        for down in across.split(_BAND_ROWS):
            u, v = across[None, :], down[:, None]
            x = self.centre_x + u * cosine - v * sine - columns.start
            y = self.centre_y + u * sine + v * cosine - rows.start
            bands.append(_sample(plane_hw, x, y, "bilinear", "zeros"))
        return torch.cat(bands)

    def lay_back(self, square_nn: Tensor) -> Tensor:
        """Turn an upright square back into the image's box, bicubic.

        Args:
            square_nn: [n, n] floating point.

        Returns:
            [h, w] for `image_area`; beyond the square its border continues.
        """
        low, high = square_nn.aminmax()
        like = square_nn.new_empty(0)
        bands = [
            _sample(square_nn, u + self.side / 2, v + self.side / 2, "bicubic", "border")
            for u, v in self._positions(like)
        ]
        return torch.cat(bands).clamp_(low, high)

    def inset(self, device: torch.device | str) -> Tensor:
        """Distance from each pixel's centre to the nearest side of the square; below 0 outside.

        Returns:
            [h, w] float32 for `image_area`, in pixels.
        """
        bands = self._positions(torch.empty(0, device=device))
        return torch.cat([self.side / 2 - torch.maximum(u.abs(), v.abs()) for u, v in bands])

    def _turn(self) -> tuple[float, float]:
        radians = math.radians(self.angle)
        return math.cos(radians), math.sin(radians)

    def _positions(self, like: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        """Where the box's pixels lie in the square, from its centre: (u, v), band by band."""
        rows, columns = self.image_area
        cosine, sine = self._turn()
        x = torch.arange(columns.start, columns.stop, dtype=like.dtype, device=like.device)
        y = torch.arange(rows.start, rows.stop, dtype=like.dtype, device=like.device)
        x = x[None, :] + 0.5 - self.centre_x
        for band in y.split(_BAND_ROWS):
            down = band[:, None] + 0.5 - self.centre_y
            yield x * cosine + down * sine, down * cosine - x * sine


def _clipped(first: float, last: float, length: int) -> slice:
    start = min(max(math.floor(first + _ROUNDING_PX), 0), length - 1)
    return slice(start, max(min(math.ceil(last - _ROUNDING_PX), length), start + 1))


def _sample(plane_hw: Tensor, x: Tensor, y: Tensor, mode: str, padding: str) -> Tensor:
    """Values of a plane at continuous positions."""
    height, width = plane_hw.shape
    grid = torch.stack(torch.broadcast_tensors(x * (2 / width) - 1, y * (2 / height) - 1), -1)
    sampled = F.grid_sample(
        plane_hw[None, None], grid[None], mode=mode, padding_mode=padding, align_corners=False
    )
    return sampled[0, 0]
