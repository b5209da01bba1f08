"""Completing image files, up to three at a time; an error concerns its own image only.

While the model completes one image, the next is read and the last one's results are written.
"""

import contextlib
import dataclasses
import logging
import threading
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch

from ..core.errors import DiverseInpaintingError
from ..core.inpainter import Inpainter
from ..core.locks import LockedError
from ..core.printable import printable
from .failures import explain
from .job_inputs import JobInputs
from .pairing import Job
from .result_files import Record, ResultFiles, StaleResultsError
from .result_writing import save_results
from .settings import Settings, describe_run

_AT_ONCE = 3  # images: one for the model, one before it and one after it
_MOST_PIXELS = 24_000_000  # of these together: no more memory than a single photograph can take
_PATIENCE_S = 0.2


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


def run_jobs(
    model: Inpainter,
    jobs: Sequence[Job],
    settings: Settings,
    overwrite: bool = False,
    *,
    model_name: str = "",
) -> Generator[Outcome]:
    """Complete images and yield the outcome of each, in order.

    A bad image, a full disk or too little memory ends its own job only. Variant k of every image
    uses the random code of (seed, k). When the generator is closed or interrupted, the images that
    were begun are left to the next run.

    Args:
        model: completes the images.
        jobs: what to do.
        settings: how to complete them; `on_step` is called by another thread.
        overwrite: whether to replace results.
        model_name: what the model was loaded as, for the record.
    """
    run = _Run(model, settings, describe_run(model, settings, model_name), overwrite)
    begun: deque[Future[Outcome]] = deque()
    with ThreadPoolExecutor(_AT_ONCE, "diverse-inpainting") as pool:
        try:
            for job in jobs:
                begun.append(pool.submit(run.outcome, job))
                if len(begun) == _AT_ONCE:
                    yield _wait_for(begun.popleft())
            while begun:
                yield _wait_for(begun.popleft())
        finally:
            run.stop()


def _wait_for(future: "Future[Outcome]") -> Outcome:
    while not future.done():  # in turns: on Windows nothing interrupts a wait without end
        wait([future], _PATIENCE_S)
    return future.result()


class _StoppedError(Exception):
    """Nobody waits for the results any more."""


class _Run:
    """Completes one image in each of several threads."""

    def __init__(
        self, model: Inpainter, settings: Settings, record: Record, overwrite: bool
    ) -> None:
        self._model, self._record, self._overwrite = model, record, overwrite
        self._show_step = settings.on_step
        self._settings = dataclasses.replace(settings, on_step=self._on_step)
        self._turn = threading.Lock()  # the model completes one image at a time
        self._room = _Room(_MOST_PIXELS)
        self._is_stopped = threading.Event()

    def stop(self) -> None:
        """End all threads soon."""
        self._is_stopped.set()

    def outcome(self, job: Job) -> Outcome:
        """Complete an image and return what became of it."""
        error = None
        with _collected_warnings() as warnings:
            try:
                status = "done" if self._run_job(job) else "skipped"
            except LockedError:
                status, error = "skipped", "another process is completing it"
            except StaleResultsError as caught:
                status, error = "stale", str(caught)
            except (DiverseInpaintingError, OSError, MemoryError, RuntimeError) as caught:
                status, error = "failed", _explain(caught)
        return Outcome(
            image=job.image, status=status, files=job.files, warnings=tuple(warnings), error=error
        )

    def _run_job(self, job: Job) -> bool:
        """Return whether anything had to be written."""
        self._check()
        if job.problem is not None:
            raise job.problem
        with job.files.claimed():
            inputs = JobInputs.read(job)
            record = inputs.record(self._record)
            variants = job.files.pending(record, self._overwrite)
            if not variants:
                return False
            with self._room.taken(inputs.num_pixels):
                file, hole_mask = inputs.decode(self._settings)
                del inputs  # files can be as large as images
                with self._turn:
                    self._check()
                    result = self._model.inpaint(
                        file.image, hole_mask, alpha=file.alpha, **self._settings.arguments()
                    )
                save_results(
                    result,
                    file,
                    job.files,
                    record=record,
                    variants=variants,
                    is_opaque=job.mask is None,
                    on_result=self._check,
                )
        return True

    def _on_step(self, step: int, steps: int) -> None:
        self._check()
        if self._show_step is not None:
            self._show_step(step, steps)

    def _check(self) -> None:
        if self._is_stopped.is_set():
            raise _StoppedError


class _Room:
    """Lets images in as long as they are small together; a large one waits until it is alone."""

    def __init__(self, most_pixels: int) -> None:
        self._most = most_pixels
        self._taken = 0
        self._changed = threading.Condition()

    @contextlib.contextmanager
    def taken(self, num_pixels: int) -> Iterator[None]:
        """Wait for room for so many pixels, and keep it for the duration of a block."""

        def fits() -> bool:
            return self._taken == 0 or self._taken + num_pixels <= self._most

        with self._changed:
            self._changed.wait_for(fits)
            self._taken += num_pixels
        try:
            yield
        finally:
            with self._changed:
                self._taken -= num_pixels
                self._changed.notify_all()


def _explain(error: Exception) -> str:
    """Return a message for an error that may end a job; raise any other error again."""
    text = str(error).lower()
    is_memory = isinstance(error, MemoryError | torch.OutOfMemoryError)
    if is_memory or "allocate memory" in text or "not enough memory" in text:
        return "Not enough memory for the image and its variants. Scale it or ask for fewer."
    return explain(error)


@contextlib.contextmanager
def _collected_warnings() -> Iterator[list[str]]:
    """Collect the warnings that this thread logs anywhere in the pack, for the report."""
    collected: list[str] = []
    thread = threading.get_ident()
    handler = logging.Handler(logging.WARNING)
    handler.addFilter(lambda record: record.thread == thread)
    handler.emit = lambda record: collected.append(record.getMessage())
    logger = logging.getLogger((__package__ or "").rpartition(".")[0])
    logger.addHandler(handler)
    try:
        yield collected
    finally:
        logger.removeHandler(handler)
