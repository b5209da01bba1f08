"""The loop that all stages share: step, log, picture grid, save, resume, stop."""

import json
import logging
import math
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, Protocol

import torch
from PIL import Image
from torch import Tensor, nn

from ..core.errors import ConfigError, DiverseInpaintingError
from .alarms import alarms_of
from .config import StageConfig
from .saving import load_state, save_state

_log = logging.getLogger(__name__)


class TrainingError(DiverseInpaintingError, RuntimeError):
    """Training that cannot go on."""


class Trainer(Protocol):
    """One stage: everything that is particular to it."""

    config: StageConfig
    modules: dict[str, nn.Module]
    optimizers: dict[str, torch.optim.Optimizer]

    def step(self, nimg: int) -> dict[str, Tensor]:
        """Train on images nimg .. nimg + batch_size - 1; return scalars to log."""
        ...

    def grid(self) -> Image.Image:
        """Return fixed-seed pictures that show the state of the training."""
        ...

    def alarms(self) -> dict[str, float]:
        """Return the fixed-seed measures that tell a failing run (empty where there are none)."""
        ...

    def export(self, folder: Path, nimg: int) -> None:
        """Write the checkpoint that the next stage or the user loads."""
        ...


@dataclass(frozen=True)
class Progress:
    """What the display shows after each logging interval."""

    nimg: int
    total_images: int
    images_per_s: float
    scalars: dict[str, float]

    @property
    def seconds_left(self) -> float:
        """Time left at the present speed."""
        return (self.total_images - self.nimg) / max(self.images_per_s, 1e-9)


def run(
    trainer: Trainer,
    folder: Path,
    fingerprint: dict[str, Any],
    on_progress: Callable[[Progress], None],
) -> int:
    """Train to the end, or until SIGTERM or Ctrl-C; resume what the folder holds.

    Args:
        trainer: the stage.
        folder: where state.pt, log.jsonl, grids/ and the export go.
        fingerprint: what must be equal for a resume to make sense.
        on_progress: called after each logging interval.

    Returns:
        Images seen.

    Raises:
        ConfigError: the folder holds another run.
        TrainingError: a loss is not finite.
    """
    (folder / "grids").mkdir(parents=True, exist_ok=True)
    nimg = _resume(trainer, folder / "state.pt", fingerprint)
    config = trainer.config
    log = _Log(folder, trainer, on_progress, nimg)
    with _Interruption() as interruption:
        while nimg < config.total_images and not interruption.requested:
            log.add(trainer.step(nimg))
            before, nimg = nimg, nimg + config.batch_size
            if _passed(before, nimg, config.log_every):
                log.write(nimg)
            if _passed(before, nimg, config.grid_every):
                log.show(nimg)
            if _passed(before, nimg, config.save_every):
                log.write(nimg)
                _save(trainer, folder, fingerprint, nimg)
        log.write(nimg)
        _save(trainer, folder, fingerprint, nimg)
        log.show(nimg)
    return nimg


def _passed(before: int, now: int, every: int) -> bool:
    return before // every != now // every


def _save(trainer: Trainer, folder: Path, fingerprint: dict[str, Any], nimg: int) -> None:
    """Write state and export, unless a weight is not finite: the last good state stays."""
    for name, module in trainer.modules.items():
        for key, value in module.state_dict().items():
            _require_finite(value.sum(), f"{name}.{key}", folder, nimg)
    state = {
        "nimg": nimg,
        "fingerprint": json.dumps(fingerprint, sort_keys=True),
        "modules": {name: module.state_dict() for name, module in trainer.modules.items()},
        "optimizers": {name: opt.state_dict() for name, opt in trainer.optimizers.items()},
    }
    save_state(folder / "state.pt", state)
    trainer.export(folder, nimg)


def _require_finite(value: float | Tensor, name: str, folder: Path, nimg: int) -> None:
    if not math.isfinite(value):
        raise TrainingError(
            "finite losses and weights",
            f"{name} = {float(value)} within the images before {nimg}",
            "A resumed run would repeat it: begin in another folder with a lower learning rate. "
            f"{folder / 'state.pt'} keeps the last good state.",
        )


def _resume(trainer: Trainer, path: Path, fingerprint: dict[str, Any]) -> int:
    if not path.exists():
        return 0
    state = load_state(path)
    if state["fingerprint"] != json.dumps(fingerprint, sort_keys=True):
        raise ConfigError(
            "the recipe and inputs that this folder was begun with",
            f"others, for {path.parent}",
            "Give another --out folder, or the original recipe.",
        )
    for name, module in trainer.modules.items():
        module.load_state_dict(state["modules"][name])
    for name, optimizer in trainer.optimizers.items():
        optimizer.load_state_dict(state["optimizers"][name])
    return state["nimg"]


class _Interruption:
    """Turns SIGTERM and Ctrl-C into a request to stop after the step, so that state is saved."""

    def __init__(self) -> None:
        self.requested = False
        self._previous: dict[int, Any] = {}

    def __enter__(self) -> "_Interruption":
        for number in (signal.SIGTERM, signal.SIGINT):
            self._previous[number] = signal.signal(number, self._request)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _request(self, number: int, frame: FrameType | None) -> None:
        self.requested = True


class _Log:
    """Means of the scalars since the last line, as JSON lines; grids as PNG."""

    def __init__(
        self, folder: Path, trainer: Trainer, on_progress: Callable[[Progress], None], nimg: int
    ) -> None:
        self._folder, self._trainer, self._on_progress = folder, trainer, on_progress
        self._sums: dict[str, tuple[Tensor, int]] = {}
        self._scalars: dict[str, float] = {}
        self._mark = (time.perf_counter(), nimg)

    def add(self, scalars: dict[str, Tensor]) -> None:
        """Remember scalars on their device: reading them here would wait for it."""
        for name, value in scalars.items():
            total, count = self._sums.get(name, (torch.zeros_like(value), 0))
            self._sums[name] = (total + value.detach(), count + 1)

    def write(self, nimg: int) -> None:
        """Write one line, if anything happened since the last, and start new means.

        Raises:
            TrainingError: a mean is not finite.
        """
        if not self._sums:
            return
        now = time.perf_counter()
        rate = (nimg - self._mark[1]) / max(now - self._mark[0], 1e-9)
        scalars = {name: float(total) / count for name, (total, count) in self._sums.items()}
        self._sums, self._mark, self._scalars = {}, (now, nimg), scalars
        self._append({"nimg": nimg, "images_per_s": round(rate, 2), **scalars})
        for name, value in scalars.items():
            _require_finite(value, name, self._folder, nimg)
        self._on_progress(Progress(nimg, self._trainer.config.total_images, rate, scalars))

    def show(self, nimg: int) -> None:
        """Write the picture grid and the alarms."""
        self._trainer.grid().save(self._folder / "grids" / f"{nimg:09d}.png")
        alarms = self._trainer.alarms()
        if alarms:
            self._append({"nimg": nimg, "alarms": alarms})
        for sentence in alarms_of({**self._scalars, **alarms}):
            _log.warning("after %d images: %s", nimg, sentence)

    def _append(self, line: dict[str, Any]) -> None:
        with open(self._folder / "log.jsonl", "a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
