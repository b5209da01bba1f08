"""What a run trains, on what and for how long. `recipe_file.py` reads it from a file."""

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args, get_origin

from ..core.errors import ConfigError
from ..core.masks import KINDS
from ..core.networks import ModelConfig
from .augment import AUGMENTATIONS


def _is_a(value: object, kind: Any) -> bool:  # noqa: ANN401 - a field's type has no common base
    """Tell whether a value is what its field declares; all numbers are zero or more."""
    if get_origin(kind) is Literal:
        return value in get_args(kind)
    if get_origin(kind) is tuple:
        if not isinstance(value, tuple):
            return False
        first, last = get_args(kind)
        return (last is ... or len(value) == 2) and all(_is_a(item, first) for item in value)
    if kind in (int, float):
        numbers = int if kind is int else int | float
        return isinstance(value, numbers) and not isinstance(value, bool) and 0 <= value < math.inf
    return isinstance(value, kind)


def check_fields(config: Any) -> None:  # noqa: ANN401 - any dataclass of a recipe
    """Check that every field of a dataclass has its declared type; numbers are zero or more.

    Raises:
        ConfigError: one has another.
    """
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if not _is_a(value, field.type):
            is_number = field.type in (int, float)
            kind = field.type.__name__ if isinstance(field.type, type) else str(field.type)
            raise ConfigError(
                f"{field.name} of type {kind}" + (", zero or more" if is_number else ""),
                repr(value),
                "Correct the recipe.",
            )


def _check_positive(config: object, *names: str) -> None:
    for name in names:
        if getattr(config, name) == 0:
            raise ConfigError(f"a positive {name}", "0", "Correct the recipe.")


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    """Photographs for the prior, and for the checks of the other stages."""

    holdout_every: int = 0
    """Every n-th picture by name is kept for choosing checkpoints; 0 keeps none."""
    mirror: bool = True
    """Also show pictures mirrored left to right."""

    def __post_init__(self) -> None:
        check_fields(self)
        if self.holdout_every == 1:
            raise ConfigError(
                "holdout_every of 0 or at least 2", "1", "Leave some pictures to train on."
            )


