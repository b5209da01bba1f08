"""The result files of one image, written so that a killed run leaves nothing misleading.

STEM-0.png, STEM-1.png ... are the results, or in the image's own format; each carries a record of
what made it. STEM-sheet.png shows them beside the image; it is written last and carries the record
as well, so that a later run knows how they were made. While results are being written,
.STEM.unfinished lies beside them.
"""

import contextlib
import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..core.blending import choose_blend
from ..core.close_ups import close_up, close_up_areas
from ..core.contact_sheet import in_rows, show_erased, thumbnail
from ..core.errors import InputError
from ..core.foreign_data import parse_json
from ..core.image import image_to_uint8
from ..core.image_files import ImageFile, write_png, write_result
from ..core.image_metadata import RECORD_KEY, read_record_text
from ..core.locks import locked

Record = dict[str, Any]
"""What results depend on, plain data for JSON; under `MADE_BY` what they do not depend on."""

MADE_BY = "made_by"
"""Version, names of model and files, variant: said in the record but not compared."""

_MAX_NAME_BYTES = 255
_BAND_ROWS = 256


class StaleResultsError(InputError):
    """There are results, which were made from something else or with other settings."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Completed:
    """An image with its completions."""

    file: ImageFile
    image: Tensor
    """[H, W, 3] float32 in [0, 1], the original as it may be seen."""
    hole_mask: Tensor
    """[H, W] float32 in [0, 1], 1 = fill."""
    results: Iterable[Tensor]
    """V times [H, W, 3], float32 in [0, 1] or uint8; each is written before the next is taken."""
    weight: Tensor
    """[H, W] float32 in [0, 1], weight of the completion."""
    is_opaque: bool = False
    """Whether what was completed becomes opaque."""


@dataclass(frozen=True)
class ResultFiles:
    """The results of one image."""

    folder: Path
    """Where all of them lie."""
    stem: str
    """File name of the image without its extension."""
    num_variants: int
    """V."""
    suffix: str = ".png"
    """Extension of the results; the contact sheet is always a PNG."""

    @property
    def results(self) -> tuple[Path, ...]:
        """One image per variant."""
        numbers = range(self.num_variants)
        return tuple(self.folder / f"{self.stem}-{k}{self.suffix}" for k in numbers)

    @property
    def sheet(self) -> Path:
        """The contact sheet."""
        return self.folder / f"{self.stem}-sheet.png"

    @property
    def marker(self) -> Path:
        """An empty file that exists while results are being written."""
        return self._hidden("unfinished")

    def _hidden(self, ending: str) -> Path:
        name = f".{self.stem}.{ending}"
        if len(os.fsencode(name)) > _MAX_NAME_BYTES:  # the results' names are shorter
            name = f".{hashlib.sha256(os.fsencode(self.stem)).hexdigest()}.{ending}"
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
        recorded = read_record(self.sheet)
        if recorded is None and not missing and has_sheet:
            return ()
        if recorded is None:
            raise InputError(
                f"no files named {self.stem}-0{self.suffix} and so on in {self.folder}",
                "some that this command did not write",
                "Choose another folder for the results, or overwrite them.",
                problem=f"{self.folder} contains files named like the results, which this "
                "command did not write.",
            )
        existing = [path for k, path in enumerate(self.results) if k not in missing]
        changed = _differences(recorded, record) or _first_difference(existing, record)
        if changed:
            raise StaleResultsError(
                "results that were made in the same way",
                changed,
                "Give --overwrite to make them again, or another --out to keep both.",
                problem=f"The results were made with {changed}.",
            )
        return missing

    @contextlib.contextmanager
    def claimed(self, *, wait: bool = False) -> Iterator[None]:
        """Keep other processes from writing results of this image for the duration of a block.

        The claim ends with its process, however that ends.

        Args:
            wait: whether to wait for another process.

        Raises:
            LockedError: another process has the image, and wait is False.
            OSError: the folder cannot be written to.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        with locked(self._hidden("lock"), wait=wait):
            yield

    def write(
        self, completed: Completed, record: Record, variants: Sequence[int] | None = None
    ) -> None:
        """Write results, then the contact sheet; to be called with the image `claimed`.

        Args:
            completed: the image and its completions.
            record: what the results depend on; stored in each of them.
            variants: the ones to write; None for all.

        Raises:
            InputError: a file cannot be written.
            OSError: the folder cannot be written to.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        with self._marked():
            self._write(completed, record, variants)

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

    def _write(self, completed: Completed, record: Record, variants: Sequence[int] | None) -> None:
        areas = close_up_areas(completed.hole_mask)
        cells = [thumbnail(completed.image), close_up(_erased(completed), areas)]
        results = iter(completed.results)
        for k, path in enumerate(self.results):
            result = next(results)
            if variants is None or k in variants:
                _write_variant(path, completed, result, record, k)
            cells.append(close_up(result, areas))
            del result  # or it would be there while the next one is computed
        labels = ["original", "erased", *map(str, range(self.num_variants))]
        sheet = in_rows(cells, labels)
        write_png(self.sheet, sheet, {RECORD_KEY: json.dumps(record, sort_keys=True)})


def _version(path: Path) -> tuple[int, int] | None:
    """Return what changes when a file is replaced; None if there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns


def _erased(completed: Completed) -> Tensor:
    """[H, W, 3] uint8, made in bands to save memory."""
    bands = (x.split(_BAND_ROWS) for x in (completed.image, completed.hole_mask))
    return torch.cat([image_to_uint8(show_erased(*band)) for band in zip(*bands, strict=True)])


def _write_variant(
    path: Path, completed: Completed, result: Tensor, record: Record, k: int
) -> None:
    own = {**record, MADE_BY: {**record.get(MADE_BY, {}), "variant": k}}
    write_result(
        path,
        completed.file,
        result,
        completed.weight,
        is_opaque=completed.is_opaque,
        record=json.dumps(own, sort_keys=True),
    )


def read_record(path: Path) -> Record | None:
    """Return the record of a result or contact sheet; None if there is none."""
    try:
        record = parse_json(read_record_text(path) or "")
    except ValueError:
        return None
    return record if isinstance(record, dict) else None


def _first_difference(results: Sequence[Path], record: Record) -> str:
    """Return what is different in the first result of other settings; "" if there is none.

    The sheet may be of a run that wrote another format.
    """
    own = (read_record(path) for path in results)
    return next((text for one in own if one and (text := _differences(one, record))), "")


def _differences(recorded: Record, record: Record) -> str:
    """Return "seed 0 instead of 9, ..." for what differs; "" if nothing does."""
    before, now = (_with_blend(json.loads(json.dumps(one))) for one in (recorded, record))
    names = sorted((set(before) | set(now)) - {"num_variants", MADE_BY})
    return ", ".join(
        f"{name} {before.get(name)} instead of {now.get(name)}"
        for name in names
        if before.get(name) != now.get(name)
    )


def _with_blend(record: Record) -> Record:
    """Name the blend that was chosen by default."""
    record = with_blend_of_0_2(record)
    if record["blend"] is not None:
        return record
    feather_px = record.get("feather_px")
    chosen = choose_blend(None, feather_px if isinstance(feather_px, int) else 0)
    return {**record, "blend": chosen}


def with_blend_of_0_2(record: Record) -> Record:
    """Return a record with the setting `blend`: version 0.2 pasted where there was no feather."""
    if "blend" in record:
        return record
    return {**record, "blend": None if record.get("feather_px") else "paste"}
