"""What the loop asks of a stage, and what it tells about it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch
from PIL import Image
from torch import Tensor, nn

from ..core.errors import DiverseInpaintingError
from .config import Recipe, StageConfig


class TrainingError(DiverseInpaintingError, RuntimeError):
    """Training that cannot go on."""


class Trainer(Protocol):
    """One stage: everything that is particular to it."""

    recipe: Recipe
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
