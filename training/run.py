"""Train one stage: read what it starts from, make its trainer, run the loop."""

import contextlib
import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from ..core.checkpoint import inspect_checkpoint, resolve_source
from ..core.distributed import ALONE, Processes
from ..core.errors import InputError
from ..core.files import explain_writing
from ..core.image_digests import joined, pack
from ..core.locks import LockedError, locked
from .config import Recipe, StageConfig
from .data import Photographs, Split, load_labels, load_photographs
from .fingerprint import fingerprint, hash_images
from .hardware import set_fast_arithmetic
from .init_from import Restart, hash_checkpoint, plan_restart, read_source
from .loop import run
from .stages import STAGES, Progress, Stage, Trainer

_LOCK = ".lock"


@dataclass(frozen=True, kw_only=True)
class TrainOptions:
    """What the user asks for."""

    stage: str
    """One of `STAGES`."""
    recipe: Recipe
    """Configuration."""
    out: Path
    """Folder of the run; the stage's own folder is created in it."""
    data: Path | None = None
    """Folder, zip or list of photographs. The prior learns from them; the other stages are measured
    on them, and learn from them if the recipe says so."""
    holdout: Path | None = None
    """Photographs that are held out, in place of those that the recipe chooses among `data`; where
    `data` has them, too, they are left out."""
    source: str | Path | None = None
    """Bundled name, file or hub id of the model that a stage starts from (a Path is always a file);
    None for the checkpoint of the previous stage in `out`."""
    restart_from: str | Path | None = None
    """Model, named in the same way, whose weights the stage continues with. Without a source, its
    generator and discriminator are used as well."""

    @property
    def config(self) -> StageConfig:
        """The stage's settings in the recipe."""
        return self.recipe.stage_config(self.stage)


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


def fit_recipe(options: TrainOptions) -> TrainOptions:
    """Return the options with a recipe that fits the generator, if it follows that and has one.

    Raises:
        CheckpointError: the checkpoint that the stage starts from is unusable.
    """
    path = _start(options)
    if not options.recipe.follows_generator or path is None:
        return options
    recipe = options.recipe.fitted_to(inspect_checkpoint(path).config)
    return dataclasses.replace(options, recipe=recipe)


def _start(options: TrainOptions) -> Path | None:
    """Return the file that a stage starts from; None if there is none, or for the prior."""
    if STAGES[options.stage].previous is None:
        return None
    usual = _usual_start(options)
    named = options.source or options.restart_from
    return resolve_source(named or usual) if named is not None or usual.is_file() else None


def _usual_start(options: TrainOptions) -> Path:
    """Return the file that the previous stage writes."""
    previous = STAGES[options.stage].previous
    return options.out / f"{previous}" / f"{previous}.safetensors"


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
    if options.data is None:
        raise InputError(
            f"photographs for {stage.name}",
            "none",
            "Give a folder or zip with --data.",
            problem=f"The stage {stage.name} needs photographs.",
        )
    recipe, restart = options.recipe, None
    if options.restart_from is not None:
        path = resolve_source(options.restart_from)
        restart = plan_restart(path, read_source(path, stage, recipe), stage, recipe)
    generator = recipe.model.generator
    names, images, split = load_photographs(options.data, generator.resolution, options.holdout)
    labels = load_labels(options.data, names, generator.num_classes)
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
    path = _start(options)
    if path is None:
        usual = _usual_start(options)
        raise InputError(
            f"the checkpoint of {stage.previous}",
            f"no file {usual}",
            f"Train {stage.previous} with the same --out first, or name a checkpoint with --from.",
            problem=f"The checkpoint of {stage.previous}, {usual}, does not exist.",
        )
    source = read_source(path, stage, recipe)
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
