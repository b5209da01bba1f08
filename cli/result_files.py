"""The result files of one image, written so that a killed run leaves nothing misleading.

STEM-0.png, STEM-1.png ... are the results. STEM-sheet.png shows them beside the image; it is
written last and carries the settings as PNG text, so that a later run knows how they were made.
While results are being written, .STEM.unfinished lies beside them.
"""

import contextlib
import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image
from torch import Tensor

from ..core.contact_sheet import contact_sheet, show_erased, thumbnail
from ..core.errors import InputError
from ..core.foreign_data import parse_json
from ..core.image_files import to_pil, write_png
from ..core.locks import locked

Record = dict[str, Any]
"""What results depend on, plain data for JSON."""

_TEXT_KEY = "diverse-inpainting"
_MAX_NAME_BYTES = 255
_LOCK = ".diverse-inpainting.lock"
_COLUMNS = 5  # original, erased and eight results fill two rows


class StaleResultsError(InputError):
    """There are results, which were made from something else or with other settings."""


@dataclass(frozen=True)
class ResultFiles:
    """The results of one image."""

    folder: Path
    """Where all of them lie."""
    stem: str
    """File name of the image without its extension."""
    num_variants: int
    """V."""

    @property
    def results(self) -> tuple[Path, ...]:
        """One PNG per variant."""
        return tuple(self.folder / f"{self.stem}-{k}.png" for k in range(self.num_variants))

    @property
    def sheet(self) -> Path:
        """The contact sheet."""
        return self.folder / f"{self.stem}-sheet.png"

    @property
    def marker(self) -> Path:
        """An empty file that exists while results are being written."""
        name = f".{self.stem}.unfinished"
        if len(os.fsencode(name)) > _MAX_NAME_BYTES:  # the results' names are shorter
            name = f".{hashlib.sha256(os.fsencode(self.stem)).hexdigest()}.unfinished"
        return self.folder / name

    def pending(self, record: Record, overwrite: bool) -> tuple[int, ...]:
        """Return the variants to write; existing ones are kept unless `overwrite` is set.

        1. All of them if none exists or a run was interrupted.
        2. The missing ones if the others were made with the same settings; their number may have
           changed, since variant k does not depend on it.

        Args:
            record: what the results depend on.
            overwrite: whether to write all of them anyway.

        Raises:
            InputError: some files of these names exist, but not as a run leaves them.
            StaleResultsError: they were made from something else, or with other settings.
        """
        everything = tuple(range(self.num_variants))
        missing = tuple(k for k, path in enumerate(self.results) if not path.exists())
        has_sheet = self.sheet.exists()
        if overwrite or self.marker.exists() or (not has_sheet and missing == everything):
            return everything
        recorded = _read_record(self.sheet)
        if recorded is None and not missing and has_sheet:
            return ()
        if recorded is None:
            raise InputError(
                f"no files named {self.stem}-0.png and so on in {self.folder}",
                "some that this command did not write",
                "Choose another folder for the results, or overwrite them.",
                problem=f"{self.folder} contains files named like the results, which this "
                "command did not write.",
            )
        changed = _differences(recorded, record)
        if changed:
            raise StaleResultsError(
                "results that were made in the same way",
                changed,
                "Give --overwrite to make them again, or another --out to keep both.",
                problem=f"The results were made with {changed}.",
            )
        return missing

    def write(
        self,
        image_hwc: Tensor,
        hole_mask_hw: Tensor,
        results_vhwc: Tensor,
        record: Record,
        variants: Sequence[int] | None = None,
        *,
        overwrite: bool = True,
    ) -> None:
        """Write results, then the contact sheet, while no other process writes to the folder.

        Args:
            image_hwc: [H, W, 3] float32 in [0, 1], the original.
            hole_mask_hw: [H, W] float32 in [0, 1], 1 = fill.
            results_vhwc: [V, H, W, 3] float32 in [0, 1] or uint8.
            record: what the results depend on; stored in the sheet.
            variants: the ones to write; None for all.
            overwrite: False looks again, once the folder is locked, what is still missing: another
                process may have written results since `variants` were chosen.

        Raises:
            InputError: a file cannot be written.
            StaleResultsError: another process has written results of other settings.
            OSError: the folder cannot be written to.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        with locked(self.folder / _LOCK, wait=True):
            if not overwrite:
                variants = self.pending(record, overwrite)
                if not variants:
                    return
            with self._marked():
                self._write(image_hwc, hole_mask_hw, results_vhwc, record, variants)

    @contextlib.contextmanager
    def _marked(self) -> Iterator[None]:
        """Keep the marker if the block fails and leaves results that do not belong together."""
        before = {path: _version(path) for path in (*self.results, self.sheet)}
        was_marked = self.marker.exists()
        self.marker.touch()
        try:
            yield
        except BaseException:
            if not was_marked and all(_version(p) == seen for p, seen in before.items()):
                with contextlib.suppress(OSError):
                    self.marker.unlink()
            raise
        self.marker.unlink(missing_ok=True)

    def _write(
        self,
        image_hwc: Tensor,
        hole_mask_hw: Tensor,
        results_vhwc: Tensor,
        record: Record,
        variants: Sequence[int] | None,
    ) -> None:
        erased = show_erased(image_hwc, hole_mask_hw)
        cells = [thumbnail(to_pil(image)) for image in (image_hwc, erased)]
        for k, path in enumerate(self.results):
            result = to_pil(results_vhwc[k])
            if variants is None or k in variants:
                write_png(path, result)
            cells.append(thumbnail(result))
        labels = ["original", "erased", *map(str, range(self.num_variants))]
        starts = range(0, len(cells), _COLUMNS)
        sheet = contact_sheet(
            [cells[i : i + _COLUMNS] for i in starts], [labels[i : i + _COLUMNS] for i in starts]
        )
        write_png(self.sheet, sheet, {_TEXT_KEY: json.dumps(record, sort_keys=True)})


def _version(path: Path) -> tuple[int, int] | None:
    """Return what changes when a file is replaced; None if there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns


def _read_record(path: Path) -> Record | None:
    """Return the record of a sheet; None if there is none."""
    try:
        with Image.open(path) as sheet:
            record = parse_json(sheet.info[_TEXT_KEY])
    except (OSError, KeyError, TypeError, ValueError, SyntaxError):
        return None
    return record if isinstance(record, dict) else None


def _differences(recorded: Record, record: Record) -> str:
    """Return "seed 0 instead of 9, ..." for what differs; "" if nothing does."""
    record = json.loads(json.dumps(record))
    names = sorted((set(recorded) | set(record)) - {"num_variants"})
    return ", ".join(
        f"{name} {recorded.get(name)} instead of {record.get(name)}"
        for name in names
        if recorded.get(name) != record.get(name)
    )