@dataclass(frozen=True, kw_only=True)
class StageConfig:
    """What all three stages have in common."""

    total_images: int
    """Images that the stage trains for, real or generated."""
    batch_size: int
    """Images per iteration."""
    micro_batch: int = 0
    """Images per forward pass, a divisor of batch_size; 0 for the whole batch. The gradient is the
    mean over the micro-batches, which a CPU computes side by side."""
    seed: int = 0
    """Seed of the initialisation and of everything random."""
    betas: tuple[float, float]
    """Adam's decay rates."""
    r1_gamma: float
    """R1 weight gamma: gamma/2 |grad D(real)|^2."""
    r1_every: int
    """Iterations between two R1 terms, which are then as many times larger."""
    ema_half_life: int
    """Images after which a weight's share in the moving average has halved."""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """Of the feature maps; auto takes bfloat16 where the hardware multiplies it."""
    cuda_graphs: bool = True
    """Replay a step on a GPU as CUDA graphs, where one process trains. They keep the memory of the
    step, once for each course that it may take."""
    log_every: int = 1000
    """Images between two lines of the log."""
    grid_every: int = 10_000
    """Images between two picture grids."""
    save_every: int = 10_000
    """Images between two saved states."""
    keep_last: int = 2
    """Saved states that stay; older ones are removed."""
    keep_every: int = 0
    """Images between two states that are kept for good, with their exports; 0 keeps none."""

    def r1_weight(self, nimg: int) -> float:
        """Return the weight of |grad D|^2 in the step that begins at image nimg: mostly 0.

        Lazy: every r1_every-th step, so many times larger (arXiv:1912.04958, appendix B).
        """
        lazily = (nimg // self.batch_size) % self.r1_every == 0
        return self.r1_gamma / 2 * self.r1_every if lazily else 0.0

    def __post_init__(self) -> None:
        check_fields(self)
        _check_positive(self, "total_images", "batch_size", "r1_every", "ema_half_life")
        _check_positive(self, "log_every", "grid_every", "save_every", "keep_last")
        if max(self.betas) >= 1:
            raise ConfigError("betas below 1", repr(self.betas), "Correct the recipe.")
        if self.batch_size % (self.micro_batch or 1):
            raise ConfigError(
                f"a micro_batch that divides the batch_size of {self.batch_size}",
                repr(self.micro_batch),
                "Correct the recipe.",
            )


@dataclass(frozen=True, kw_only=True)
class PriorConfig(StageConfig):
    """StyleGAN2 on photographs (Karras et al. 2020, arXiv:1912.04958)."""

    betas: tuple[float, float] = (0.0, 0.99)
    learning_rate: float = 0.0025
    """Of G and D."""
    generator_ramp: int = 0
    """Images over which G's learning rate rises from zero, at the start and after a restart: its
    judges begin with guesses."""
    style_mixing: float = 0.9
    """Shard of samples with two latents, crossed at a random layer."""
    noise: bool = True
    """Add random noise to the feature maps, as StyleGAN2 does; without, its strengths stay zero."""
    augment: tuple[Literal[*AUGMENTATIONS], ...] = ("colour", "translation", "cutout")
    """Differentiable augmentations of what D sees, see augment.py."""
    features: Literal["none", "efficientnet-lite0"] = "none"
    """Network on whose features a second judge of G looks, see projected.py."""
    features_from: int = 0
    """Images that D judges alone before."""
    critic_learning_rate: float = 0.001
    """Of the second judge."""
    spread_weight: float = 0.0
    """Beside the second judge: of the term that keeps samples as different as photographs are."""


@dataclass(frozen=True, kw_only=True)
class CompletionConfig(StageConfig):
    """Objective of stages 1 and 2 (the paper, Eqs. 2-6 and Appendix B)."""

    betas: tuple[float, float] = (0.9, 0.99)
    learning_rate: float = 1e-4
    """Of the trained networks at the start."""
    mixer_lr_multiplier: float = 1.0
    """Stage 1: the learning rate of Mi over that of E; 0 leaves Mi as it begins. An encoder with
    equalised learning rates (kind `small`) bears 2.5e-3, at which Mi, which has none, forgets where
    it began."""
    discriminator_learning_rate: float = 1e-4
    """Of D at the start."""
    schedule: Literal["cosine", "halved"] = "cosine"
    """Of the learning rates: down to final_fraction at the end, or 1/2 every halve_every images."""
    final_fraction: float = 0.1
    """Cosine schedule: the last learning rate over the first."""
    halve_every: int = 400_000
    """Halved schedule: images between two halvings; the paper's 50,000 batches of 8."""
    pictures: Literal["generated", "photographs"] = "generated"
    """What is completed, and D's real input. Photographs (models 1 and 2 of Table 3) have no path
    (g): they are reconstructed on valid pixels only."""
    real_fraction: float = 0.0
    """Shard of path (r) for which L_rr compares a photograph in place of the generated picture: a
    remedy where photographs are reproduced far worse. D is not shown these."""
    masks: Literal[*KINDS] = "paper"
    """Sampler of the holes, see core/masks.py."""
    lambda_adversarial: float = 0.08
    """lambda_a of Eq. 6."""
    lambda_same: float = 1.0
    """lambda_r1 of Eq. 6: path (g), the code that made the picture."""
    lambda_other: float = 1.0
    """lambda_r2 of Eq. 6: path (r), another code."""
    pixel_weight: float = 1.0
    """Weight of the L2 term within Eqs. 2 and 3."""
    discriminator_warmup: int = 5000
    """Images for which D alone learns: it has to unlearn that G's pictures are fake."""
    adversarial_ramp: int = 5000
    """Images over which lambda_a then grows from zero."""

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_positive(self, "halve_every")
        most = 1 if self.pictures == "generated" else 0
        if self.real_fraction > most:
            raise ConfigError(
                f"a real_fraction of at most {most} for {self.pictures} pictures",
                repr(self.real_fraction),
                "Correct the recipe.",
            )

    @property
    def uses_photographs(self) -> bool:
        """Whether training sees photographs."""
        return self.pictures == "photographs" or self.real_fraction > 0


@dataclass(frozen=True, kw_only=True)
class PerceptualConfig:
    """The perceptual term of Eqs. 2 and 3, in both stages."""

    network: Literal["discriminator", "vgg16"] = "discriminator"
    """`vgg16`: as the paper; `discriminator`: the one a stage begins with, which needs no file."""
    weights: str = ""
    """vgg16: file with Caffe's weights, or "download", see vgg.py."""
    layers: tuple[str, ...] = ("relu4_3",)
    """vgg16: the layers j."""
    weight: float = 5e-5
    """vgg16: the coefficient of Appendix B. That of `discriminator` makes it count like pixels."""

    def __post_init__(self) -> None:
        check_fields(self)


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """A whole training: networks, data, three stages and the perceptual term of two."""

    name: str
    title: str
    license: str
    model: ModelConfig
    data: DataConfig
    prior: PriorConfig
    stage1: CompletionConfig
    stage2: CompletionConfig
    perceptual: PerceptualConfig = PerceptualConfig()

    def __post_init__(self) -> None:
        check_fields(self)
        if self.stage2.mixer_lr_multiplier != 1:
            raise ConfigError(
                "mixer_lr_multiplier in [stage1] alone",
                f"{self.stage2.mixer_lr_multiplier} in [stage2], where the mixer is frozen",
                "Take it out.",
            )

    def require_parts(self, parts: Sequence[str]) -> None:
        """Check that the recipe describes some networks.

        Raises:
            ConfigError: it leaves one out.
        """
        missing = [part for part in parts if getattr(self.model, part) is None]
        if missing:
            raise ConfigError(
                f"a [model] with {', '.join(parts)}",
                f"the recipe {self.name} without {', '.join(missing)}",
                "Add the tables, or name a preset that has them.",
            )

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        return dataclasses.asdict(self) | {"model": self.model.to_dict()}
