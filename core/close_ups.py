"""Close-ups of holes that are too small to be seen on a contact sheet of whole images.

Legend: H x W pixels of an image.
"""

import math
from collections.abc import Sequence

from PIL import Image, ImageOps
from torch import Tensor

from .areas import Area
from .contact_sheet import MAX_CELL_PX, thumbnail
from .crops import fit_crops
from .image_files import to_pil

_MARGIN = 0.5  # a hole fills half of its square, in either direction
_SMALL_FRAC = 0.5  # of the image's longer side: larger squares show little more than the image
_GAP_PX = 2


def close_up_areas(hole_mask_hw: Tensor) -> list[Area]:
    """Return what to show of an image: squares around small holes, else all of it.

    Args:
        hole_mask_hw: [H, W] in [0, 1], 1 = fill.
    """
    whole = [(slice(0, hole_mask_hw.shape[0]), slice(0, hole_mask_hw.shape[1]))]
    if not hole_mask_hw.any():
        return whole
    squares, _ = fit_crops(hole_mask_hw[None], _MARGIN)
    longest = max(crop.side for crop, _ in squares)
    if longest > _SMALL_FRAC * max(hole_mask_hw.shape):
        return whole
    return [crop.image_area for crop, _ in squares]


def close_up(image_hwc: Tensor, areas: Sequence[Area]) -> Image.Image:
    """Return areas of an image, one or more, in a grid that fits in the largest cell of a sheet.

    Args:
        image_hwc: [H, W, 3] as for `to_pil`.
        areas: rows and columns of the image.
    """
    parts = [to_pil(image_hwc[area]) for area in areas]
    if len(parts) == 1:
        return thumbnail(parts[0])
    columns = math.ceil(math.sqrt(len(parts)))
    rows, side = math.ceil(len(parts) / columns), MAX_CELL_PX // columns
    grid = Image.new("RGB", (columns * side - _GAP_PX, rows * side - _GAP_PX), "white")
    for index, part in enumerate(parts):
        small = ImageOps.contain(part, (side - _GAP_PX, side - _GAP_PX), Image.Resampling.LANCZOS)
        grid.paste(small, (index % columns * side, index // columns * side))
    return grid
