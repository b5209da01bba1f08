"""Contact sheets of the best, median and worst completions, so that numbers can be looked at."""

from collections.abc import Sequence
from pathlib import Path

from PIL import Image
from torch import Tensor

from ..core.contact_sheet import contact_sheet, show_erased
from ..core.image import image_to_uint8
from ..core.image_files import write_png
from .baselines import NAMES as YARDSTICKS
from .evaluate import Evaluation
from .types import Evaluated

_TIES = "seam"
CRITERIA = (_TIES, "told_apart")
"""Metrics that pictures are sorted by, from low (best) to high; equal ones by the seam, since
`told_apart` has three values only."""

_ROWS = 8


def write_sheets(evaluation: Evaluation, folder: Path) -> None:
    """Write METHOD-CRITERION-best.png, -median.png and -worst.png for each method under test.

    Each row shows a picture, what was left of it, the results and, where there are some, the raw
    pictures before Eq. 4.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for method, metrics in evaluation.pictures.items():
        for criterion in CRITERIA:
            if method in YARDSTICKS or criterion not in metrics:
                continue
            values = metrics[criterion].values
            for place, index in _places(values, metrics[_TIES].values).items():
                part = evaluation.methods[method].subset(index)
                title = f"{method}: {place} by {criterion}"
                titles = [
                    f"{name}: {criterion} {value:.2f}"
                    for name, value in zip(part.names, values[index].tolist(), strict=True)
                ]
                write_png(folder / f"{method}-{criterion}-{place}.png", _sheet(part, title, titles))


def _sheet(part: Evaluated, title: str, row_titles: Sequence[str]) -> Image.Image:
    rows = [_row(part, i) for i in range(len(part.names))]
    pictures = [[image for _, image in row] for row in rows]
    labels = [[label for label, _ in row] for row in rows]
    return contact_sheet(pictures, labels, title=title, row_titles=row_titles)


def _places(values: Tensor, ties: Tensor) -> dict[str, Tensor]:
    """Return positions of pictures: lowest, middle and highest of those that have a value."""
    order = ties.argsort()
    order = order[values[order].argsort(stable=True)]
    order = order[values[order].isfinite()]
    num = min(_ROWS, len(order))
    start = (len(order) - num) // 2
    places = {"best": order[:num], "median": order[start : start + num], "worst": order.flip(0)}
    return {place: index[:num] for place, index in places.items() if num}


def _row(part: Evaluated, i: int) -> list[tuple[str, Tensor]]:
    """Labels and pictures [R, R, 3] uint8."""
    original = part.originals[i].movedim(0, -1)
    erased = image_to_uint8(show_erased(original.float() / 255, part.holes[i, 0].float()))
    row = [("original", original), ("erased", erased)]
    row += [(f"result {k}", x.movedim(0, -1)) for k, x in enumerate(part.results[i])]
    if part.raw is not None:
        row += [(f"raw {k}", x.movedim(0, -1)) for k, x in enumerate(part.raw[i])]
    return row
