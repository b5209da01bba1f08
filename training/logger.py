"""What a run tells about itself: log.jsonl, TensorBoard, picture grids and alarms."""

import contextlib
import json
import logging
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..core.files import write_text
from .checkpointing import States
from .diagnostics import alarms_of
from .trainer import Progress, Trainer, TrainingError

_log = logging.getLogger(__name__)


class Watch:
    """The scalars since the last line: every process reads them, and so stops at the same one."""

    def __init__(self, trainer: Trainer, states: States) -> None:
        self._trainer, self._states = trainer, states
        self._steps: list[tuple[int, dict[str, Tensor]]] = []

    def add(self, nimg: int, scalars: dict[str, Tensor]) -> None:
        """Remember the scalars of the step at nimg on their device: reading them would wait."""
        self._steps.append((nimg, {name: value.detach() for name, value in scalars.items()}))

    def write(self, nimg: int) -> None:
        """Tell of the time up to image nimg, if anything happened in it.

        Raises:
            TrainingError: a scalar was not finite; the message names the step.
        """
        if self._steps:
            self._read()

    def show(self, nimg: int) -> None:
        """Show what was learned."""

    def close(self) -> None:
        """Let files go."""

    def _read(self) -> dict[str, float]:
        """Return the means by name, after one transfer from the device."""
        steps, self._steps = self._steps, []
        flat = torch.stack([value.float() for _, scalars in steps for value in scalars.values()])
        values = iter(flat.tolist())
        found: dict[str, list[float]] = {}
        for nimg, names in steps:
            scalars = {name: next(values) for name in names}
            self._require_finite(nimg, scalars)
            for name, value in scalars.items():
                found.setdefault(name, []).append(value)
        return {name: math.fsum(series) / len(series) for name, series in found.items()}

    def _require_finite(self, nimg: int, scalars: dict[str, float]) -> None:
        bad = [f"{name} = {value}" for name, value in scalars.items() if not math.isfinite(value)]
        if bad:
            size = self._trainer.config.batch_size
            step = f"step {nimg // size + 1}, images {nimg} to {nimg + size - 1}"
            raise diverged(f"{', '.join(bad)} in {step}", self._states)


class Journal(Watch):
    """Means of the scalars since the last line, as JSON lines and for TensorBoard; grids as PNG."""

    def __init__(
        self,
        trainer: Trainer,
        states: States,
        on_progress: Callable[[Progress], None],
        nimg: int,
    ) -> None:
        """Begin, or go on after image nimg: what was logged beyond it is struck out."""
        super().__init__(trainer, states)
        self._on_progress = on_progress
        self._lines, self._grids = states.folder / "log.jsonl", states.folder / "grids"
        self._grids.mkdir(exist_ok=True)
        _strike_out(self._lines, nimg)
        self._board = _Board(states.folder / "tensorboard", nimg)
        self._scalars: dict[str, float] = {}
        self._mark = (time.perf_counter(), nimg)

    def write(self, nimg: int) -> None:
        """Write one line, and start new means."""
        if not self._steps:
            return
        scalars = self._read()
        now = time.perf_counter()
        rate = (nimg - self._mark[1]) / max(now - self._mark[0], 1e-9)
        self._mark, self._scalars = (now, nimg), scalars
        line = {"images_per_s": round(rate, 2), **scalars}
        self._append({"nimg": nimg, **line})
        self._board.scalars(line, nimg)
        self._on_progress(Progress(nimg, self._trainer.config.total_images, rate, scalars))

    def show(self, nimg: int) -> None:
        """Write the picture grid and the alarms."""
        grid = self._trainer.grid()
        grid.save(self._grids / f"{nimg:09d}.png")
        self._board.picture(np.asarray(grid), nimg)
        alarms = self._trainer.alarms()
        if alarms:
            self._append({"nimg": nimg, "alarms": alarms})
            self._board.scalars({f"alarms/{name}": v for name, v in alarms.items()}, nimg)
        for sentence in alarms_of({**self._scalars, **alarms}):
            _log.warning("after %d images: %s", nimg, sentence)

    def _append(self, line: dict[str, Any]) -> None:
        with open(self._lines, "a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")

    def close(self) -> None:
        """Let TensorBoard's file go."""
        self._board.close()


def diverged(got: str, states: States) -> TrainingError:
    """Return the error for a loss or weight that is not finite."""
    return TrainingError(
        "finite losses and weights",
        got,
        f"A resumed run would repeat it: begin in another folder with a lower learning rate. "
        f"{states.describe()}",
    )


def _strike_out(path: Path, nimg: int) -> None:
    """Remove the lines of images that a resumed run sees again, and lines cut off by a crash."""
    if not path.exists():
        return
    kept = []
    for line in path.read_text("utf-8").splitlines(keepends=True):
        with contextlib.suppress(ValueError):
            if json.loads(line)["nimg"] <= nimg and line.endswith("\n"):
                kept.append(line)
    write_text(path, "".join(kept))


class _Board:
    """TensorBoard's file; nothing where the package is missing."""

    def __init__(self, folder: Path, nimg: int) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            _log.warning("no TensorBoard: install diverse-inpainting[training] to have its curves")
            self._writer = None
            return
        self._writer = SummaryWriter(folder, purge_step=nimg + 1)

    def scalars(self, values: dict[str, float], nimg: int) -> None:
        if self._writer is not None:
            for name, value in values.items():
                self._writer.add_scalar(name, value, nimg)
            self._writer.flush()

    def picture(self, image: np.ndarray, nimg: int) -> None:
        if self._writer is not None:
            self._writer.add_image("grid", image, nimg, dataformats="HWC")

    def close(self) -> None:
        if self._writer is not None:
            with contextlib.suppress(OSError):  # a full disk, of which the run has told already
                self._writer.close()
