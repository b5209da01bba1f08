"""The loop that all stages share: step, log, picture grid, save, resume, stop."""

import contextlib
import json
import math
import signal
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

from ..core.distributed import ALONE, Processes
from ..core.errors import ConfigError
from ..core.files import write_text
from .checkpointing import States, load_state
from .logger import Journal, Watch, diverged
from .trainer import Progress, Trainer


def run(
    trainer: Trainer,
    folder: Path,
    fingerprint: dict[str, Any],
    on_progress: Callable[[Progress], None],
    processes: Processes = ALONE,
    *,
    first: int = 0,
) -> int:
    """Train to the end, or until SIGTERM or Ctrl-C; resume what the folder holds.

    Of several processes all read the folder, and the main one writes to it. They end after the same
    step.

    Args:
        trainer: the stage.
        folder: where states/, kept/, log.jsonl, tensorboard/, grids/ and the exports go.
        fingerprint: what must be equal for a resume to make sense, plain data for JSON.
        on_progress: called after each logging interval, in the main process.
        processes: which train together.
        first: images seen before a run that the folder does not hold yet.

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
    processes.require_same(nimg, "state to go on from")
    processes.synchronise(trainer.modules.values())
    config = trainer.config
    saved = shown = None
    if is_main:
        _write_recipe(trainer, folder)
    watch = Journal(trainer, states, on_progress, nimg) if is_main else Watch(trainer, states)
    with contextlib.closing(watch), _Interruption() as interruption:
        while nimg < config.total_images and not processes.any(interruption.requested):
            watch.add(nimg, trainer.step(nimg))
            before, nimg = nimg, nimg + config.batch_size
            if _passed(before, nimg, config.log_every):
                watch.write(nimg)
            is_kept = _passed(before, nimg, config.keep_every)
            if is_kept or _passed(before, nimg, config.save_every):
                watch.write(nimg)
                _save(trainer, states, fingerprint, nimg, is_kept=is_kept, is_main=is_main)
                saved = nimg
            if _passed(before, nimg, config.grid_every):  # once what was learned is safe
                watch.show(nimg)
                shown = nimg
        watch.write(nimg)
        if saved != nimg:
            _save(trainer, states, fingerprint, nimg, is_kept=False, is_main=is_main)
        if shown != nimg:
            watch.show(nimg)
    return nimg


def _passed(before: int, now: int, every: int) -> bool:
    return every > 0 and before // every != now // every


def _write_recipe(trainer: Trainer, folder: Path) -> None:
    """Say what the run follows from here on; a longer one may go on where a shorter one ended."""
    write_text(folder / "recipe.json", json.dumps(trainer.recipe.to_dict(), indent=2) + "\n")


def _save(
    trainer: Trainer,
    states: States,
    fingerprint: dict[str, Any],
    nimg: int,
    *,
    is_kept: bool,
    is_main: bool,
) -> None:
    """Write state and export, unless a weight is not finite: the last good state stays."""
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
    if is_kept:
        states.keep(nimg)


def _resume(trainer: Trainer, states: States, fingerprint: dict[str, Any], first: int) -> int:
    path = states.newest()
    if path is None:
        _require_no_exports(states.folder)
        return first
    state = load_state(path)
    _require_same_run(json.loads(state["fingerprint"]), fingerprint, states.folder)
    for name, module in trainer.modules.items():
        module.load_state_dict(state["modules"][name])
    for name, optimizer in trainer.optimizers.items():
        optimizer.load_state_dict(state["optimizers"][name])
    return state["nimg"]


def _require_no_exports(folder: Path) -> None:
    exports = ", ".join(sorted(path.name for path in folder.glob("*.safetensors")))
    if exports:
        raise ConfigError(
            "a new folder, or one with a state to go on from",
            f"{folder} with {exports}, which would be replaced, and without a state",
            "Give another --out folder, or move the files away.",
        )


def _require_same_run(begun: dict[str, Any], present: dict[str, Any], folder: Path) -> None:
    present = json.loads(json.dumps(present))  # tuples become lists, as in what was saved
    names = sorted(begun.keys() | present.keys())
    differing = [name for name in names if begun.get(name) != present.get(name)]
    if differing:
        raise ConfigError(
            "the recipe and inputs that this folder was begun with",
            f"another {', another '.join(differing)} for {folder}",
            "Give another --out folder, or the original recipe and inputs.",
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
