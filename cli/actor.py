"""What one process of `scale` does: it holds the model and completes images as `inpaint` does."""

import functools
import os
import platform
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from .. import __version__
from ..core.device import resolve_device
from ..core.errors import DiverseInpaintingError, InputError
from ..core.inpainter import Inpainter
from .batch import Outcome, run_jobs
from .failures import explain
from .pairing import Job
from .result_files import Record
from .settings import Settings, model_digest
from .stores import Stores, upload_results

SHARED_MARK = ".diverse-inpainting-shared"
"""How a file in the folder of the results begins, by which actors know that it is the driver's."""

_MOST_ATTEMPTS = 3  # an image whose process has ended as often is given up


@dataclass(frozen=True, kw_only=True)
class Order:
    """What every actor is to do."""

    model: str
    """Bundled name, file or Hugging Face id."""
    digest: str
    """Of the model, as the driver has it."""
    model_name: str
    device: str | None
    precision: str
    """One of `PRECISIONS`."""
    download: bool
    settings: Settings
    overwrite: bool
    stores: Stores
    folder: str = field(default_factory=os.getcwd)
    """Working directory of the driver, which relative paths start from."""
    shared: tuple[Path, ...]
    """Local files and folders that the driver sees, and an actor has to."""
    version: str = __version__


@dataclass(frozen=True)
class Report:
    """What became of an image, as `Outcome` says it, with what only the actor can see."""

    status: str
    text: tuple[str, ...]
    facts: Record

    def lines(self) -> tuple[str, ...]:
        """Return lines for the user."""
        return self.text

    def to_dict(self) -> Record:
        """Return plain data for JSON."""
        return self.facts


def report(outcome: Outcome, *places: Stores) -> Report:
    """Return an outcome with URLs in place of the paths that stand for them."""

    def shown(text: Any) -> Any:  # noqa: ANN401 - any value of a record
        if isinstance(text, list):
            return [shown(part) for part in text]
        if isinstance(text, str):
            for stores in places:
                text = stores.shown(text)
        return text

    facts = {name: shown(value) for name, value in outcome.to_dict().items()}
    return Report(outcome.status, tuple(map(shown, outcome.lines())), facts)


class Ledger:
    """Remembers, outside the actors, which images were begun and which are done."""

    def __init__(self) -> None:
        self._begun: dict[int, int] = {}
        self._done: dict[int, Report] = {}

    def begin(self, number: int) -> tuple[int, Report | None]:
        """Return how often an image was begun before, and its report if it is done."""
        before = self._begun.get(number, 0)
        self._begun[number] = before + 1
        return before, self._done.get(number)

    def end(self, number: int, done: Report) -> None:
        """Remember a report until the driver has it."""
        self._done[number] = done

    def forget(self, numbers: Sequence[int]) -> None:
        """Drop what the driver has."""
        for number in numbers:
            self._begun.pop(number, None)
            self._done.pop(number, None)


class Actor:
    """Holds the model and completes batches of images."""

    def __init__(self, order: Order, ledger: Any) -> None:  # noqa: ANN401 - Ray's handle
        self._order = order
        self._ledger = ledger
        self._refusal: InputError | None = None
        try:
            self._model = _prepare(order)
        except (DiverseInpaintingError, OSError) as error:
            self._refusal = _refusal(error)

    def __call__(self, batch: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Complete a batch: numbers and jobs in, numbers and reports out."""
        found = np.empty(len(batch["job"]), dtype=object)
        for k, (number, job) in enumerate(zip(batch["number"], batch["job"], strict=True)):
            found[k] = self._refusal or self._complete_once(int(number), job)
        return {"number": batch["number"], "found": found}

    def _complete_once(self, number: int, job: Job) -> Report:
        """Complete an image unless it is done, or has ended several processes."""
        import ray

        attempts, done = ray.get(self._ledger.begin.remote(number))
        if done is None:
            is_hopeless = attempts >= _MOST_ATTEMPTS
            complete = _give_up if is_hopeless else functools.partial(complete_job, self._model)
            done = complete(job, self._order)
            ray.get(self._ledger.end.remote(number, done))
        return done


def complete_job(model: Inpainter, job: Job, order: Order) -> Report:
    """Complete one image by `run_jobs`, by way of a temporary folder if it is in a store."""
    stores = order.stores
    run = functools.partial(
        run_jobs,
        model,
        settings=order.settings,
        overwrite=order.overwrite,
        model_name=order.model_name,
    )
    is_remote = any(path and stores.url(path) for path in (job.image, job.mask, job.files.folder))
    if job.problem is not None or not is_remote:
        return report(next(run([job])), stores)
    with tempfile.TemporaryDirectory(prefix="diverse-inpainting-") as scratch:
        there = Stores(Path(scratch))
        try:
            copy = stores.stage(job, there)
            outcome = next(run([copy]))
            if outcome.status == "done":
                upload_results(copy.files, there)
        except (DiverseInpaintingError, OSError) as error:
            return _failed(job, there.shown(explain(error)), stores)
        return report(outcome, there, stores)


def _failed(job: Job, error: str, stores: Stores) -> Report:
    return report(Outcome(image=job.image, status="failed", files=job.files, error=error), stores)


def _give_up(job: Job, order: Order) -> Report:
    error = (
        f"The process that completed it ended {_MOST_ATTEMPTS} times, for lack of memory perhaps. "
        "Scale it or ask for fewer variants."
    )
    return _failed(job, error, order.stores)


def _refusal(error: Exception) -> InputError:
    """Return an error of an actor with the name of its machine."""
    if not isinstance(error, DiverseInpaintingError):
        return InputError(
            "the same folders on all machines",
            f"an error on {platform.node()}",
            "Use shared folders or an object store.",
            problem=f"{platform.node()}: {explain(error)}",
        )
    problem = f"{platform.node()}: {error.problem}" if error.problem else ""
    return InputError(
        error.expected, f"{error.got} on {platform.node()}", error.remedy, problem=problem
    )


def _prepare(order: Order) -> Inpainter:
    """Return the model, once it is certain that this machine sees what the driver sees.

    Raises:
        InputError: it does not.
    """
    os.chdir(order.folder)
    for path in order.shared:
        if not path.exists():
            seen = path.parent if path.name.startswith(SHARED_MARK) else path
            raise InputError(
                "folders that all machines share",
                f"no {seen}",
                "Use a shared folder or an object store.",
                problem=f"{seen} is not there: it is not shared with this machine.",
            )
    model = Inpainter.load(
        order.model,
        device=resolve_device(order.device),
        precision=order.precision,
        download=order.download,
    )
    if (order.version, order.digest) != (__version__, model_digest(model)):
        raise InputError(
            f"version {order.version} and the same model on all machines",
            f"version {__version__} or another model file",
            "Install the same version everywhere, and give a model file in a shared folder.",
        )
    return model
