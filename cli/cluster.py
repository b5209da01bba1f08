"""Completing images on Ray: processes that hold the model, on this machine or on many.

Ray Data hands jobs to actors, starts dead actors again and repeats what they were doing. An actor
completes its images as `inpaint` does, with `run_jobs`.
"""

import dataclasses
import functools
import logging
import os
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from .. import __version__
from ..core.device import resolve_device
from ..core.errors import DiverseInpaintingError, InputError
from ..core.inpainter import Inpainter
from .batch import Outcome, Settings, model_digest, run_jobs
from .pairing import Job
from .result_files import Record
from .stores import Stores, upload_results

_MOST_ATTEMPTS = 3  # an image whose process has ended as often is given up
_MOST_TASKS = 5000  # each keeps the driver busy for some milliseconds
_OBJECT_STORE_BYTES = 100 * 2**20  # names and reports only; Ray's own choice is 30 % of the memory
_STDERR = 2
_SHARED = ".diverse-inpainting-shared"


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """Where and by how many processes images are completed."""

    actors: int | None
    """Number of processes; None for one per GPU or, without GPUs, per core."""
    gpus_per_actor: float | None
    """Share of a GPU for each; None for 1 if there are GPUs and `device` is not the CPU."""
    address: str | None
    """Of a running Ray cluster; None starts Ray on this machine for this run."""
    model: str
    device: str | None
    download: bool
    out: Path
    inputs: tuple[Path, ...]
    """Local images, masks and folders, which every machine has to see."""
    stores: Stores

    def shown(self, text: object) -> str:
        """Return a text with URLs in place of the paths that stand for them."""
        return self.stores.shown(text)

    def run_jobs(
        self,
        model: Inpainter,
        jobs: Sequence[Job],
        settings: Settings,
        overwrite: bool = False,
        *,
        model_name: str = "",
    ) -> Iterator["Report"]:
        """Do what `batch.run_jobs` does; reports come in the order in which images are done.

        Raises:
            InputError: Ray cannot be started or reached, has fewer processors than were asked for,
                or an actor has no access to the model or the folders.
        """
        import ray

        order = Order(
            cluster=self,
            device=self.device,
            folder=os.getcwd(),
            digest=model_digest(model),
            version=__version__,
            settings=dataclasses.replace(settings, on_fit_step=None),
            overwrite=overwrite,
            model_name=model_name,
        )
        with _quiet(), _ray(self.address), _shared_mark(self.out, self.stores):
            has: Mapping[str, float] = ray.cluster_resources()
            gpus = self._gpus_per_actor(has)
            actors = self._num_actors(has, gpus, len(jobs))
            order = dataclasses.replace(order, device=self.device or (None if gpus else "cpu"))
            for found in _stream(jobs, order, actors, gpus):
                if isinstance(found, InputError):
                    raise found
                yield found

    def _gpus_per_actor(self, has: Mapping[str, float]) -> float:
        if self.gpus_per_actor is not None:
            return self.gpus_per_actor
        return 1.0 if has.get("GPU", 0) and self.device != "cpu" else 0.0

    def _num_actors(self, has: Mapping[str, float], gpus: float, num_jobs: int) -> int:
        """Return the number of actors; more than fit would be waited for in vain."""
        fit = int(has.get("GPU", 0) / gpus + 1e-6) if gpus else int(has.get("CPU", 0))
        asked = self.actors or fit
        if not 0 < asked <= fit:
            unit = f"{has.get('GPU', 0):g} GPUs" if gpus else f"{has.get('CPU', 0):g} cores"
            raise InputError(
                f"at most {fit} actors on {unit}",
                str(asked),
                "Ask for fewer with --actors or less with --gpus-per-actor, or add machines first.",
            )
        return max(1, min(asked, num_jobs))


@dataclass(frozen=True, kw_only=True)
class Order:
    """What every actor is to do."""

    cluster: Cluster
    device: str | None
    folder: str
    """Working directory, which relative paths start from."""
    digest: str
    """Of the model."""
    version: str
    settings: Settings
    overwrite: bool
    model_name: str


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
            where = f"On {os.uname().nodename if hasattr(os, 'uname') else 'a machine'}: {error}"
            self._refusal = InputError("", "", "", problem=where)

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
            done = _given_up(job, self._order) if attempts >= _MOST_ATTEMPTS else self._do(job)
            ray.get(self._ledger.end.remote(number, done))
        return done

    def _do(self, job: Job) -> Report:
        return complete_job(self._model, job, self._order)


