"""Many picture files, one after the other, going on after errors.

Legend: V variants, H x W pixels of a picture, R the model's resolution.
"""

import contextlib
import hashlib
import json
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from ..core.contact_sheet import show_erased, thumbnail
from ..core.errors import DiverseInpaintingError, InputError
from ..core.image import hole_mask_to_b1hw
from ..core.image_files import read_image, read_mask, write_png
from ..core.inpainter import Inpainter
from .pairing import Job
from .result_files import (
    Record,
    ResultFiles,
    find_pending,
    unfinished,
    write_sheet,
)
from .settings import Settings

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of a picture."""

    picture: Path
    status: Literal["done", "skipped", "failed"]
    files: ResultFiles | None = None
    """Where the results are; None for a failure."""
    warnings: tuple[str, ...] = ()
    error: str | None = None

    def __str__(self) -> str:
        what = self.error or (self.files.sheet if self.files else "")
        lines = [f"{self.status}: {self.picture}: {what}"]
        return "\n".join([*lines, *(f"  warning: {text}" for text in self.warnings)])

    def to_dict(self) -> Record:
        """Return plain data for JSON."""
        results = self.files.results if self.files else ()
        return {
            "picture": str(self.picture),
            "status": self.status,
            "results": [str(path) for path in results if path.exists()],
            "sheet": str(self.files.sheet) if self.files else None,
            "warnings": list(self.warnings),
            "error": self.error,
        }


def run_jobs(
    model: Inpainter,
    jobs: Sequence[Job],
    out: Path,
    settings: Settings,
    overwrite: bool = False,
) -> Iterator[Outcome]:
    """Do the jobs in order and yield what became of each.

    A bad picture, a full disk or a lack of memory ends its own job only. Variant k of every picture
    has the random code of (seed, k).
    """
    inputs = {path.resolve() for job in jobs for path in (job.picture, job.mask) if path}
    for job in jobs:
        files = ResultFiles(out, job.picture.stem, settings.num_variants)
        with _collected_warnings() as warnings:
            status, error = "failed", None
            try:
                _check_job(job, files, inputs)
                status = "done" if _do(model, job, files, settings, overwrite) else "skipped"
            except (DiverseInpaintingError, OSError, MemoryError, RuntimeError) as caught:
                error = _explain(caught)
        yield Outcome(
            picture=job.picture,
            status=status,
            files=None if error else files,
            warnings=tuple(warnings),
            error=error,
        )


def report(outcomes: Sequence[Outcome]) -> Record:
    """Return all outcomes and their numbers, plain data for JSON."""
    statuses = [outcome.status for outcome in outcomes]
    counts = {status: statuses.count(status) for status in ("done", "skipped", "failed")}
    return {**counts, "pictures": [outcome.to_dict() for outcome in outcomes]}


def write_results(
    model: Inpainter,
    image: Tensor,
    hole_mask: Tensor,
    files: ResultFiles,
    settings: Settings,
    *,
    record: Record | None = None,
    variants: Sequence[int] | None = None,
) -> None:
    """Complete a picture and write its results and contact sheet.

    Args:
        model: completes it.
        image: [1, H, W, 3] in [0, 1].
        hole_mask: [1, H, W] in [0, 1], 1 = fill, or of another size with the same aspect.
        files: where to.
        settings: how.
        record: kept in the sheet, see `find_pending`.
        variants: those to be written; None for all.

    Raises:
        InputError: unusable mask, or files that cannot be written.
    """
    hole = hole_mask_to_b1hw(hole_mask, 1, image.shape[1], image.shape[2])
    result = model.inpaint(image, hole, **settings.arguments())
    for warning in result.warnings:
        _log.warning("%s", warning)
    cells = [thumbnail(image[0]), thumbnail(show_erased(image[0], hole[0, 0]))]
    with unfinished(files):
        for k, path in enumerate(files.results):
            if variants is None or k in variants:
                write_png(path, result.images[0, k])
            cells.append(thumbnail(result.images[0, k]))
        write_sheet(files, cells, record or {})


def _check_job(job: Job, files: ResultFiles, inputs: set[Path]) -> None:
    if job.problem is not None:
        raise job.problem
    overwritten = inputs.intersection(path.resolve() for path in (*files.results, files.sheet))
    if overwritten:
        raise InputError(
            "results that overwrite no picture or mask",
            f"one that would become {min(overwritten)}",
            "Give another folder for the results.",
        )


def _do(
    model: Inpainter, job: Job, files: ResultFiles, settings: Settings, overwrite: bool
) -> bool:
    """Return whether anything had to be written."""
    record = {
        **settings.to_dict(),
        "model": _model_hash(model),
        "picture": _hash(job.picture.read_bytes()) if job.picture.is_file() else None,
        "mask": _hash(job.mask.read_bytes()) if job.mask and job.mask.is_file() else None,
    }
    pending = find_pending(files, record, overwrite)
    if pending.warning:
        _log.warning("%s", pending.warning)
    if not pending.variants:
        return False
    picture = read_image(job.picture)
    hole_mask = picture.hole_mask if job.mask is None else read_mask(job.mask)
    if hole_mask is None:
        raise InputError(
            "a mask, or a picture with transparent parts to fill",
            f"{job.picture.name} without transparency",
            "Give a mask.",
        )
    write_results(
        model,
        picture.image,
        hole_mask,
        files,
        settings,
        record=record,
        variants=pending.variants,
    )
    return True


def _model_hash(model: Inpainter) -> str:
    facts = [model.generator_id, model.title, model.training]
    return _hash(json.dumps(facts, sort_keys=True).encode())


def _hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]


def _explain(error: Exception) -> str:
    """Return one sentence for what may end a job; raise what may not."""
    if isinstance(error, DiverseInpaintingError):
        return str(error)
    if isinstance(error, OSError):
        return f"Expected to read and write files; got {error}. Check disk and permissions."
    text = str(error).lower()
    is_memory = isinstance(error, MemoryError | torch.OutOfMemoryError)
    if is_memory or "allocate memory" in text or "not enough memory" in text:
        return (
            "Expected enough memory for the picture and its variants; got too little. "
            "Ask for fewer variants, or scale the picture down."
        )
    raise error


@contextlib.contextmanager
def _collected_warnings() -> Iterator[list[str]]:
    """Collect what core logs as warnings, for the report."""
    collected: list[str] = []
    handler = _Collector(collected)
    logger = logging.getLogger((__package__ or "").rpartition(".")[0])  # the whole pack
    logger.addHandler(handler)
    try:
        yield collected
    finally:
        logger.removeHandler(handler)


class _Collector(logging.Handler):
    def __init__(self, collected: list[str]) -> None:
        super().__init__(logging.WARNING)
        self._collected = collected

    def emit(self, record: logging.LogRecord) -> None:
        self._collected.append(record.getMessage())
