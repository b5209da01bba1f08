"""How all benchmarks measure: candidates in turns, operations counted, one table and one file."""

import argparse
import importlib
import json
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from diverse_inpainting.core.device import resolve_device
from diverse_inpainting.training.hardware import peak_memory_mib

Work = Callable[[], object]

_NO_LAUNCH = ("empty", "detach", "alias", "_local_scalar_dense", "new_empty", "_unsafe_view")
"""ATen operations that start no kernel; views are known by their schema."""
_OPS_MODULES = tuple(f"diverse_inpainting.core.ops.{name}" for name in ("bias_act", "upfirdn2d"))


class Clock:
    """Measures how long a function takes on a device, by the wall or by the processor."""

    def __init__(self, device: torch.device, kind: str = "wall") -> None:
        if kind == "process" and device.type != "cpu":
            raise SystemExit("--clock process counts the processor's time: use it with the CPU.")
        self.device, self.kind = device, kind
        self.now = time.process_time if kind == "process" else time.perf_counter

    def wait(self) -> None:
        """Wait until the device is idle."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    def seconds(self, work: Work) -> float:
        """Return the duration of one call."""
        self.wait()
        started = self.now()
        work()
        self.wait()
        return self.now() - started


def add_options(parser: argparse.ArgumentParser, rounds: int) -> None:
    """Add the options that all benchmarks have."""
    parser.add_argument("--device", default=None, help="cuda if available, else cpu")
    parser.add_argument(
        "--clock",
        choices=("wall", "process"),
        default="wall",
        help="process counts the processor's time, for a machine that does other work, too",
    )
    parser.add_argument("--rounds", type=int, default=rounds, help="runs of each candidate")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the table there, too")


def clock_of(options: argparse.Namespace) -> Clock:
    """Return the clock that the options ask for."""
    return Clock(resolve_device(options.device), options.clock)


@dataclass
class Row:
    """One candidate's line of the table; None is not known or makes no sense there."""

    what: str
    shape: str
    dtype: str
    median_ms: float
    lowest_ms: float
    highest_ms: float
    ratio: float | None = None
    """Speed over that of the reference path in the same run: its lowest time over this one's."""
    gflop: float | None = None
    gflop_per_s: float | None = None
    floor_share: float | None = None
    """Of the fastest plain product's speed in the same run."""
    launches: int | None = None
    """Kernels of one call: on CUDA as traced, else operations that would launch one."""
    peak_mib: float | None = None
    """On CUDA what this call allocates, else the most that the process has used so far."""
    error: float | None = None
    """Largest difference from the first candidate of its shape, in standard deviations."""


@dataclass
class Candidate:
    """What is timed beside others of the same shape."""

    what: str
    dtype: torch.dtype
    work: Callable[[], torch.Tensor]


@torch.no_grad()
def compare(
    candidates: Sequence[Candidate],
    shape: str,
    clock: Clock,
    *,
    rounds: int,
    floors: Mapping[torch.dtype, float],
) -> list[Row]:
    """Time candidates in turns, so that whatever slows the machine down slows all of them.

    The first one's operations count for all: another form of the same network does the same.

    Args:
        candidates: ratios are to the one named "reference" of the same dtype.
        shape: of what they compute, for the table.
        clock: to measure with.
        rounds: runs of each.
        floors: GFLOP/s that the machine reaches, by dtype.
    """
    amount = gflop(candidates[0].work)
    expected = candidates[0].work().double()
    errors = [deviation(c.work().double(), expected) for c in candidates]
    memory = [peak_of(c.work, clock.device) for c in candidates]
    seconds = [[clock.seconds(c.work) for c in candidates] for _ in range(rounds)]
    references = {c.dtype: i for i, c in enumerate(candidates) if c.what == "reference"}
    rows = []
    for i, candidate in enumerate(candidates):
        times = [taken[i] for taken in seconds]
        reference = references.get(candidate.dtype)
        row = Row(candidate.what, shape, name_of(candidate.dtype), **spread(times))
        row.launches, row.peak_mib = launches(candidate.work, clock.device), memory[i]
        row.gflop, row.gflop_per_s = amount, amount / min(times)
        row.floor_share = row.gflop_per_s / floors[candidate.dtype]
        row.error = errors[i]
        if reference is not None:
            row.ratio = min(taken[reference] for taken in seconds) / min(times)
        rows.append(row)
    return rows


