"""Going on elsewhere with weights alone: a model file in half precision, no optimiser, no state.

The count of images goes on where it was, and with it all that hangs on it: learning rates, the
half-life of the moving average, the order of the photographs. Adam begins anew, as it does where a
StyleGAN2 is trained on from a snapshot (Karras et al. 2020, arXiv:2006.06676). A discriminator that
has only judged photographs must unlearn that generated pictures are fake: its warm-up and the ramp
of the adversarial term are then counted from the restart.
"""

import dataclasses
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..core.checkpoint import Checkpoint, read_checkpoint
from ..core.errors import ConfigError
from .config import Recipe
from .growth import grow
from .init_from import Source, hash_checkpoint
from .trainer import Trainer

_log = logging.getLogger(__name__)

TRAINED = {
    "prior": ("generator", "discriminator"),
    "stage1": ("encoder", "mixer"),
    "stage2": ("skip_encoder",),
}
"""The parts that a stage makes as the recipe says; the others come from its source, if at all."""


@dataclass(frozen=True, eq=False)
class Restart:
    """Where a stage goes on from."""

    stage: str
    learned: Checkpoint
    """The parts that the stage trains."""
    first: int = 0
    """Images that they have seen in this stage."""
    discriminator_since: int = 0
    """Image at which the discriminator began to judge completions."""

    def apply(self, trainer: Trainer) -> None:
        """Give the networks, and their moving averages, the weights."""
        for part in TRAINED[self.stage]:
            names = [name for name in (part, f"{part}_ema") if name in trainer.modules]
            first, *averages = (trainer.modules[name] for name in names)
            state = self.learned.state_dict_of(part)
            if self._is_smaller(trainer.recipe):
                grow(first, state, self.learned.config.generator.resolution)
            else:
                first.load_state_dict(state)
            for average in averages:
                average.load_state_dict(first.state_dict())

    def _is_smaller(self, recipe: Recipe) -> bool:
        return self.learned.config.generator.resolution < recipe.model.generator.resolution

    @property
    def fingerprint(self) -> dict[str, Any]:
        """What a resumed run must share."""
        return {
            "first": self.first,
            "judge_since": self.discriminator_since,
            "weights": hash_checkpoint(self.learned),
        }


def plan_restart(path: Path, source: Source, stage: str, recipe: Recipe) -> Restart:
    """Return how a stage goes on from a file.

    Args:
        path: the model with the parts that the stage trains.
        source: what the stage takes over, perhaps of another file.
        stage: prior, stage1 or stage2.
        recipe: configuration.

    Raises:
        CheckpointError: the file is unusable or lacks a part.
        ConfigError: a part is not as the recipe has it, or has seen all images already.
    """
    parts = TRAINED[stage]
    learned = source.checkpoint if stage == "prior" else read_checkpoint(path, parts)
    for part in parts:
        _check_part(part, recipe, learned, path)
    first = learned.training.get("images", {}).get(stage, 0)
    total = getattr(recipe, stage).total_images
    if first >= total:
        raise ConfigError(
            f"{stage}.total_images above the {first} images that {path} has seen in this stage",
            f"{total}",
            f"Raise it, for example with --set {stage}.total_images={2 * first}.",
        )
    if learned.generator_id != source.checkpoint.generator_id:
        _log.warning("%s was trained for another generator; it goes on with this one", path)
    is_judge_new = stage != "prior" and not source.is_judge_trained
    if is_judge_new:
        _log.warning("the discriminator has judged photographs only: its warm-up begins anew")
    return Restart(stage, learned, first, first if is_judge_new else 0)


def _check_part(part: str, recipe: Recipe, learned: Checkpoint, path: Path) -> None:
    wanted, given = (dataclasses.asdict(getattr(m, part)) for m in (recipe.model, learned.config))
    may_grow = part in TRAINED["prior"] and given["resolution"] < wanted["resolution"]
    differing = [
        name
        for name in wanted
        if wanted[name] != given.get(name) and not (may_grow and name == "resolution")
    ]
    if differing:
        names = ", ".join(f"{name} {wanted[name]}" for name in differing)
        found = ", ".join(f"{name} {given.get(name)}" for name in differing)
        raise ConfigError(
            f"the {part} of the recipe {recipe.name}, with {names}",
            f"one with {found} in {path}",
            "Choose the recipe that the file was trained with.",
        )
