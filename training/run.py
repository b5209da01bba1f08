"""Train one stage: read what it starts from, make its trainer, run the loop."""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from ..core.checkpoint import resolve_source
from ..core.distributed import ALONE, Processes
from ..core.errors import InputError
from ..core.files import explain_writing
from ..core.image_digests import joined, pack
from ..core.locks import LockedError, locked
from .data import Photographs, Split, load_labels, load_photographs
from .fingerprint import fingerprint, hash_images
from .hardware import set_fast_arithmetic
from .init_from import Restart, hash_checkpoint, plan_restart, read_source
from .loop import run
from .options import TrainOptions, fit_recipe, required_data, required_start
from .stages import STAGES, Progress, Stage, Trainer

_LOCK = ".lock"


@dataclass(frozen=True)
class TrainResult:
    """Where a training stopped."""

    nimg: int
    """Images seen."""
    total_images: int
    """Images that the recipe asks for."""
    exports: tuple[Path, ...]
    """Checkpoints that were written."""

    @property
    def is_complete(self) -> bool:
        """Whether all images of the recipe were seen."""
        return self.nimg >= self.total_images


def train(
    options: TrainOptions,
    device: torch.device,
    on_progress: Callable[[Progress], None],
    processes: Processes = ALONE,
) -> TrainResult:
    """Train one stage, or resume it if its folder holds a state; no two runs share a folder.

    Args:
        options: what to train.
        device: where.
        on_progress: see `loop.run`.
        processes: the processes that train together.

    Raises:
        DiverseInpaintingError: the recipe, data, checkpoint or folder is unusable, or a loss is not
            finite.
    """
    options = fit_recipe(options)
    stage, config = STAGES[options.stage], options.config
    options.recipe.require_parts(stage.trains)
    set_fast_arithmetic()
    folder = options.out / stage.name
    with _reserved(folder) if processes.is_main else contextlib.nullcontext():
        nimg = _train(options, folder, device, on_progress, processes)
    return TrainResult(nimg, config.total_images, tuple(sorted(folder.glob("*.safetensors"))))


def _train(
    options: TrainOptions,
    folder: Path,
    device: torch.device,
    on_progress: Callable[[Progress], None],
    processes: Processes,
) -> int:
    """Return the images seen."""
    stage = STAGES[options.stage]
    prepare = _from_photographs if stage.previous is None else _from_checkpoint
    trainer, restart, inputs = prepare(options, stage, device, processes)
    if restart is not None:
        restart.apply(trainer)
        inputs["restart"] = restart.fingerprint
    return run(
        trainer,
        folder,
        fingerprint(options.recipe, stage, device, inputs),
        on_progress,
        processes,
        first=0 if restart is None else restart.first,
    )


@contextlib.contextmanager
def _reserved(folder: Path) -> Iterator[None]:
    """Keep other runs out of a folder, which is created; if it stays empty, it is removed again."""
    created = [path for path in (folder, *folder.parents) if not path.exists()]
    with explain_writing(folder, "Choose another folder for the run."):
        folder.mkdir(parents=True, exist_ok=True)
    try:
        with locked(folder / _LOCK, wait=False):
            yield
    except LockedError as error:
        raise InputError(
            f"{folder} to be used by one run at a time",
            "another that is running",
            "Wait for it, or choose another folder.",
            problem=f"Another run is training in {folder}.",
        ) from error
    finally:
        with contextlib.suppress(OSError):
            for path in created:
                path.rmdir()


_Prepared = tuple[Trainer, Restart | None, dict[str, Any]]
"""A trainer, the weights that it continues with, and what a resumed run must share."""


def _from_photographs(
    options: TrainOptions, stage: Stage, device: torch.device, processes: Processes
) -> _Prepared:
    data = required_data(options)
    recipe, restart = options.recipe, None
    if options.restart_from is not None:
        path = resolve_source(options.restart_from)
        restart = plan_restart(path, read_source(path, stage, recipe), stage, recipe)
    generator = recipe.model.generator
    names, images, split = load_photographs(data, generator.resolution, options.holdout)
    labels = load_labels(data, names, generator.num_classes)
    photographs = Photographs(images, recipe.data, options.config.seed, labels, split)
    if restart is not None:
        photographs.trained = joined(photographs.trained, restart.checkpoint.trained_images)
    inputs: dict[str, Any] = {
        "photographs": hash_images(images.split(1), names),
        "labels": hash_images([labels]),
        # No schedule depends on the total, so a longer run may continue a shorter one.
        "total_images": None,
        **_held_out(split),
    }
    trainer = stage.trainer_type(recipe, photographs, device, processes)
    if restart is not None:
        trainer.discriminator_since = restart.first
    return trainer, restart, inputs


def _from_checkpoint(
    options: TrainOptions, stage: Stage, device: torch.device, processes: Processes
) -> _Prepared:
    recipe, restart = options.recipe, None
    source = read_source(required_start(options), stage, recipe)
    if options.restart_from is not None:
        restart = plan_restart(resolve_source(options.restart_from), source, stage, recipe)
        source = source.also_trained_on(restart.checkpoint.trained_images)
    photographs, held_out = None, {}
    if options.data is not None:
        resolution = recipe.model.generator.resolution
        _, images, split = load_photographs(options.data, resolution, options.holdout)
        photographs = Photographs(images, recipe.data, options.config.seed, split=split)
        held_out = _held_out(split)
    trainer = stage.trainer_type(recipe, source.checkpoint, photographs, device, processes)
    if restart is not None:
        trainer.discriminator_since = restart.discriminator_since
    perceptual = recipe.perceptual
    inputs: dict[str, Any] = {
        "checkpoint": hash_checkpoint(source.checkpoint),
        "perceptual": {
            **trainer.perceptual.facts,
            "weight": perceptual.weight,
            "calibration_pairs": perceptual.calibration_pairs,
        },
    }
    if photographs is not None and trainer.config.uses_photographs:
        inputs |= {"photographs": hash_images(photographs.training_blocks()), **held_out}
    return trainer, restart, inputs


def _held_out(split: Split) -> dict[str, str]:
    """Return the entry of held-out images in a fingerprint; none where the recipe chooses them."""
    return {} if split.apart is None else {"holdout": hash_images([], [pack(split.apart_digests)])}
