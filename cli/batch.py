"""Completing image files one after another; an error concerns its own image only."""

import contextlib
import dataclasses
import hashlib
import json
import logging
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from .. import __version__
from ..core.checks import check_int
from ..core.directions import Direction
from ..core.editor import Edit
from ..core.errors import DiverseInpaintingError, InputError
from ..core.image_files import ImageFile, read_image
from ..core.inpainter import Inpainter
from ..core.locks import LockedError
from ..core.mask_edits import MaskEdits
from ..core.mask_files import read_mask
from ..core.originals import losses
from ..core.printable import get_logger, printable
from ..core.progress import OnStep
from .failures import explain
from .pairing import Job
from .result_files import MADE_BY, Completed, Record, ResultFiles, StaleResultsError

_log = get_logger(__name__)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How images are completed: arguments of `Inpainter.inpaint`, see there, and edits of masks."""

    num_variants: int = 8
    seed: int = 0
    edits: tuple[Edit, ...] = ()
    truncation_psi: float = 1.0
    gate_bias: float = 0.0
    crop_mode: str = "picture"
    margin: float = 0.25
    feather_px: int = 0
    skip_source: str = "edited"
    fit_steps: int = 0
    on_step: OnStep | None = None
    mask_edits: MaskEdits = field(default_factory=MaskEdits)
    """Done to the mask first; no argument of `Inpainter.inpaint`."""
    blend: str | None = None
    max_megapixels: float = 64.0
    """Larger images are refused: they take 2 GB or more. No argument of `Inpainter.inpaint`."""

    def arguments(self) -> dict[str, Any]:
        """Return the keyword arguments of `Inpainter.inpaint`."""
        names = {f.name for f in dataclasses.fields(self)} - {"mask_edits", "max_megapixels"}
        return {name: getattr(self, name) for name in names}

    def to_dict(self) -> Record:
        """Return what results depend on, plain data for JSON."""
        edits = [[_name_of(edit.direction), edit.strength] for edit in self.edits]
        own = {**self.arguments(), "edits": edits}
        del own["on_step"]
        # Left out where nothing is edited: results of earlier versions are the same.
        if not self.fit_steps:
            del own["fit_steps"]
        is_edited = self.mask_edits != MaskEdits()
        return own | ({"mask_edits": dataclasses.asdict(self.mask_edits)} if is_edited else {})


def _name_of(direction: str | Direction) -> str:
    """Return a unique name: two direction files with the same name may differ."""
    if isinstance(direction, str):
        return direction
    return f"{direction.name} ({direction.digest[:12]})"


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of an image."""

    image: Path
    status: Literal["done", "skipped", "stale", "failed"]
    """stale: there are results, but of other settings; they were kept."""
    files: ResultFiles
    """The results, if it did not fail."""
    warnings: tuple[str, ...] = ()
    error: str | None = None

    def lines(self) -> tuple[str, ...]:
        """Return lines for the user."""
        what = self.error or str(self.files.sheet)
        image = "" if printable(self.image) in printable(what) else f"{self.image}: "
        return f"{self.status}: {image}{what}", *(f"  warning: {w}" for w in self.warnings)

    def to_dict(self) -> Record:
        """Return plain data for JSON."""
        results = () if self.error else self.files.results
        return {
            "picture": str(self.image),
            "status": self.status,
            "results": [str(path) for path in results if path.exists()],
            "sheet": None if self.error else str(self.files.sheet),
            "warnings": list(self.warnings),
            "error": self.error,
        }


def rehearse(model: Inpainter, settings: Settings) -> None:
    """Complete a gray square once, so that invalid settings fail before the first image.

    Raises:
        InputError: a setting that no image could be completed with.
    """
    check_int(settings.num_variants, "num_variants", 1, math.inf)
    once = dataclasses.replace(settings, num_variants=1)
    R = model.resolution
    model.inpaint(torch.full((1, R, R, 3), 0.5), torch.ones(1, R, R), **once.arguments())


def run_jobs(
    model: Inpainter,
    jobs: Sequence[Job],
    settings: Settings,
    overwrite: bool = False,
    *,
    model_name: str = "",
) -> Iterator[Outcome]:
    """Complete images in order and yield the outcome of each.

    A bad image, a full disk or too little memory ends its own job only. Variant k of every image
    uses the random code of (seed, k).

    Args:
        model: completes the images.
        jobs: what to do.
        settings: how to complete them.
        overwrite: whether to replace results.
        model_name: what the model was loaded as, for the record.
    """
    record = describe_run(model, settings, model_name)
    for job in jobs:
        error = None
        with _collected_warnings() as warnings:
            try:
                status = "done" if _run_job(model, job, settings, record, overwrite) else "skipped"
            except LockedError:
                status, error = "skipped", "another process is completing it"
            except StaleResultsError as caught:
                status, error = "stale", str(caught)
            except (DiverseInpaintingError, OSError, MemoryError, RuntimeError) as caught:
                status, error = "failed", _explain(caught)
        yield Outcome(
            image=job.image, status=status, files=job.files, warnings=tuple(warnings), error=error
        )


