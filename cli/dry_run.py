"""What `inpaint` would do: images, masks, crops, and a sheet of the masks over the images."""

from pathlib import Path
from typing import TYPE_CHECKING

import torch
from PIL import Image

from ..core.cat_faces import CatFaces
from ..core.contact_sheet import in_rows, thumbnail
from ..core.crops import Crop, choose_crops
from ..core.errors import DiverseInpaintingError
from ..core.hole_masks import hole_mask_to_b1hw, valid_mask
from ..core.image_files import ImageFile, write_png
from ..core.transparency import cover_hidden, hidden_mask
from ..core.turned_crop import TurnedCrop
from .console import echo
from .job_inputs import JobInputs
from .pairing import Job, Plan
from .settings import Settings

if TYPE_CHECKING:
    from torch import Tensor

_MOST_DRAWN = 100  # a sheet of 20 rows
_RED = (1.0, 0.1, 0.1)
_OPACITY = 0.6


def show_plan(plan: Plan, settings: Settings, sheet: Path) -> int:
    """Print each image with its mask, hole and crop, and draw a sheet; write nothing else.

    Returns:
        The exit code: 1 if an image could not be completed, else 0.
    """
    cells: list[Image.Image] = []
    labels: list[str] = []
    num_failed = 0
    for job in plan.jobs:
        try:
            line, drawn = _rehearse(job, settings)
        except (DiverseInpaintingError, OSError) as error:
            num_failed += 1
            line, drawn = f"cannot be completed: {error}", None
        echo(f"{job.image}: {line}")
        if drawn is not None and len(cells) < _MOST_DRAWN:
            cells.append(drawn)
            labels.append(job.files.stem)
    for line in plan.remarks():
        echo(line)
    if cells:
        write_png(sheet, in_rows(cells, labels))
    echo(f"{len(plan.jobs) - num_failed} to complete, {num_failed} not; masks drawn in {sheet}")
    return 1 if num_failed else 0


def _rehearse(job: Job, settings: Settings) -> tuple[str, Image.Image]:
    """Return a line on one image, and a thumbnail with the hole in red."""
    file, hole_mask = JobInputs.read(job).decode(settings)
    _, height, width, _ = file.image.shape
    hole = hole_mask_to_b1hw(hole_mask, 1, height, width)
    pixels = file.image[0].movedim(-1, 0)
    squares, note = choose_crops(pixels, hole[0], settings.crop_mode, settings.margin, CatFaces())
    share = 1 - float(valid_mask(hole).mean())
    mask = "its transparent part" if job.mask is None else str(job.mask)
    crops = " and ".join(f"{crop.side} x {crop.side} {_place(crop)}" for crop, _ in squares)
    line = (
        f"mask {mask}, hole {100 * share:.1f} %, crop {crops} of "
        f"{width} x {height}{f' ({note})' if note else ''}, results {job.files.results[0]} ..."
    )
    return line, _draw(_as_seen(file), hole[0, 0])


def _as_seen(file: ImageFile) -> "Tensor":
    """[H, W, 3] without what alpha hides."""
    image = file.image.movedim(-1, 1)
    if file.alpha is not None:
        _, _, height, width = image.shape
        image = cover_hidden(image, hidden_mask(file.alpha, 1, height, width))
    return image[0].movedim(0, -1)


def _place(crop: Crop) -> str:
    if isinstance(crop, TurnedCrop):
        where = f"({crop.centre_x:.0f}, {crop.centre_y:.0f})"
        return f"around {where}, turned by {crop.angle:.0f} degrees,"
    return f"at ({crop.left}, {crop.top})"


def _draw(image_hwc: "Tensor", hole_mask_hw: "Tensor") -> Image.Image:
    red = torch.tensor(_RED).expand_as(image_hwc)
    return thumbnail(torch.lerp(image_hwc, red, _OPACITY * hole_mask_hw[:, :, None]))
