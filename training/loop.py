"""The training loop of all stages: step, log, image grid, save, resume, stop."""

import contextlib
import json
import math
import signal
from collections.abc import Callable, Mapping
from pathlib import Path
from types import FrameType
from typing import Any

from ..core.distributed import ALONE, Processes
from ..core.errors import ConfigError
from ..core.files import write_text
from .checkpointing import States, load_state
from .fingerprint import require_same_run
from .logger import TrainingLog, diverged
from .stages import Progress, Trainer

_FORMER_NAMES = {"projected_discriminator": "critic"}
"""Names that modules and optimizers have in older states."""


def run(
    trainer: Trainer,
    folder: Path,
    fingerprint: dict[str, Any],
    on_progress: Callable[[Progress], None],
    processes: Processes = ALONE,
    *,
    first: int = 0,
) -> int:
    """Train to the end, or until SIGTERM or Ctrl-C; resume the run in the folder.

    With several processes, all read the folder, and the main one writes to it. They stop after the
    same step.

    Args:
        trainer: the stage.
        folder: where states/, kept/, log.jsonl, tensorboard/, grids/ and the exports go.
        fingerprint: what must be equal for a resume to make sense, plain data for JSON.
        on_progress: called after each logging interval, in the main process.
        processes: the processes that train together.
        first: images already seen when the run starts.

    Returns:
        Images seen.

    Raises:
        ConfigError: the folder holds another run.
        TrainingError: a loss is not finite, or the disk is full.
    """
    states = States(folder)
    is_main = processes.is_main
    if is_main:
        states.prepare()
    processes.require_same(fingerprint, "recipe and inputs")
    nimg = _resume(trainer, states, fingerprint, first)
    processes.require_same(nimg, "state to resume from")
    processes.synchronise(trainer.modules.values())
    config = trainer.config
    saved = shown = None
    if is_main:  # a resumed run may be longer than before
        write_text(folder / "recipe.json", json.dumps(trainer.recipe.to_dict(), indent=2) + "\n")
    log = TrainingLog(trainer, states, on_progress, nimg, is_main=is_main)
    with contextlib.closing(log), _Interruption() as interruption:
        while nimg < config.total_images and not processes.any(interruption.requested):
            log.add(nimg, trainer.step(nimg))
            before, nimg = nimg, nimg + config.batch_size
            if _passed(before, nimg, config.log_every):
                log.write(nimg)
            is_kept = _passed(before, nimg, config.keep_every)
            if is_kept or _passed(before, nimg, config.save_every):
                log.write(nimg)
                _save(trainer, states, fingerprint, nimg, is_main=is_main)
                saved = nimg
                if is_kept and is_main:
                    states.keep(nimg)
            if _passed(before, nimg, config.grid_every):  # after saving: a grid may fail
                log.show(nimg)
                shown = nimg
        log.write(nimg)
        if saved != nimg:
            _save(trainer, states, fingerprint, nimg, is_main=is_main)
        if shown != nimg:
            log.show(nimg)
    return nimg


def _passed(before: int, now: int, every: int) -> bool:
    return every > 0 and before // every != now // every


def _save(
    trainer: Trainer, states: States, fingerprint: dict[str, Any], nimg: int, *, is_main: bool
) -> None:
    """Write state and export; if a weight is not finite, raise and leave the last good state."""
    for name, module in trainer.modules.items():
        for key, value in module.state_dict().items():
            total = float(value.sum())
            if not math.isfinite(total):
                raise diverged(f"{total} as the sum of {name}.{key} after {nimg} images", states)
    if not is_main:
        return
    state = {
        "nimg": nimg,
        "fingerprint": json.dumps(fingerprint, sort_keys=True),
        "modules": {name: module.state_dict() for name, module in trainer.modules.items()},
        "optimizers": {name: opt.state_dict() for name, opt in trainer.optimizers.items()},
    }
    states.save(nimg, state, trainer.config.keep_last)
    trainer.export(states.folder, nimg)


def _resume(trainer: Trainer, states: States, fingerprint: dict[str, Any], first: int) -> int:
    path = states.newest()
    if path is None:
        require_no_exports(states.folder)
        return first
    state = load_state(path)
    require_same_run(json.loads(state["fingerprint"]), fingerprint, states.folder)
    for name, module in trainer.modules.items():
        module.load_state_dict(_of(state["modules"], name))
    for name, optimizer in trainer.optimizers.items():
        optimizer.load_state_dict(_of(state["optimizers"], name))
    return state["nimg"]


def _of(saved: Mapping[str, dict[str, Any]], name: str) -> dict[str, Any]:
    return saved[name if name in saved else _FORMER_NAMES.get(name, name)]


def require_no_exports(folder: Path) -> None:
    """Raise ConfigError if a folder without states has checkpoints, which would be replaced."""
    exports = ", ".join(sorted(path.name for path in folder.glob("*.safetensors")))
    if exports:
        raise ConfigError(
            "a new folder, or one with a state to resume from",
            f"{folder} with {exports}, which would be replaced, and without a state",
            "Give another --out folder, or move the files away.",
        )


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