def describe_run(model: Inpainter, settings: Settings, model_name: str) -> Record:
    """Return what results of a run have in common, for their records.

    Args:
        model: completes the images.
        settings: how.
        model_name: what it was loaded as; without folders, which are nobody's business.
    """
    made_by = {
        "version": __version__,
        "model": model_name,
        "title": model.title,
        "generator_id": model.generator_id,
    }
    return {**settings.to_dict(), "model": model_digest(model), MADE_BY: made_by}


def model_digest(model: Inpainter) -> str:
    """Return what tells models apart, for records of results."""
    # Under the name of version 0.1, so that its results are known to be of the same model.
    training = {"alarms" if k == "diagnostics" else k: v for k, v in model.training.items()}
    facts = [model.generator_id, model.title, training]
    return _digest(json.dumps(facts, sort_keys=True).encode())


def _run_job(
    model: Inpainter, job: Job, settings: Settings, record: Record, overwrite: bool
) -> bool:
    """Return whether anything had to be written."""
    if job.problem is not None:
        raise job.problem
    with job.files.claimed():
        record = record | input_digests(job)
        variants = job.files.pending(record, overwrite)
        if not variants:
            return False
        mask = None if job.mask is None else job.mask.name
        names = {**record[MADE_BY], "picture": job.image.name, "mask": mask}
        file, hole_mask = read_inputs(job, settings)
        complete(
            model,
            file,
            hole_mask,
            job.files,
            settings,
            record=record | {MADE_BY: names},
            variants=variants,
            is_opaque=job.mask is None,
        )
    return True


def input_digests(job: Job) -> Record:
    """Return what tells images and masks apart, for records of results."""
    return {
        "picture": _digest(job.image.read_bytes()),
        "mask": None if job.mask is None else _digest(job.mask.read_bytes()),
    }


def read_inputs(job: Job, settings: Settings) -> tuple[ImageFile, Tensor]:
    """Return a job's image and hole mask [1, h, w], edited.

    Raises:
        InputError: a file is unusable, the image too large, or there is no mask.
    """
    _check_size(job.image, settings.max_megapixels)
    file = read_image(job.image)
    hole_mask = file.hole_mask if job.mask is None else read_mask(job.mask)
    if hole_mask is None:
        raise InputError(
            "a mask, or an image with transparent parts to fill",
            "neither",
            "Provide a mask.",
            problem="There is no mask, and the image has no transparent part to fill.",
        )
    return file, settings.mask_edits.apply(hole_mask)


def _check_size(path: Path, max_megapixels: float) -> None:
    """Refuse an image that would take too much memory, before it is decoded."""
    try:
        with Image.open(path) as image:
            megapixels = image.width * image.height / 1e6
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return  # read_image says what is wrong
    if megapixels > max_megapixels:
        raise InputError(
            f"an image of at most {max_megapixels:g} megapixels in {path}",
            f"one of {megapixels:.0f}",
            "Scale it down, or raise --max-megapixels; it takes about 40 MB of memory for each.",
            problem=f"{path} has {megapixels:.0f} megapixels, more than {max_megapixels:g}.",
        )


def complete(
    model: Inpainter,
    file: ImageFile,
    hole_mask: Tensor,
    files: ResultFiles,
    settings: Settings,
    *,
    record: Record | None = None,
    variants: Sequence[int] | None = None,
    is_opaque: bool = False,
) -> None:
    """Complete one image and write its results and contact sheet, one result at a time.

    To be called with the files `claimed`.

    Args:
        model: completes the image.
        file: the image.
        hole_mask: [1, H, W] in [0, 1], 1 = fill; may have another size of the same aspect ratio.
        files: the files to write.
        settings: how to complete it.
        record: see `ResultFiles.write`.
        variants: see `ResultFiles.write`.
        is_opaque: see `Original.filled`.

    Raises:
        InputError: unusable mask, or files that cannot be written.
    """
    result = model.inpaint(file.image, hole_mask, alpha=file.alpha, **settings.arguments())
    for warning in (*result.warnings, *losses(file.original, files.suffix)):
        _log.warning("%s", warning)
    # What the file holds in 8 bits is rounded at once: a quarter of the memory.
    dtype = torch.uint8 if file.original.pixels.dtype == np.uint8 else torch.float32
    completed = Completed(
        file=file,
        image=result.erased.original[0].movedim(0, -1).cpu(),
        hole_mask=result.erased.hole_mask[0, 0].cpu(),
        results=map(Tensor.cpu, result.composites.variants(0, dtype)),
        weight=result.weight[0].cpu(),
        is_opaque=is_opaque,
    )
    files.write(completed, record or {}, variants)


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]


def _explain(error: Exception) -> str:
    """Return a message for an error that may end a job; raise any other error again."""
    text = str(error).lower()
    is_memory = isinstance(error, MemoryError | torch.OutOfMemoryError)
    if is_memory or "allocate memory" in text or "not enough memory" in text:
        return "Not enough memory for the image and its variants. Scale it or ask for fewer."
    return explain(error)


@contextlib.contextmanager
def _collected_warnings() -> Iterator[list[str]]:
    """Collect the warnings that the whole pack logs, for the report."""
    collected: list[str] = []
    handler = logging.Handler(logging.WARNING)
    handler.emit = lambda record: collected.append(record.getMessage())
    logger = logging.getLogger((__package__ or "").rpartition(".")[0])
    logger.addHandler(handler)
    try:
        yield collected
    finally:
        logger.removeHandler(handler)
