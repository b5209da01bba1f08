"""The training log: log.jsonl, TensorBoard, image grids and diagnostics."""

import contextlib
import json
import time
from collections.abc import Callable
from math import fsum, isfinite
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ..core.files import write_text
from ..core.printable import get_logger
from .checkpointing import States
from .diagnostics import warnings_of
from .hardware import peak_memory_mib
from .stages import Progress, Trainer, TrainingError

_log = get_logger(__name__)


class TrainingLog:
    """Means of scalars over logging intervals, as JSON lines and in TensorBoard; grids.

    All processes read the scalars, and so stop at the same step if one is not finite. Only the main
    one writes.
    """

    def __init__(
        self,
        trainer: Trainer,
        states: States,
        on_progress: Callable[[Progress], None],
        nimg: int,
        *,
        is_main: bool = True,
    ) -> None:
        """Start, or resume after image nimg: later lines are removed."""
        self._trainer, self._states = trainer, states
        self._on_progress = on_progress
        self._steps: list[tuple[int, dict[str, Tensor]]] = []
        self._means: dict[str, float] = {}
        self._mark = (time.perf_counter(), nimg)
        self._files = _Files(states.folder, nimg) if is_main else None

    def add(self, nimg: int, scalars: dict[str, Tensor]) -> None:
        """Add the scalars of the step at nimg; they stay on their device, since reading waits."""
        self._steps.append((nimg, {name: value.detach() for name, value in scalars.items()}))

    def write(self, nimg: int) -> None:
        """Write the means up to image nimg, if there are any, and start new ones.

        Raises:
            TrainingError: a scalar is not finite; the message names the step.
        """
        if not self._steps:
            return
        self._means = self._read()
        if self._files is None:
            return
        now = time.perf_counter()
        rate = (nimg - self._mark[1]) / max(now - self._mark[0], 1e-9)
        self._mark = (now, nimg)
        line = {"images_per_s": float(f"{rate:.4g}")}
        memory = peak_memory_mib(self._trainer.device)
        if memory is not None:
            line["peak_memory_mib"] = round(memory, 1)
        self._files.write({"nimg": nimg, **line, **self._means}, {**line, **self._means})
        total = self._trainer.config.total_images
        self._on_progress(Progress(nimg, total, rate, self._means))

    def show(self, nimg: int) -> None:
        """Write the image grid and the diagnostics."""
        if self._files is None:
            return
        self._files.show(self._trainer.grid(), nimg)
        diagnostics = self._trainer.diagnostics()
        if diagnostics:
            curves = {f"diagnostics/{name}": value for name, value in diagnostics.items()}
            self._files.write({"nimg": nimg, "diagnostics": diagnostics}, curves)
        for sentence in warnings_of({**self._means, **diagnostics}):
            _log.warning("after %d images: %s", nimg, sentence)

    def close(self) -> None:
        """Close the files."""
        if self._files is not None:
            self._files.close()

    def _read(self) -> dict[str, float]:
        """Return the means by name, after one transfer from the device."""
        steps, self._steps = self._steps, []
        flat = torch.stack([value.float() for _, scalars in steps for value in scalars.values()])
        values = iter(flat.tolist())
        found: dict[str, list[float]] = {}
        for nimg, names in steps:
            scalars = {name: next(values) for name in names}
            bad = [f"{name} = {value}" for name, value in scalars.items() if not isfinite(value)]
            if bad:
                size = self._trainer.config.batch_size
                step = f"step {nimg // size + 1}, images {nimg} to {nimg + size - 1}"
                raise diverged(f"{', '.join(bad)} in {step}", self._states)
            for name, value in scalars.items():
                found.setdefault(name, []).append(value)
        return {name: fsum(series) / len(series) for name, series in found.items()}


def diverged(got: str, states: States) -> TrainingError:
    """Return the error for a loss or weight that is not finite."""
    return TrainingError(
        "finite losses and weights",
        got,
        "A resumed run would diverge again: start in another folder with a lower learning rate. "
        f"{states.describe()}",
    )


class _Files:
    """log.jsonl, grids/, and tensorboard/ if the package is installed."""

    def __init__(self, folder: Path, nimg: int) -> None:
        self._lines, self._grids = folder / "log.jsonl", folder / "grids"
        self._grids.mkdir(exist_ok=True)
        _remove_later_lines(self._lines, nimg)
        self._board = None
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            _log.warning("TensorBoard is not installed: pip install diverse-inpainting[training]")
        else:
            self._board = SummaryWriter(folder / "tensorboard", purge_step=nimg + 1)

    def write(self, line: dict[str, Any], curves: dict[str, float]) -> None:
        """Append a line, and a point to each curve."""
        with open(self._lines, "a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        if self._board is not None:
            for name, value in curves.items():
                self._board.add_scalar(name, value, line["nimg"])
            self._board.flush()

    def show(self, grid: Image.Image, nimg: int) -> None:
        """Write an image grid."""
        grid.save(self._grids / f"{nimg:09d}.png")
        if self._board is not None:
            self._board.add_image("grid", np.asarray(grid), nimg, dataformats="HWC")

    def close(self) -> None:
        """Close TensorBoard's file."""
        if self._board is not None:
            with contextlib.suppress(OSError):  # a full disk, which the run has already reported
                self._board.close()


def _remove_later_lines(path: Path, nimg: int) -> None:
    """Remove lines of images that a resumed run sees again, and lines truncated by a crash."""
    if not path.exists():
        return
    kept = []
    for line in path.read_text("utf-8").splitlines(keepends=True):
        with contextlib.suppress(ValueError):
            if json.loads(line)["nimg"] <= nimg and line.endswith("\n"):
                kept.append(line)
    write_text(path, "".join(kept))
