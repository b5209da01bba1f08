"""The stages of training, and what the loop asks of each.

Everything that the rest of the code knows of a stage stands in its row of `STAGES`. A new stage is
a new row, and a module with its trainer. This module imports no torch: the command line reads it
before it parses its arguments.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol

from ..core.errors import DiverseInpaintingError

if TYPE_CHECKING:
    from pathlib import Path

    import torch
    from PIL import Image
    from torch import Tensor, nn

    from .config import Recipe, StageConfig


class TrainingError(DiverseInpaintingError, RuntimeError):
    """Training that cannot continue."""


class Trainer(Protocol):
    """What the loop needs from a stage.

    A stage that starts from a checkpoint also has `perceptual`, whose facts belong to what a
    resumed run must share, and `discriminator_since`, see `Restart`.
    """

    recipe: "Recipe"
    config: "StageConfig"
    device: "torch.device"
    modules: "dict[str, nn.Module]"
    """What is saved: trained networks and their moving averages."""
    optimizers: "dict[str, torch.optim.Optimizer]"

    def step(self, nimg: int) -> "dict[str, Tensor]":
        """Train on images nimg to nimg + batch_size - 1; return scalars for the log."""
        ...

    def grid(self) -> "Image.Image":
        """Return fixed-seed images that show the state of the training."""
        ...

    def diagnostics(self) -> dict[str, float]:
        """Return fixed-seed measures that reveal a failing run, by name; may be empty."""
        ...

    def export(self, folder: "Path", nimg: int) -> None:
        """Write the checkpoint that the next stage or the user loads."""
        ...


@dataclass(frozen=True)
class Progress:
    """What is displayed after each logging interval."""

    nimg: int
    total_images: int
    images_per_s: float
    scalars: dict[str, float]

    @property
    def seconds_left(self) -> float:
        """Time left at the present speed."""
        return (self.total_images - self.nimg) / max(self.images_per_s, 1e-9)


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One row of the table."""

    name: str
    """Also the name of its table in a recipe, of its folder in a run, and of its checkpoint."""
    trains: tuple[str, ...]
    """Parts that it makes as the recipe describes them; it trains the discriminator as well."""
    takes: tuple[str, ...]
    """Parts that it takes from a model, beside a discriminator. The prior takes them only
    on a restart."""
    previous: str | None
    """Stage whose checkpoint it starts from; None: it learns from photographs."""
    config: str
    """Dataclass of its table in a recipe, as module.Class."""
    trainer: str
    """Its trainer, as module.Class."""

    @property
    def config_type(self) -> "type[StageConfig]":
        """The dataclass of its table in a recipe."""
        return _load(self.config)

    @property
    def trainer_type(self) -> Any:  # noqa: ANN401 - trainers are made from different things
        """The class of its trainer."""
        return _load(self.trainer)

    @property
    def earlier(self) -> tuple[str, ...]:
        """Names of all stages before it, the first one first."""
        if self.previous is None:
            return ()
        return (*STAGES[self.previous].earlier, self.previous)


def _load(name: str) -> Any:  # noqa: ANN401 - any class
    module, _, attribute = name.partition(".")
    return getattr(import_module(f".{module}", __package__), attribute)


_TABLE = (
    Stage(
        name="prior",
        trains=("generator", "discriminator"),
        takes=("generator",),
        previous=None,
        config="config.PriorConfig",
        trainer="prior.PriorTrainer",
    ),
    Stage(
        name="stage1",
        trains=("encoder", "mixer"),
        takes=("generator",),
        previous="prior",
        config="config.CompletionConfig",
        trainer="stage1.Stage1Trainer",
    ),
    Stage(
        name="stage2",
        trains=("skip_encoder",),
        takes=("generator", "encoder", "mixer"),
        previous="stage1",
        config="config.CompletionConfig",
        trainer="stage2.Stage2Trainer",
    ),
)

STAGES: Mapping[str, Stage] = {stage.name: stage for stage in _TABLE}
"""All stages by name, in the order of training."""
