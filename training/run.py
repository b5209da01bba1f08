"""Training from the command line: what each stage reads, and what a resumed run must share."""

import dataclasses
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..core.checkpoint import resolve_source
from ..core.dataset import load_images
from ..core.distributed import ALONE, Processes
from ..core.errors import InputError
from .config import Recipe, StageConfig
from .data import Photographs
from .hardware import feature_dtype, set_fast_arithmetic
from .init_from import hash_checkpoint, read_source
from .labels import load_labels
from .loop import run
from .prior import PriorTrainer
from .restart import TRAINED, Restart, plan_restart
from .stage1 import Stage1Trainer
from .stage2 import Stage2Trainer
from .trainer import Progress, Trainer

# What can change between two parts of a run without changing its result.
_FREE = ("cuda_graphs", "log_every", "grid_every", "save_every", "keep_last", "keep_every")

_VERSION = 2
"""Raised where the same recipe begins to train in another way: 2, `translation` mirrors."""

_COMPLETIONS = {"stage1": Stage1Trainer, "stage2": Stage2Trainer}
_BEFORE = {"stage1": "prior", "stage2": "stage1"}


@dataclass(frozen=True, kw_only=True)
class Order:
    """One training as the user asks for it."""

    stage: str
    """prior, stage1 or stage2."""
    recipe: Recipe
    """Configuration."""
    out: Path
    """Folder of the run; the stage's own folder is made in it."""
    data: Path | None = None
    """Folder or zip of photographs; the prior learns from them; the stages, if the recipe
    says so, and they measure on them."""
    source: str | Path | None = None
    """Bundled name, file or hub id of the model that a stage begins with (a Path is always a
    file); None for what the stage before wrote in the run's folder."""
    restart_from: str | Path | None = None
    """Model, named in the same way, whose weights the stage goes on with; its generator and
    discriminator serve where no source is given."""

    @property
    def config(self) -> StageConfig:
        """The stage's table of the recipe."""
        return getattr(self.recipe, self.stage)


@dataclass(frozen=True)
class Finished:
    """Where a training stopped."""

    nimg: int
    """Images seen."""
    total_images: int
    """Images that the recipe asks for."""
    exports: tuple[Path, ...]
    """Checkpoints that were written."""

    @property
    def is_complete(self) -> bool:
        """Whether the recipe was followed to its end."""
        return self.nimg >= self.total_images


def train(
    order: Order,
    device: torch.device,
    on_progress: Callable[[Progress], None],
    processes: Processes = ALONE,
) -> Finished:
    """Train one stage, or go on with what its folder holds.

    Args:
        order: what to train.
        device: where.
        on_progress: see `loop.run`.
        processes: which train together.

    Raises:
        DiverseInpaintingError: unusable recipe, data, checkpoint, folder or losses.
    """
    order.recipe.require_parts(TRAINED[order.stage])
    set_fast_arithmetic()
    make = _prior if order.stage == "prior" else _completion
    trainer, restart, inputs = make(order, device, processes)
    if restart is not None:
        restart.apply(trainer)
        inputs["restart"] = restart.fingerprint
    folder = order.out / order.stage
    first = 0 if restart is None else restart.first
    fingerprint = _fingerprint(order, device, inputs)
    nimg = run(trainer, folder, fingerprint, on_progress, processes, first=first)
    exports = tuple(sorted(folder.glob("*.safetensors")))
    return Finished(nimg, order.config.total_images, exports)


_Prepared = tuple[Trainer, Restart | None, dict[str, Any]]
"""A stage, where it goes on from, and what a resumed run must share."""


def _prior(order: Order, device: torch.device, processes: Processes) -> _Prepared:
    if order.data is None:
        raise InputError("photographs for the prior", "none", "Give a folder or zip with --data.")
    recipe = order.recipe
    restart = None
    if order.restart_from is not None:
        path = resolve_source(order.restart_from)
        restart = plan_restart(path, read_source(path, "prior", recipe), "prior", recipe)
    generator = recipe.model.generator
    names, pictures = load_images(order.data, generator.resolution)
    labels = load_labels(order.data, names, generator.num_classes)
    photographs = Photographs(pictures, recipe.data, recipe.prior.seed, labels)
    inputs = {
        "pictures": _hash_pictures(names, pictures),
        "labels": _hash_pictures([], labels),
        # No schedule depends on the total, so a longer run may go on where a shorter one ended.
        "total_images": None,
    }
    trainer = PriorTrainer(recipe, photographs, device, processes)
    if restart is not None:
        trainer.discriminator_since = restart.first
    return trainer, restart, inputs


def _completion(order: Order, device: torch.device, processes: Processes) -> _Prepared:
    stage, recipe, before = order.stage, order.recipe, _BEFORE[order.stage]
    usual = order.out / before / f"{before}.safetensors"
    source = read_source(resolve_source(order.source or order.restart_from or usual), stage, recipe)
    restart = None
    if order.restart_from is not None:
        restart = plan_restart(resolve_source(order.restart_from), source, stage, recipe)
    photographs = _photographs(recipe, stage, order.data)
    trainer = _COMPLETIONS[stage](recipe, source.checkpoint, photographs, device, processes)
    if restart is not None:
        trainer.discriminator_since = restart.discriminator_since
    inputs = {
        "checkpoint": hash_checkpoint(source.checkpoint),
        "perceptual": trainer.perceptual.facts | {"weight": recipe.perceptual.weight},
    }
    if photographs is not None and trainer.config.uses_photographs:
        inputs["pictures"] = _hash_pictures([], photographs.training.cpu())
    return trainer, restart, inputs


def _fingerprint(order: Order, device: torch.device, inputs: dict[str, Any]) -> dict[str, Any]:
    """Return what must be equal for a resume to continue the same run."""
    config = dataclasses.asdict(order.config)
    model = order.recipe.model.to_dict()
    return {
        "version of the training code": _VERSION,
        "stage": order.stage,
        "model": {part: model.get(part) for part in TRAINED[order.stage]},
        "data": dataclasses.asdict(order.recipe.data),
        **{name: value for name, value in config.items() if name not in _FREE},
        "device": device.type,
        "precision": str(feature_dtype(order.config.precision, device)),
        **inputs,
    }


def _hash_pictures(names: list[str], pictures: Tensor) -> str:
    digest = hashlib.sha256("\n".join(names).encode())
    digest.update(pictures.numpy().tobytes())
    return digest.hexdigest()


def _photographs(recipe: Recipe, stage: str, data: Path | None) -> Photographs | None:
    if data is None:
        return None
    _, pictures = load_images(data, recipe.model.generator.resolution)
    return Photographs(pictures, recipe.data, getattr(recipe, stage).seed)