def spread(seconds: Sequence[float]) -> dict[str, Any]:
    """Return the median and the range in milliseconds, as `Row` has them."""
    taken = (statistics.median(seconds), min(seconds), max(seconds))
    return dict(
        zip(("median_ms", "lowest_ms", "highest_ms"), (1e3 * t for t in taken), strict=True)
    )


def name_of(dtype: torch.dtype) -> str:
    """Return the name without "torch."."""
    return str(dtype).removeprefix("torch.")


def deviation(actual: torch.Tensor, expected: torch.Tensor) -> float:
    """Return the largest difference in standard deviations of what is expected."""
    return float((actual - expected).abs().max() / expected.std())


def gflop(work: Work) -> float:
    """Return the operations of all products and convolutions, in billions."""
    with FlopCounterMode(display=False) as counter:
        work()
    return counter.get_total_flops() / 1e9


def peak_of(work: Work, device: torch.device) -> float | None:
    """Return the most memory in MiB: on CUDA during the call, else of the process so far."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    work()
    return peak_memory_mib(device)


def launches(work: Work, device: torch.device) -> int:
    """Return how many kernels a call launches, once it has run before.

    On a CPU, operations that would launch one are counted; one of our own counts as the one kernel
    that it is on a GPU.
    """
    work()
    if device.type == "cuda":
        activities = [torch.profiler.ProfilerActivity.CUDA, torch.profiler.ProfilerActivity.CPU]
        with torch.profiler.profile(activities=activities) as traced:
            work()
            torch.cuda.synchronize(device)
        names = [event.name for event in traced.events() or ()]
        return sum("Launch" in name for name in names if name.startswith(("cuda", "cu")))
    with LaunchCounter() as counter, _our_ops_as_one(counter):
        work()
    return counter.num


class LaunchCounter(TorchDispatchMode):
    """Counts the operations that write to memory."""

    def __init__(self) -> None:
        super().__init__()
        self.num = 0
        self.is_paused = False

    def __torch_dispatch__(
        self,
        func: Any,  # noqa: ANN401 - an operator has no public type
        types: Sequence[type],
        args: tuple[object, ...] = (),
        kwargs: Mapping[str, object] | None = None,
    ) -> object:
        """Run the operation, and count it."""
        name = func.name().split("::")[1].split(".")[0]
        if not self.is_paused and not func.is_view and name not in _NO_LAUNCH:
            self.num += 1
        return func(*args, **(kwargs or {}))


@contextmanager
def _our_ops_as_one(counter: LaunchCounter) -> Iterator[None]:
    """Let `bias_act` and `upfirdn2d` count as one, whatever the backend here does."""

    def counted(run: Callable[..., object], *args: object) -> object:
        counter.num, counter.is_paused = counter.num + 1, True
        try:
            return run(*args)
        finally:
            counter.is_paused = False

    with ExitStack() as stack:
        for name in _OPS_MODULES:
            module = importlib.import_module(name)

            def select(*asked: object, choose: Callable[..., Any] = module.select) -> object:
                return partial(counted, choose(*asked))

            stack.enter_context(mock.patch.object(module, "select", select))
        yield


_FORMATS = {
    "median_ms": ".1f",
    "lowest_ms": ".1f",
    "highest_ms": ".1f",
    "ratio": ".2f",
    "gflop": ".2f",
    "gflop_per_s": ".0f",
    "floor_share": ".2f",
    "peak_mib": ".0f",
    "error": ".1e",
    "images_per_s": ".2f",
    "data": ".0%",
    "forward": ".0%",
    "backward": ".0%",
    "optimiser": ".0%",
}


def report(facts: Mapping[str, str], rows: Sequence[Any], path: Path | None) -> None:
    """Print the facts and one table of rows of one dataclass; write both to a file."""
    for name, value in facts.items():
        print(f"{name:<20}{value}")
    print()
    columns = [name for name in asdict(rows[0]) if any(asdict(r)[name] is not None for r in rows)]
    cells = [columns, *([_cell(name, asdict(row)[name]) for name in columns] for row in rows)]
    widths = [max(len(line[i]) for line in cells) for i in range(len(columns))]
    for line in cells:
        print("  ".join(f"{cell:<{w}}" for cell, w in zip(line, widths, strict=True)).rstrip())
    if path is not None:
        content = {"facts": dict(facts), "rows": [asdict(row) for row in rows]}
        path.write_text(json.dumps(content, indent=2) + "\n")


def _cell(name: str, value: object) -> str:
    return "-" if value is None else format(value, _FORMATS.get(name, ""))
