"""Contact sheets: best, median and worst completions, and fills near a training image."""

from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from ..core.contact_sheet import contact_sheet, show_erased
from ..core.image import uint8_to_unit
from ..core.image_files import write_png
from .baselines import NAMES as BASELINES
from .images import Images
from .memorisation import nearest_neighbours
from .plan import Evaluation
from .types import Method, MethodOutput

_TIES = "seam"
CRITERIA = (_TIES, "c2st_accuracy")
"""Metrics that images are sorted by: the seam's distance from 1, and the C2ST accuracy from low
(best) to high. The seam breaks ties, because the accuracy of one image has three values only."""

_NEIGHBOURS = "neighbour_ratio"
_ROWS, _NEIGHBOUR_ROWS = 8, 6
_Row = dict[str, Tensor]  # images [R, R, 3] by label


def write_sheets(evaluation: Evaluation, folder: Path) -> None:
    """Write the sheets of each method under test.

    METHOD-CRITERION-best.png, -median.png and -worst.png: each row has the original, the erased
    image, the results and, if known, the raw outputs before Eq. 4.
    side-by-side.png: each row is an image, with the result of every method.
    METHOD-near-training.png, if training images were given: each row has the original, the result
    and the training image nearest to it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if evaluation.shown:
        write_png(folder / "side-by-side.png", _side_by_side(evaluation))
    for method, metrics in evaluation.per_image.items():
        if method in BASELINES:
            continue
        output = evaluation.methods[method]
        for criterion in [name for name in CRITERIA if name in metrics]:
            values, seam_errors = metrics[criterion].values, (metrics[_TIES].values - 1).abs()
            errors = seam_errors if criterion == _TIES else values
            for rank, index in _ranked(errors, seam_errors).items():
                rows = _completions(output.read(index))
                sheet = _sheet(rows, output, index, f"{rank} by {criterion}", criterion, values)
                write_png(folder / f"{method}-{criterion}-{rank}.png", sheet)
        if evaluation.training is not None:
            ratios = metrics[_NEIGHBOURS].values
            num = min(_NEIGHBOUR_ROWS, int(ratios.isfinite().sum()))
            if num:  # not all holes are too thin
                index = ratios.argsort()[:num]  # NaN comes last
                rows = _near_training(output.read(index), evaluation.training)
                sheet = _sheet(rows, output, index, "near training", _NEIGHBOURS, ratios)
                write_png(folder / f"{method}-near-training.png", sheet)


def _side_by_side(evaluation: Evaluation) -> Image.Image:
    """Original, erased image and the first result of each method under test."""
    tested = [m for name, m in evaluation.methods.items() if name not in BASELINES]
    some = next(iter(evaluation.methods.values()))
    rows: list[_Row] = []
    for name in evaluation.shown:
        index = torch.tensor([some.names.index(name)])
        row = _given(some.originals[index][0], some.holes[index][0])
        row |= {m.method: m.first_results[index][0].movedim(0, -1) for m in tested}
        rows.append(row)
    return contact_sheet(
        [list(row.values()) for row in rows],
        [list(row) for row in rows],
        title="first results of all methods",
        row_titles=evaluation.shown,
    )


def _given(original: Tensor, hole: Tensor) -> _Row:
    """What each row begins with, from [3, R, R] uint8 and [1, R, R] bool."""
    whole = original.movedim(0, -1)
    return {"original": whole, "erased": show_erased(uint8_to_unit(whole), hole[0].float())}


def _ranked(errors: Tensor, ties: Tensor) -> dict[str, Tensor]:
    """Return positions of images: lowest, middle and highest of those that have an error."""
    order = ties.argsort()
    order = order[errors[order].argsort(stable=True)]
    order = order[errors[order].isfinite()]
    num = min(_ROWS, len(order))
    start = (len(order) - num) // 2
    ranked = {"best": order[:num], "median": order[start : start + num], "worst": order.flip(0)}
    return {rank: index[:num] for rank, index in ranked.items() if num}


def _completions(part: MethodOutput) -> list[_Row]:
    rows: list[_Row] = []
    for i, original in enumerate(part.originals):
        row = _given(original, part.holes[i])
        row |= {f"result {k}": x.movedim(0, -1) for k, x in enumerate(part.results[i])}
        if part.raw is not None:
            row |= {f"raw {k}": x.movedim(0, -1) for k, x in enumerate(part.raw[i])}
        rows.append(row)
    return rows


def _near_training(part: MethodOutput, training: Images) -> list[_Row]:
    results, holes = Images.of(part.results[:, 0]), Images.of(part.holes)
    found = nearest_neighbours(results, holes, training)
    nearest = training[found.index]
    nearest = torch.where(found.mirrored[:, None, None, None], nearest.flip(3), nearest)
    columns = torch.stack([part.originals, part.results[:, 0], nearest], dim=1).movedim(2, -1)
    labels = ("original", "result 0", "nearest in training")
    return [dict(zip(labels, row, strict=True)) for row in columns]


def _sheet(
    rows: list[_Row], output: Method, index: Tensor, title: str, metric: str, values: Tensor
) -> Image.Image:
    return contact_sheet(
        [list(row.values()) for row in rows],
        [list(row) for row in rows],
        title=f"{output.method}: {title}",
        row_titles=[f"{output.names[i]}: {metric} {values[i]:.2f}" for i in index.tolist()],
    )
