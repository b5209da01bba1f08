"""Scores that a user gives to samples: in a table, by sorting them into folders, or by a function.

Legend: N samples, D width of one code, R their side in pixels.
"""

import csv
import io
import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from ..core.checks import MAX_SEED, check_int
from ..core.errors import ConfigError, InputError
from ..core.inpainter import Inpainter
from ..core.printable import is_printable, shown
from .direction_samples import check_once, seed_of, seeds_in
from .progress import OnProgress

Scorer = Callable[[Tensor], Mapping[str, Tensor]]
"""Maps images [n, R, R, 3] in [0, 1] to scores [n] by name."""

_CHUNK = 64
_SEEDS_AT_ONCE = 4096  # the mapping network takes twenty times the memory of its codes
_DELIMITERS = ",;\t"
_FIRST_COLUMNS = ("seed", "file")
_MAX_DIGITS = 20  # of a seed
_MAX_NAME = 60  # of a score, which becomes the name of a direction


@dataclass(frozen=True, eq=False)
class RatedSamples:
    """Samples of one generator with scores."""

    w: Tensor
    """[N, D]."""
    scores: Mapping[str, Tensor]
    """[N] float64 each, by name; NaN where a sample has no score of this name."""

    def of(self, name: str) -> tuple[Tensor, Tensor]:
        """Return the codes [n, D] and the scores [n] of the samples that have a score."""
        scores = self.scores[name]
        has_score = ~scores.isnan()
        return self.w[has_score.to(self.w.device)], scores[has_score]


def rate_by_table(model: Inpainter, path: Path) -> RatedSamples:
    """Return the samples of a CSV file: a header `seed` or `file` and names, then their scores.

    A file is a sample of `directions samples`, relative to the table. An empty cell is no score.

    Raises:
        ConfigError: it is not such a table.
        InputError: a sample twice, an unknown seed, or a file that is not a sample.
        GeneratorMismatchError: a sample of another generator.
    """
    names, rows = _read_rows(path)
    first, *attributes = names
    if first == "file":
        seeds = [seed_of(path.parent / row[0], model) for row in rows.values()]
    else:
        seeds = [_seed(row[0], path, line) for line, row in rows.items()]
    check_once(seeds, str(path))
    columns = [
        [_score(row[1 + k], name, path, line) for line, row in rows.items()]
        for k, name in enumerate(attributes)
    ]
    scores = {
        name: torch.tensor(column, dtype=torch.float64)
        for name, column in zip(attributes, columns, strict=True)
    }
    return RatedSamples(_codes(model, seeds), scores)


def _codes(model: Inpainter, seeds: Sequence[int]) -> Tensor:
    parts = [seeds[k : k + _SEEDS_AT_ONCE] for k in range(0, len(seeds), _SEEDS_AT_ONCE)]
    return torch.cat([model.sample_seeds(part).codes[0, :, 0] for part in parts])


