"""Contact sheets: best, median and worst completions, and fills near a training image."""

from collections.abc import Sequence
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from ..core.contact_sheet import contact_sheet, show_erased
from ..core.image import uint8_to_unit
from ..core.image_files import write_png
from .baselines import NAMES as BASELINES
from .evaluate import Evaluation
from .memorisation import nearest_neighbours
from .types import MethodOutput

_TIES = "seam"
CRITERIA = (_TIES, "c2st_accuracy")
"""Metrics that images are sorted by, low (best) to high. The seam breaks ties, because the C2ST
accuracy of one image has three values only."""

_NEIGHBOURS = "neighbour_ratio"
_ROWS, _NEIGHBOUR_ROWS = 8, 6


def write_sheets(evaluation: Evaluation, folder: Path) -> None:
    """Write the sheets of each method under test.

    METHOD-CRITERION-best.png, -median.png and -worst.png: each row has the original, the erased
    image, the results and, if known, the raw outputs before Eq. 4.
    METHOD-near-training.png, if training images were given: each row has the original, the result
    and the training image nearest to it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for method, metrics in evaluation.per_image.items():
        if method in BASELINES:
            continue
        output = evaluation.methods[method]
        for criterion in [name for name in CRITERIA if name in metrics]:
            values = metrics[criterion].values
            for rank, index in _ranked(values, metrics[_TIES].values).items():
                sheet = _completions(output.subset(index), criterion, values[index], rank)
                write_png(folder / f"{method}-{criterion}-{rank}.png", sheet)
        if evaluation.training is not None:
            ratios = metrics[_NEIGHBOURS].values
            num = min(_NEIGHBOUR_ROWS, int(ratios.isfinite().sum()))
            if num:  # not all holes are too thin
                index = ratios.argsort()[:num]  # NaN comes last
                sheet = _near_training(output.subset(index), ratios[index], evaluation.training)
                write_png(folder / f"{method}-near-training.png", sheet)


def _ranked(values: Tensor, ties: Tensor) -> dict[str, Tensor]:
    """Return positions of images: lowest, middle and highest of those that have a value."""
    order = ties.argsort()
    order = order[values[order].argsort(stable=True)]
    order = order[values[order].isfinite()]
    num = min(_ROWS, len(order))
    start = (len(order) - num) // 2
    ranked = {"best": order[:num], "median": order[start : start + num], "worst": order.flip(0)}
    return {rank: index[:num] for rank, index in ranked.items() if num}


def _completions(part: MethodOutput, criterion: str, values: Tensor, rank: str) -> Image.Image:
    rows = [_row(part, i) for i in range(len(part.names))]
    title = f"{part.method}: {rank} by {criterion}"
    return _sheet(rows, title, part.names, criterion, values)


def _row(part: MethodOutput, i: int) -> list[tuple[str, Tensor]]:
    """Labels and images [R, R, 3]."""
    original = part.originals[i].movedim(0, -1)
    erased = show_erased(uint8_to_unit(original), part.holes[i, 0].float())
    row = [("original", original), ("erased", erased)]
    row += [(f"result {k}", x.movedim(0, -1)) for k, x in enumerate(part.results[i])]
    if part.raw is not None:
        row += [(f"raw {k}", x.movedim(0, -1)) for k, x in enumerate(part.raw[i])]
    return row


def _near_training(part: MethodOutput, ratios: Tensor, training: Tensor) -> Image.Image:
    found = nearest_neighbours(part.results[:, 0], part.holes, training)
    nearest = training[found.index]
    nearest = torch.where(found.mirrored[:, None, None, None], nearest.flip(3), nearest)
    columns = torch.stack([part.originals, part.results[:, 0], nearest], dim=1).movedim(2, -1)
    labels = ("original", "result 0", "nearest in training")
    rows = [list(zip(labels, row, strict=True)) for row in columns]
    return _sheet(rows, f"{part.method}: near training", part.names, _NEIGHBOURS, ratios)


def _sheet(
    rows: Sequence[Sequence[tuple[str, Tensor]]],
    title: str,
    names: Sequence[str],
    metric: str,
    values: Tensor,
) -> Image.Image:
    return contact_sheet(
        [[image for _, image in row] for row in rows],
        [[label for label, _ in row] for row in rows],
        title=title,
        row_titles=[f"{n}: {metric} {v:.2f}" for n, v in zip(names, values.tolist(), strict=True)],
    )
