"""Contact sheets of the fills that are nearest to a training picture."""

from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from ..core.contact_sheet import contact_sheet
from ..core.image_files import write_png
from .baselines import NAMES as YARDSTICKS
from .evaluate import Evaluation
from .memorisation import nearest_neighbours
from .types import Evaluated

_CRITERION = "neighbour_ratio"
_COLUMNS = ("original", "result 0", "nearest in training")
_ROWS = 6


def write_neighbour_sheets(evaluation: Evaluation, folder: Path) -> None:
    """Write METHOD-near-training.png for each method under test, if training pictures were given.

    Args:
        evaluation: what was measured.
        folder: of the sheets; it exists.
    """
    if evaluation.training is None:
        return
    for method, metrics in evaluation.pictures.items():
        if method not in YARDSTICKS:
            ratios = metrics[_CRITERION].values
            index = ratios.argsort()[: min(_ROWS, int(ratios.isfinite().sum()))]  # NaN comes last
            part = evaluation.methods[method].subset(index)
            sheet = neighbour_sheet(part, ratios[index], evaluation.training)
            write_png(folder / f"{method}-near-training.png", sheet)


def neighbour_sheet(part: Evaluated, ratios: Tensor, training: Tensor) -> Image.Image:
    """Return rows of: original, first result, and the training picture that is nearest to it.

    Args:
        part: what a method made of n pictures.
        ratios: [n], for the titles of the rows.
        training: [T, 3, R, R] uint8.
    """
    results = part.results[:, 0]
    found = nearest_neighbours(results, part.holes, training)
    nearest = training[found.index]
    nearest = torch.where(found.mirrored[:, None, None, None], nearest.flip(3), nearest)
    rows = torch.stack([part.originals, results, nearest], dim=1).movedim(2, -1)
    named = zip(part.names, ratios.tolist(), strict=True)
    return contact_sheet(
        [list(row) for row in rows],
        [_COLUMNS] * len(rows),
        title=f"{part.method}: near training",
        row_titles=[f"{name}: {_CRITERION} {ratio:.2f}" for name, ratio in named],
    )