def _read_rows(path: Path) -> tuple[list[str], dict[int, list[str]]]:
    """Return the header, and by their number in the file the rows, all of the header's length."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        problem = f"The table {path} is not in UTF-8."
        raise _bad_table("a table in UTF-8", f"{path}", problem) from error
    head = next(iter(text.splitlines()), "")
    delimiter = next((one for one in _DELIMITERS if one in head), ",")
    reader = csv.reader(io.StringIO(text, newline=None), delimiter=delimiter, strict=True)
    try:
        lines = [(reader.line_num, [cell.strip() for cell in line]) for line in reader]
    except csv.Error as error:
        raise _bad_table(
            "a table in CSV", f"{path}", f"The table {path} is damaged ({error})."
        ) from error
    rows = {line: row for line, row in lines if any(row)}
    names = rows.pop(next(iter(rows))) if rows else []
    is_header = len(names) > 1 and names[0] in _FIRST_COLUMNS and all(map(_is_name, names))
    if not is_header or len(set(names)) < len(names):
        problem = f"The header of {path} is {shown(','.join(names))}."
        raise _bad_table("a header like seed,smile or file,smile,age", shown(names), problem)
    for line, row in rows.items():
        if len(row) != len(names):
            problem = f"Row {line} of {path} has {len(row)} cells, and its header {len(names)}."
            raise _bad_table(f"{len(names)} cells in each row", f"{len(row)}", problem)
    if not rows:
        raise _bad_table("scores", "none", f"There are no scores in {path}.")
    return names, rows


def _is_name(text: str) -> bool:
    return 0 < len(text) <= _MAX_NAME and is_printable(text)


def _bad_table(expected: str, got: str, problem: str) -> ConfigError:
    remedy = "Write a header like seed,smile or file,smile,age, and a row for each sample."
    return ConfigError(expected, got, remedy, problem=problem)


def _seed(cell: str, path: Path, line: int) -> int:
    if cell.isascii() and cell.isdecimal() and len(cell) <= _MAX_DIGITS and int(cell) <= MAX_SEED:
        return int(cell)
    raise InputError(
        "seeds from 0 to 2^64 - 1",
        shown(cell),
        "Write the seed of a sample.",
        problem=f"Row {line} of {path} has the unknown seed {shown(cell)}.",
    )


def _score(cell: str, name: str, path: Path, line: int) -> float:
    if not cell:
        return math.nan
    try:
        score = float(cell) if cell.isascii() and "_" not in cell else math.nan
    except ValueError:
        score = math.nan
    if math.isfinite(score):
        return score
    raise InputError(
        "scores that are numbers",
        shown(cell),
        "Write a number such as 0.5, or leave the cell empty.",
        problem=f"Row {line} of {path} has the {name} {shown(cell)}.",
    )


def rate_by_folders(model: Inpainter, folders: Sequence[Path], name: str) -> RatedSamples:
    """Return the samples of two folders: score 0 in the first, 1 in the second.

    Args:
        model: whose samples they are.
        folders: two, of samples that `directions samples` wrote.
        name: of the score.

    Raises:
        ConfigError: not two folders.
        InputError: an image that is not a sample, or a sample twice.
        GeneratorMismatchError: a sample of another generator.
    """
    if len(folders) != 2:
        raise ConfigError(
            "--images twice, the second time with the samples that have more of it",
            f"{len(folders)} folder(s)",
            "Give two folders.",
        )
    groups = [seeds_in(folder, model) for folder in folders]
    seeds = [seed for group in groups for seed in group]
    check_once(seeds, f"{folders[0]} and {folders[1]}")
    # In the order of the seeds, so that results do not depend on the names of the files.
    order = sorted(range(len(seeds)), key=seeds.__getitem__)
    labels = torch.tensor([0.0] * len(groups[0]) + [1.0] * len(groups[1]), dtype=torch.float64)
    return RatedSamples(_codes(model, [seeds[k] for k in order]), {name: labels[order]})


def rate_by_scorer(
    model: Inpainter,
    scorer: Scorer,
    num_samples: int,
    seed: int,
    *,
    check_names: Callable[[Collection[str]], object] = lambda names: None,
    on_progress: OnProgress = lambda fraction, task: None,
) -> RatedSamples:
    """Draw variants 0, 1, ... of a seed and score their images.

    Args:
        model: what draws.
        scorer: gives scores of the same names for every batch.
        num_samples: N.
        seed: of the samples.
        check_names: called with the names of the scores before most of the work.
        on_progress: called with the fraction done.

    Raises:
        InputError: a number out of range, or what scorer or check_names raise.
    """
    check_int(num_samples, "samples", 2, float("inf"))
    w = model.sample_w(seed, num_samples).codes[0, :, 0].clone()
    parts: dict[str, list[Tensor]] = {}
    for start in range(0, num_samples, _CHUNK):
        on_progress(start / num_samples, "scoring samples")
        codes = w[None, start : start + _CHUNK, None].expand(-1, -1, model.num_layers, -1)
        scores = scorer(model.synthesize(model.codes(codes)))
        if not parts:
            check_names(scores.keys())
        for name, values in scores.items():
            parts.setdefault(name, []).append(values.cpu().double())
    on_progress(1.0, "scored samples")
    return RatedSamples(w, {name: torch.cat(values) for name, values in parts.items()})
