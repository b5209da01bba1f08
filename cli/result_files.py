"""The files that one picture's results go to, so that a killed run leaves nothing misleading.

STEM-0.png, STEM-1.png ... are the results. STEM-sheet.png shows them beside the picture; it is
written last and carries the settings as PNG text, so that a later run can tell what is there.
While results are being written .STEM.unfinished lies beside them.
"""

import contextlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image
from PIL.PngImagePlugin import PngInfo
from torch import Tensor

from ..core.contact_sheet import contact_sheet
from ..core.errors import InputError
from ..core.files import atomic_write

Record = dict[str, Any]
"""What results depend on, plain data for JSON."""

_TEXT_KEY = "diverse-inpainting"
_COLUMNS = 5  # original, erased and eight results fill two rows


@dataclass(frozen=True)
class ResultFiles:
    """Names of the results of one picture."""

    folder: Path
    """Where all of them lie."""
    stem: str
    """File name of the picture without its ending."""
    num_variants: int
    """V."""

    @property
    def results(self) -> tuple[Path, ...]:
        """One PNG for each variant."""
        return tuple(self.folder / f"{self.stem}-{k}.png" for k in range(self.num_variants))

    @property
    def sheet(self) -> Path:
        """The contact sheet."""
        return self.folder / f"{self.stem}-sheet.png"

    @property
    def marker(self) -> Path:
        """An empty file, there while results are being written."""
        return self.folder / f".{self.stem}.unfinished"

    def missing(self) -> tuple[int, ...]:
        """Return the variants whose files are not there."""
        return tuple(k for k, path in enumerate(self.results) if not path.exists())


@dataclass(frozen=True)
class Pending:
    """What is left to do for a picture."""

    variants: tuple[int, ...]
    """Results to be written; empty when the picture can be skipped."""
    warning: str | None = None
    """What the user ought to know about results that are kept."""


def find_pending(files: ResultFiles, record: Record, overwrite: bool) -> Pending:
    """Decide which results to write; existing ones are kept unless `overwrite` says otherwise.

    1. All are written where none is there, or where a run was interrupted.
    2. Those with the same settings are completed by the ones that are absent.
    3. Those with other settings are kept whole, with a warning.

    Raises:
        InputError: some files of these names are there, but not as a run leaves them.
    """
    everything = tuple(range(files.num_variants))
    missing = files.missing()
    if overwrite or files.marker.exists():
        return Pending(everything)
    if not files.sheet.exists() and missing == everything:
        return Pending(everything)
    recorded = _read_record(files.sheet)
    if recorded is None and not missing and files.sheet.exists():
        return Pending(())
    if recorded is None:
        raise InputError(
            f"no files named {files.stem}-0.png and so on in {files.folder}, or a whole result",
            "some that no run of this command has left there",
            "Give another folder for the results, or allow overwriting.",
        )
    changed = _differences(recorded, record)
    if not changed:
        return Pending(missing)
    return Pending((), f"kept results that were made with other settings: {changed}")


@contextlib.contextmanager
def unfinished(files: ResultFiles) -> Iterator[None]:
    """Mark the results as unfinished until the block has ended well."""
    files.marker.touch()
    yield
    files.marker.unlink(missing_ok=True)


def write_sheet(files: ResultFiles, cells: Sequence[Tensor], record: Record) -> None:
    """Write the contact sheet with the record as text.

    Args:
        files: where to.
        cells: thumbnails of original, erased and results.
        record: what the results depend on.
    """
    labels = ["original", "erased", *(str(k) for k in range(len(cells) - 2))]
    starts = range(0, len(cells), _COLUMNS)
    sheet = contact_sheet(
        [cells[i : i + _COLUMNS] for i in starts], [labels[i : i + _COLUMNS] for i in starts]
    )
    text = PngInfo()
    text.add_text(_TEXT_KEY, json.dumps(record, sort_keys=True))
    atomic_write(files.sheet, lambda file: sheet.save(file, format="PNG", pnginfo=text))


def _read_record(path: Path) -> Record | None:
    """Return the record of a sheet; None where there is none."""
    try:
        with Image.open(path) as sheet:
            record = json.loads(sheet.info[_TEXT_KEY])
    except (OSError, KeyError, TypeError, ValueError, SyntaxError):
        return None
    return record if isinstance(record, dict) else None


def _differences(recorded: Record, record: Record) -> str:
    """Return "seed 0 instead of 9, ..." for what differs; "" where nothing does."""
    record = json.loads(json.dumps(record))
    names = sorted(set(recorded) | set(record))
    return ", ".join(
        f"{name} {recorded.get(name)} instead of {record.get(name)}"
        for name in names
        if recorded.get(name) != record.get(name)
    )
