"""Completing images on Ray: processes that hold the model, on this machine or on many.

Ray Data hands jobs to actors, starts dead actors again and repeats what they were doing.
"""

import dataclasses
import logging
import os
import secrets
import socket
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO
from urllib.parse import urlsplit

from ..core.errors import InputError
from ..core.inpainter import Inpainter
from .actor import SHARED_MARK, Actor, Ledger, Order, Report
from .pairing import Job
from .settings import Settings, model_digest
from .stores import Stores

_MOST_TASKS = 5000  # each keeps the driver busy for some milliseconds
_OBJECT_STORE_BYTES = 100 * 2**20  # names and reports only; Ray's own choice is 30 % of the memory
_PATIENCE_S = 10
_STDERR = 2


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

        if not jobs:  # of this shard
            return
        with _quiet(), _ray(self.address), _shared_mark(self.out, self.stores) as marks:
            machines = [node["Resources"] for node in ray.nodes() if node["Alive"]]
            gpus = self._gpus_per_actor(machines)
            actors = self._num_actors(machines, gpus, len(jobs))
            order = Order(
                model=self.model,
                digest=model_digest(model),
                model_name=model_name,
                device=self.device or (None if gpus else "cpu"),
                precision=model.asked_precision,
                download=self.download,
                settings=dataclasses.replace(settings, on_step=None),
                overwrite=overwrite,
                stores=self.stores,
                shared=(*self.inputs, *marks),
            )
            for found in _stream(jobs, order, actors, gpus):
                if isinstance(found, InputError):
                    raise found
                yield found

    def _gpus_per_actor(self, machines: Sequence[Mapping[str, float]]) -> float:
        if self.gpus_per_actor is not None:
            return self.gpus_per_actor
        has_gpus = any(machine.get("GPU") for machine in machines)
        return 1.0 if has_gpus and self.device != "cpu" else 0.0

    def _num_actors(
        self, machines: Sequence[Mapping[str, float]], gpus: float, num_jobs: int
    ) -> int:
        """Return the number of actors; more than fit would be waited for in vain."""
        kind, share = ("GPU", gpus) if gpus else ("CPU", 1)
        fit = sum(int(machine.get(kind, 0) / share + 1e-6) for machine in machines)
        asked = self.actors or fit
        if not 0 < asked <= fit:
            total = sum(machine.get(kind, 0) for machine in machines)
            raise InputError(
                f"at most {fit} actors on {total:g} {'GPUs' if gpus else 'cores'}",
                str(asked),
                "Ask for fewer with --actors or less with --gpus-per-actor, or add machines first.",
            )
        return max(1, min(asked, num_jobs))


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


def load_ray(address: str | None) -> Any:  # noqa: ANN401 - a module
    """Import Ray for the first time: it reads its variables then.

    Without a cluster, Ray's ports on this machine accept nothing but what has this run's token; by
    itself Ray would write one into the home folder.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # it would report to its makers
    if address is None and "RAY_AUTH_MODE" not in os.environ:
        os.environ |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    import ray
    import ray.data

    return ray


@contextmanager
def _ray(address: str | None) -> Iterator[None]:
    """Keep Ray running, or the connection to it, for the duration of a block."""
    ray = load_ray(address)

    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.CRITICAL}
    own = {"include_dashboard": False, "object_store_memory": _OBJECT_STORE_BYTES}
    try:
        _knock(address)
        ray.init(address=address or "local", **quiet, **({} if address else own))
    except (OSError, ValueError, RuntimeError) as error:
        raise InputError(
            f"a Ray cluster at {address}" if address else "Ray to start",
            str(error),
            "Start one with ray start --head, or leave --address out to use this machine.",
        ) from error
    logging.getLogger("ray.data").setLevel(logging.CRITICAL)
    try:
        yield
    finally:  # it prints what it has held back
        with open(os.devnull, "w") as sink, redirect_stdout(sink), redirect_stderr(sink):
            ray.shutdown()


def _knock(address: str | None) -> None:
    """Raise an OSError where nothing listens: Ray would try for minutes."""
    place = urlsplit(f"//{(address or '').rpartition('://')[2]}")
    if place.hostname and place.port:
        socket.create_connection((place.hostname, place.port), timeout=_PATIENCE_S).close()


@contextmanager
def _shared_mark(out: Path, stores: Stores) -> Iterator[tuple[Path, ...]]:
    """Keep a mark in the folder of the results, unless that is in a store, and yield it."""
    if stores.url(out):
        yield ()
        return
    mark = out / f"{SHARED_MARK}-{secrets.token_hex(4)}"
    mark.touch()
    try:
        yield (mark,)
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
