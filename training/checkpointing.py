"""What a run writes: states to resume from, and checkpoints for the next stage and for users.

Every file is written completely or not at all.
"""

import dataclasses
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..core.checkpoint import Checkpoint, generator_id_of, write_checkpoint
from ..core.errors import CheckpointError
from ..core.files import atomic_write, draft_of, find_drafts, publish
from ..core.image_digests import joined
from ..core.networks import DiverseInpaintingModel, ModelConfig
from .config import Recipe
from .stages import Stage, TrainingError

_STATE = ".pt"


class States:
    """The saved states of one stage: `states/<images seen>.pt`, and `kept/<images seen>/` for good.

    Nothing else may write to the folder meanwhile.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def prepare(self) -> None:
        """Create the folders, and remove incomplete files of a killed process."""
        for name in ("states", "kept", "."):
            folder = self.folder / name
            folder.mkdir(parents=True, exist_ok=True)
            for draft in find_drafts(folder):
                shutil.rmtree(draft) if draft.is_dir() else draft.unlink()

    def paths(self) -> list[Path]:
        """Return the states, oldest first."""
        found = (self.folder / "states").glob(f"*{_STATE}")
        named = (path for path in found if path.stem.isdigit())
        return sorted(named, key=lambda path: int(path.stem))

    def newest(self) -> Path | None:
        """Return the state that a run resumes from."""
        return next(reversed(self.paths()), None)

    def describe(self) -> str:
        """Return a sentence about the state that a run would resume from."""
        path = self.newest()
        if path is None:
            return "No state had been saved yet."
        return f"{path} is the last good state, after {int(path.stem)} images."

    def save(self, nimg: int, state: dict[str, Any], keep_last: int) -> None:
        """Write a state, then remove all but the newest keep_last.

        Raises:
            TrainingError: the disk refuses; earlier states are unchanged.
        """
        save_state(self.folder / "states" / f"{nimg:09d}{_STATE}", state, self.describe())
        for path in self.paths()[:-keep_last]:
            path.unlink()

    def keep(self, nimg: int) -> None:
        """Keep the state of nimg images for good, with the stage's exports.

        The copies are hard links where the file system has them.
        """
        target = self.folder / "kept" / f"{nimg:09d}"
        draft = draft_of(target)
        draft.mkdir()
        state = self.folder / "states" / f"{nimg:09d}{_STATE}"
        for path in (state, *self.folder.glob("*.safetensors")):
            try:
                os.link(path, draft / path.name)
            except OSError:
                shutil.copy2(path, draft / path.name)
        if target.exists():
            shutil.rmtree(target)
        publish(draft, target)


def save_state(path: Path, state: dict[str, Any], fallback: str = "") -> None:
    """Write a state; a crash leaves the previous file unchanged.

    Raises:
        TrainingError: the disk refuses; fallback is a sentence about what to resume from.
    """
    try:
        atomic_write(path, lambda file: torch.save(state, file))
    except (OSError, RuntimeError) as error:
        # torch raises its own error while it handles that of the disk.
        cause = error if isinstance(error, OSError) else error.__context__
        if not isinstance(cause, OSError):
            raise
        raise TrainingError(
            "to write the training state",
            f"{cause.strerror or cause} ({path})",
            f"Free some space and rerun the same command. {fallback}".strip(),
        ) from error


def load_state(path: Path) -> dict[str, Any]:
    """Read a state; accepts only tensors and plain data and runs no code.

    Raises:
        CheckpointError: the file is damaged or not a state.
    """
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise CheckpointError(
            "a training state of this project",
            f"{path}, which cannot be read ({type(error).__name__})",
            "Remove it to resume from the state before it, if there is one, or restore a copy.",
        ) from error


def write_prior(
    folder: Path,
    recipe: Recipe,
    model: DiverseInpaintingModel,
    nimg: int,
    trained_images: frozenset[bytes] | None,
) -> None:
    """Write prior.safetensors, and discriminator.safetensors: D alone in half precision.

    A finished model has no D; with this small file beside it, anybody can train it further.
    """
    tensors = _tensors(model)
    whole = Checkpoint(
        config=ModelConfig(
            generator=recipe.model.generator, discriminator=recipe.model.discriminator
        ),
        tensors=tensors,
        generator_id=generator_id_of(tensors),
        training={"stage": "prior", "images": {"prior": nimg}, "recipe": {"prior": recipe.name}},
        license=recipe.license,
        title=recipe.title,
        trained_images=trained_images,
    )
    write_checkpoint(folder / "prior.safetensors", whole)
    alone = {name: value for name, value in tensors.items() if name.startswith("discriminator.")}
    write_checkpoint(
        folder / "discriminator.safetensors",
        dataclasses.replace(whole, tensors=alone),
        dtype=torch.float16,
    )


def write_stage(
    path: Path,
    recipe: Recipe,
    source: Checkpoint,
    model: DiverseInpaintingModel,
    stage: Stage,
    facts: Mapping[str, Any],
    trained_images: frozenset[bytes] | None = None,
) -> None:
    """Write the checkpoint of stage 1 or 2.

    Args:
        path: file to write.
        recipe: describes the networks that the stage trains.
        source: what the stage started from.
        model: all networks.
        stage: the stage that writes.
        facts: what is known of this stage's training; the source's facts about earlier stages are
            kept beside it, those about later ones are dropped.
        trained_images: of this stage, if it learns from photographs; they join the source's.
    """
    training = {**source.training, "stage": stage.name}
    for name, value in facts.items():
        known = source.training.get(name)
        before = known if isinstance(known, dict) else {}
        training[name] = {s: before[s] for s in stage.earlier if s in before} | {stage.name: value}
    parts = {part: getattr(recipe.model, part) for part in stage.trains}
    write_checkpoint(
        path,
        dataclasses.replace(
            source,
            config=dataclasses.replace(source.config, **parts),
            tensors=_tensors(model),
            training=training,
            # Those of the data that the generator learned from, whatever the recipe says.
            license=source.license or recipe.license,
            title=source.title or recipe.title,
            trained_images=joined(source.trained_images, trained_images),
        ),
    )


def _tensors(model: DiverseInpaintingModel) -> dict[str, Tensor]:
    return {name: value.cpu().contiguous() for name, value in model.state_dict().items()}
