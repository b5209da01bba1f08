"""Training from the command line: what each stage reads, and what a resumed run must share."""

import dataclasses
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..core.checkpoint import Checkpoint, inspect_checkpoint, read_checkpoint, resolve_source
from ..core.errors import CheckpointError, ConfigError
from .config import Recipe
from .data import Photographs, load_pictures
from .hardware import set_fast_arithmetic
from .loop import Progress, Trainer, run
from .prior import PriorTrainer
from .stage1 import Stage1Trainer
from .stage2 import Stage2Trainer

BUNDLED_DISCRIMINATOR = Path(__file__).parent / "state" / "discriminator.safetensors"
"""D of the bundled model's prior, which the model file leaves out."""

OnProgress = Callable[[Progress], None]

# What can change between two parts of a run without changing its result.
_INTERVALS = ("log_every", "grid_every", "save_every")

# The parts that a stage takes from the recipe; the others come from its checkpoint, if at all.
_TRAINED = {
    "prior": ("generator", "discriminator"),
    "stage1": ("encoder", "mixer"),
    "stage2": ("skip_encoder",),
}


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


def train_prior(
    recipe: Recipe, data: Path, out: Path, device: torch.device, on_progress: OnProgress
) -> Finished:
    """Train generator and discriminator on photographs, or go on with what `out` holds.

    Args:
        recipe: configuration.
        data: folder or zip of photographs.
        out: folder of the run; the stage's own folder is made in it.
        device: where to train.
        on_progress: see `loop.run`.

    Raises:
        DiverseInpaintingError: unusable recipe, data, folder or losses.
    """
    names, pictures = load_pictures(data, recipe.model.generator.resolution)
    photographs = Photographs(pictures, recipe.data, recipe.prior.seed)
    # No schedule depends on the total, so a longer run may go on where a shorter one ended.
    inputs = {"pictures": _hash_pictures(names, pictures), "total_images": None}
    trainer = PriorTrainer(recipe, photographs, device)
    return _train(trainer, recipe, "prior", inputs, out, on_progress)


def train_stage1(
    recipe: Recipe,
    prior: str | Path,
    data: Path | None,
    out: Path,
    device: torch.device,
    on_progress: OnProgress,
) -> Finished:
    """Train encoder and mixer on pictures that the prior makes.

    Args:
        recipe: configuration.
        prior: bundled name, file or hub id of a model with generator and discriminator; a Path
            is always a file.
        data: photographs for the alarm of a domain gap only, or None.
        out: folder of the run; the stage's own folder is made in it.
        device: where to train.
        on_progress: see `loop.run`.

    Raises:
        DiverseInpaintingError: unusable recipe, checkpoint, folder or losses.
    """
    checkpoint = _read_prior(resolve_source(prior))
    _check_fit(recipe, checkpoint)
    trainer = Stage1Trainer(recipe, checkpoint, _held_out(recipe, data), device)
    inputs = {"checkpoint": _hash_checkpoint(checkpoint)}
    return _train(trainer, recipe, "stage1", inputs, out, on_progress)


def train_stage2(
    recipe: Recipe,
    stage1: str | Path,
    data: Path | None,
    out: Path,
    device: torch.device,
    on_progress: OnProgress,
) -> Finished:
    """Train the skip encoder on completions of stage 1; arguments as for `train_stage1`."""
    path = resolve_source(stage1)
    parts = ("generator", "discriminator", "encoder", "mixer")
    checkpoint = read_checkpoint(path, parts)
    _check_fit(recipe, checkpoint)
    trainer = Stage2Trainer(recipe, checkpoint, _held_out(recipe, data), device)
    inputs = {"checkpoint": _hash_checkpoint(checkpoint)}
    return _train(trainer, recipe, "stage2", inputs, out, on_progress)


def _train(
    trainer: Trainer,
    recipe: Recipe,
    stage: str,
    inputs: dict[str, Any],
    out: Path,
    on_progress: OnProgress,
) -> Finished:
    set_fast_arithmetic()
    folder = out / stage
    folder.mkdir(parents=True, exist_ok=True)
    settings = folder / "recipe.json"
    if not settings.exists():
        settings.write_text(json.dumps(recipe.to_dict(), indent=2) + "\n", encoding="utf-8")
    nimg = run(trainer, folder, _fingerprint(recipe, stage, inputs), on_progress)
    exports = tuple(sorted(folder.glob("*.safetensors")))
    return Finished(nimg, trainer.config.total_images, exports)


def _fingerprint(recipe: Recipe, stage: str, inputs: dict[str, Any]) -> dict[str, Any]:
    """Return what must be equal for a resume to continue the same run."""
    config = dataclasses.asdict(getattr(recipe, stage))
    kept = {name: value for name, value in config.items() if name not in _INTERVALS}
    model = recipe.model.to_dict()
    return {
        "stage": stage,
        "model": {part: model.get(part) for part in _TRAINED[stage]},
        "data": dataclasses.asdict(recipe.data),
        **kept,
        **inputs,
    }


def _hash_pictures(names: list[str], pictures: Tensor) -> str:
    digest = hashlib.sha256("\n".join(names).encode())
    digest.update(pictures.numpy().tobytes())
    return digest.hexdigest()


def _hash_checkpoint(checkpoint: Checkpoint) -> str:
    digest = hashlib.sha256(checkpoint.generator_id.encode())
    for name in sorted(checkpoint.tensors):
        digest.update(name.encode())
        digest.update(checkpoint.tensors[name].contiguous().numpy().tobytes())
    return digest.hexdigest()


def _read_prior(path: Path) -> Checkpoint:
    """Return generator and discriminator; the bundled model's D lies in a file of its own."""
    header = inspect_checkpoint(path)
    if "discriminator" in header.parts:
        return read_checkpoint(path, ("generator", "discriminator"))
    if BUNDLED_DISCRIMINATOR.is_file():
        beside = read_checkpoint(BUNDLED_DISCRIMINATOR, ("discriminator",))
        if beside.generator_id == header.generator_id:
            generator = read_checkpoint(path, ("generator",))
            config = dataclasses.replace(
                generator.config, discriminator=beside.config.discriminator
            )
            tensors = {**generator.tensors, **beside.tensors}
            return dataclasses.replace(generator, config=config, tensors=tensors)
    raise CheckpointError(
        "a model with generator and discriminator",
        f"{path}, which holds {', '.join(header.parts)}",
        "Give the file that `train prior` wrote.",
    )


def _check_fit(recipe: Recipe, checkpoint: Checkpoint) -> None:
    wanted, given = recipe.model.generator, checkpoint.config.generator
    if (wanted.resolution, wanted.w_dim) != (given.resolution, given.w_dim):
        raise ConfigError(
            f"a generator as the recipe {recipe.name} has it, of {wanted.resolution} pixels with "
            f"codes {wanted.w_dim} wide",
            f"one of {given.resolution} pixels with codes {given.w_dim} wide",
            "Choose the recipe that the prior was trained with.",
        )


def _held_out(recipe: Recipe, data: Path | None) -> Tensor | None:
    """Return photographs that the prior has not seen, where the recipe keeps some."""
    if data is None:
        return None
    _, pictures = load_pictures(data, recipe.model.generator.resolution)
    photographs = Photographs(pictures, recipe.data, recipe.prior.seed)
    return photographs.held_out if len(photographs.held_out) else photographs.training