def complete_job(model: Inpainter, job: Job, order: Order) -> Report:
    """Complete one image by `run_jobs`, by way of a temporary folder if it is in a store."""
    stores = order.cluster.stores
    run = functools.partial(
        run_jobs, model, settings=order.settings, overwrite=order.overwrite,
        model_name=order.model_name,
    )  # fmt: skip
    is_remote = any(path and stores.url(path) for path in (job.image, job.mask, job.files.folder))
    if job.problem is not None or not is_remote:
        return report(next(run([job])), stores)
    scratch = Path(tempfile.mkdtemp(prefix="diverse-inpainting-"))
    try:
        with stores.staged(job, scratch) as (copy, there):
            outcome = next(run([copy]))
            if outcome.status == "done":
                upload_results(copy.files, there)
            return report(outcome, there, stores)
    except (DiverseInpaintingError, OSError) as error:
        text = str(error).replace(str(scratch), str(stores.folder))
        failed = Outcome(image=job.image, status="failed", files=job.files, error=text)
        return report(failed, stores)


def _given_up(job: Job, order: Order) -> Report:
    error = (
        f"The process that completed it ended {_MOST_ATTEMPTS} times, for lack of memory perhaps. "
        "Scale it or ask for fewer variants."
    )
    failed = Outcome(image=job.image, status="failed", files=job.files, error=error)
    return report(failed, order.cluster.stores)


def _prepare(order: Order) -> Inpainter:
    """Return the model, once it is certain that this machine sees what the driver sees.

    Raises:
        InputError: it does not.
    """
    cluster = order.cluster
    os.chdir(order.folder)
    marks = () if cluster.stores.url(cluster.out) else (cluster.out / _SHARED,)
    for path in (*cluster.inputs, *marks):
        if not path.exists():
            seen = cluster.out if path in marks else path
            raise InputError(
                "folders that all machines share",
                f"no {seen}",
                "Use a shared folder or an object store.",
                problem=f"{seen} is not shared with this machine.",
            )
    model = Inpainter.load(
        cluster.model, device=resolve_device(order.device), download=cluster.download
    )
    if (order.version, order.digest) != (__version__, model_digest(model)):
        raise InputError(
            f"version {order.version} and the same model on all machines",
            f"version {__version__} or another model file",
            "Install the same version everywhere, and give a model file in a shared folder.",
        )
    return model


def _stream(
    jobs: Sequence[Job], order: Order, actors: int, gpus: float
) -> Iterator[Report | InputError]:
    """Yield reports as they come."""
    import ray
    import ray.data

    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    ledger: Any = ray.remote(num_cpus=0)(Ledger).remote()
    items = [{"number": k, "job": job} for k, job in enumerate(jobs)]
    data = ray.data.from_items(items, override_num_blocks=min(len(items), _MOST_TASKS))
    done = data.map_batches(
        Actor,
        batch_size=None,
        compute=ray.data.ActorPoolStrategy(size=actors),
        fn_constructor_args=(order, ledger),
        num_cpus=None if gpus else 1,
        num_gpus=gpus or None,
    )
    for batch in done.iter_batches(batch_size=None, batch_format="numpy", prefetch_batches=0):
        ledger.forget.remote(list(map(int, batch["number"])))
        yield from batch["found"]


@contextmanager
def _ray(address: str | None) -> Iterator[None]:
    """Keep Ray running, or the connection to it, for the duration of a block."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # it would report to its makers
    import ray
    import ray.data

    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.CRITICAL}
    own = {"include_dashboard": False, "object_store_memory": _OBJECT_STORE_BYTES}
    try:
        ray.init(address=address or "local", **quiet, **({} if address else own))
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise InputError(
            f"a Ray cluster at {address}" if address else "Ray to start",
            str(error),
            "Start one with ray start --head, or leave --address out to use this machine.",
        ) from error
    logging.getLogger("ray.data").setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        ray.shutdown()


@contextmanager
def _shared_mark(out: Path, stores: Stores) -> Iterator[None]:
    """Keep a file in the folder of the results, by which actors know that it is the same one."""
    if stores.url(out):
        yield
        return
    mark = out / _SHARED
    mark.touch()
    try:
        yield
    finally:
        mark.unlink(missing_ok=True)


class _OwnThread:
    """A stream that takes lines of one thread only."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._thread = threading.get_ident()

    def write(self, text: str) -> int:
        return self._stream.write(text) if threading.get_ident() == self._thread else len(text)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever a stream has
        return getattr(self._stream, name)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep off the terminal what Ray writes there; it is in Ray's logs as well.

    A thread of Ray writes to sys.stdout, which would break --json, and its C++ writes to file 2.
    """
    streams = sys.stdout, sys.stderr
    kept = os.dup(_STDERR)
    sink = os.open(os.devnull, os.O_WRONLY)
    os.dup2(sink, _STDERR)
    os.close(sink)
    sys.stdout = _OwnThread(sys.stdout)  # pyright: ignore[reportAttributeAccessIssue]
    own = open(kept, "w", encoding=sys.stderr.encoding, errors="backslashreplace", buffering=1)  # noqa: SIM115
    if _is_file(sys.stderr, _STDERR):
        sys.stderr = own
    try:
        yield
    finally:
        sys.stdout, sys.stderr = streams
        own.flush()
        os.dup2(kept, _STDERR)
        own.close()


def _is_file(stream: TextIO, number: int) -> bool:
    try:
        return stream.fileno() == number
    except OSError:  # one that a test captures
        return False
