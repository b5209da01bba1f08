"""What a run trains, on what and for how long. `recipe_file.py` reads it from a file."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from ..core.config_fields import check_fields, require_choices, require_positive
from ..core.errors import ConfigError
from ..core.masks import KINDS
from ..core.networks import ModelConfig
from .augment import AUGMENTATIONS
from .stages import STAGES

_MAX_SEED = 2**64 - 1

RENAMED = {
    "lambda_same": "lambda_r1",
    "lambda_other": "lambda_r2",
    "lambda_adversarial": "lambda_a",
    "pictures": "train_on",
    "features": "projected_network",
    "features_from": "projected_from",
    "critic_learning_rate": "projected_learning_rate",
    "spread_weight": "diversity_weight",
    "generator_ramp": "generator_warmup",
}
"""Former names of a stage's settings, which recipes, --set and saved states may still use."""


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    """Photographs: the prior learns from them, the other stages are measured on them."""

    holdout_every: int = 0
    """Every n-th image by name is held out, for choosing checkpoints; 0 holds none out."""
    mirror: bool = True
    """Also show images mirrored left to right."""
    holdout_last: int = 0
    """The last n images by name are held out as well."""

    def __post_init__(self) -> None:
        check_fields(self)
        if self.holdout_every == 1:
            raise ConfigError(
                "holdout_every of 0 or at least 2", "1", "Leave some images to train on."
            )


@dataclass(frozen=True, kw_only=True)
class StageConfig:
    """What all stages have in common."""

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
    """Adam's decay rates, below 1."""
    r1_gamma: float
    """R1 weight gamma: gamma/2 |grad D(real)|^2."""
    r1_every: int
    """Iterations between two R1 terms, which are then as many times larger."""
    ema_half_life: int
    """Images after which a weight's contribution to the moving average has halved."""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """Of the feature maps; auto takes bfloat16 where the hardware supports it natively."""
    cuda_graphs: bool = True
    """Replay steps on a GPU as CUDA graphs, where a single process trains. Each variant of a step
    has a graph, which keeps that step's memory."""
    log_every: int = 1000
    """Images between two lines of the log."""
    grid_every: int = 10_000
    """Images between two image grids."""
    save_every: int = 10_000
    """Images between two saved states."""
    keep_last: int = 2
    """Number of saved states that are kept; older ones are removed."""
    keep_every: int = 0
    """Images between two states that are kept for good, with their exports; 0 keeps none."""

    def r1_weight(self, nimg: int) -> float:
        """Return the weight of |grad D|^2 in the step that begins at image nimg, often 0.

        Lazy: every r1_every steps, scaled by r1_every (arXiv:1912.04958, appendix B).
        """
        is_due = (nimg // self.batch_size) % self.r1_every == 0
        return self.r1_gamma / 2 * self.r1_every if is_due else 0.0

    def __post_init__(self) -> None:
        check_fields(self)
        require_positive(self, "total_images", "batch_size", "r1_every", "ema_half_life")
        require_positive(self, "log_every", "grid_every", "save_every", "keep_last")
        if self.seed > _MAX_SEED:
            raise ConfigError(f"a seed of at most {_MAX_SEED}", repr(self.seed), "Choose another.")
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
    generator_warmup: int = 0
    """Images over which G's learning rate rises from zero, at the start and after a restart: new
    discriminators have not learned anything yet."""
    style_mixing: float = 0.9
    """Fraction of samples with two latents, crossed at a random layer."""
    path_length_weight: float = 0.0
    """Weight of the path length penalty, see path_length.py; StyleGAN2's is 2."""
    path_length_every: int = 4
    """Iterations between two of these terms, which are then as many times larger."""
    noise: bool = True
    """Add random noise to the feature maps, as StyleGAN2 does; without it, its strengths stay 0."""
    augment: tuple[str, ...] = ("colour", "translation", "cutout")
    """Differentiable augmentations of what D sees, see augment.py."""
    projected_network: Literal["none", "efficientnet-lite0"] = "none"
    """Pretrained network whose features the projected discriminator sees (arXiv:2111.01007), see
    projected_gan.py; `none`: no projected discriminator."""
    projected_from: int = 0
    """Images for which D trains G alone before the projected discriminator joins."""
    projected_learning_rate: float = 0.001
    """Of the projected discriminator."""
    diversity_weight: float = 0.0
    """Weight of the diversity term, which keeps samples as different as photographs; needs the
    projected discriminator."""
    diversity_images: int = 128
    """Photographs whose distances the diversity term aims at."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require_positive(self, "diversity_images", "path_length_every")
        require_choices(self, "augment", AUGMENTATIONS)

    def path_weight(self, nimg: int) -> float:
        """Return the weight of the path length penalty in the step that begins at image nimg.

        Often 0, as that of R1.
        """
        is_due = (nimg // self.batch_size) % self.path_length_every == 0
        return self.path_length_weight * self.path_length_every if is_due else 0.0


@dataclass(frozen=True, kw_only=True)
class CompletionConfig(StageConfig):
    """Objective of stages 1 and 2 (the paper, Eqs. 2-6 and Appendix B)."""

    betas: tuple[float, float] = (0.9, 0.99)
    learning_rate: float = 1e-4
    """Of the trained networks at the start."""
    mixer_lr_multiplier: float = 1.0
    """Stage 1: learning rate of Mi over that of E; 0 leaves Mi as initialised. An encoder with
    equalised learning rates (kind `small`) tolerates 2.5e-3; Mi has none, and at that rate it would
    forget its initialisation."""
    discriminator_learning_rate: float = 1e-4
    """Of D at the start."""
    schedule: Literal["cosine", "halved"] = "cosine"
    """Of the learning rates: down to final_fraction at the end, or 1/2 every halve_every images."""
    final_fraction: float = 0.1
    """Cosine schedule: the last learning rate over the first."""
    halve_every: int = 400_000
    """Halved schedule: images between two halvings; the paper's 50,000 batches of 8."""
    train_on: Literal["generated", "photographs"] = "generated"
    """What is completed, and D's real input. Photographs (models 1 and 2 of Table 3) have no path
    (g): they are reconstructed on valid pixels only."""
    real_fraction: float = 0.0
    """Fraction of path (r) for which L_rr compares a photograph instead of the generated image: a
    remedy where photographs are reproduced far worse. D does not see these photographs."""
    masks: str = "paper"
    """Sampler of the holes, see core/masks.py."""
    lambda_a: float = 0.08
    """Eq. 6: weight of L_adv, the adversarial term."""
    lambda_r1: float = 1.0
    """Eq. 6: weight of L_rg, the reconstruction of path (g), with the code that made the image."""
    lambda_r2: float = 1.0
    """Eq. 6: weight of L_rr, the reconstruction of path (r), with another code."""
    pixel_weight: float = 1.0
    """Weight of the L2 term within Eqs. 2 and 3."""
    stddev_group_size: int = 0
    """Samples per standard-deviation group of D; 0 for as many as D was made with. A process
    computes whole groups: with the paper's batch of 8, two GPUs need groups of 4."""
    discriminator_warmup: int = 5000
    """Images for which D alone learns: it has to unlearn that G's images are fake."""
    adversarial_ramp: int = 5000
    """Images over which lambda_a then rises from zero."""
    diagnostics_images: int = 64
    """Images that the diagnostics are measured on."""
    grid_images: int = 8
    """Rows of an image grid."""
    recalibration_batches: int = 16
    """Stage 2: batches from which the averaged skip encoder gets its batch-norm statistics."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require_positive(self, "halve_every")
        require_positive(self, "diagnostics_images", "grid_images", "recalibration_batches")
        require_choices(self, "masks", KINDS)
        most = 1 if self.train_on == "generated" else 0
        if self.real_fraction > most:
            raise ConfigError(
                f"a real_fraction of at most {most} with train_on = {self.train_on!r}",
                repr(self.real_fraction),
                "Correct the recipe.",
            )

    @property
    def uses_photographs(self) -> bool:
        """Whether training sees photographs."""
        return self.train_on == "photographs" or self.real_fraction > 0


@dataclass(frozen=True, kw_only=True)
class PerceptualConfig:
    """The perceptual term of Eqs. 2 and 3, in both stages."""

    network: Literal["discriminator", "vgg16"] = "discriminator"
    """`vgg16`: as in the paper; `discriminator`: the one a stage starts from, which needs no file.
    """
    weights: str = ""
    """vgg16: file with Caffe's weights, or "download", see vgg.py."""
    layers: tuple[str, ...] = ("relu4_3",)
    """vgg16: the layers j."""
    weight: float = 5e-5
    """vgg16: the coefficient of Appendix B. For `discriminator`, the weight is measured, so that
    the term counts as much as pixels."""
    calibration_pairs: int = 256
    """discriminator: pairs of generated images that its weight is measured on."""

    def __post_init__(self) -> None:
        check_fields(self)
        require_positive(self, "calibration_pairs")


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """A whole training: networks, data, stages, and the perceptual term of two of them."""

    name: str
    title: str
    license: str
    model: ModelConfig
    data: DataConfig
    stages: Mapping[str, StageConfig]
    """By name; see `stage_config`."""
    perceptual: PerceptualConfig = PerceptualConfig()
    follows_generator: bool = False
    """In stages that start from a model: generator and discriminator are those of the model, and
    the other networks take their resolution, layers and width of codes from them."""

    def __post_init__(self) -> None:
        check_fields(self)
        for name, config in self.stages.items():
            multiplier = getattr(config, "mixer_lr_multiplier", 1)
            if multiplier != 1 and "mixer" not in STAGES[name].trains:
                raise ConfigError(
                    "mixer_lr_multiplier only in a stage that trains the mixer",
                    f"{multiplier} in [{name}], where the mixer is frozen",
                    "Remove it.",
                )

    def stage_config(self, stage: str) -> StageConfig:
        """Return the settings of a stage.

        Raises:
            ConfigError: the recipe has none.
        """
        if stage not in self.stages:
            raise ConfigError(
                f"a table [{stage}] in the recipe {self.name}",
                f"only {', '.join(self.stages) or 'none of a stage'}",
                "Add the table, or choose another recipe.",
            )
        return self.stages[stage]

    def with_stage(self, stage: str, **changes: Any) -> "Recipe":  # noqa: ANN401 - of any field
        """Return a copy with some settings of a stage changed."""
        changed = dataclasses.replace(self.stage_config(stage), **changes)
        return dataclasses.replace(self, stages={**self.stages, stage: changed})

    def fitted_to(self, given: ModelConfig) -> "Recipe":
        """Return a copy whose networks fit a given generator, if the recipe follows it.

        Args:
            given: networks that a stage starts from.
        """
        if not self.follows_generator:
            return self
        own, generator = self.model, given.generator
        sizes: dict[str, dict[str, Any]] = {
            "encoder": {"resolution": generator.resolution, "w_dim": generator.w_dim},
            "mixer": {"num_layers": generator.num_layers, "w_dim": generator.w_dim},
            "skip_encoder": {"resolution": generator.resolution},
        }
        parts = {
            part: dataclasses.replace(config, **size)
            for part, size in sizes.items()
            if (config := getattr(own, part)) is not None
        }
        model = ModelConfig(generator=generator, discriminator=given.discriminator, **parts)
        return dataclasses.replace(self, model=model)

    def require_parts(self, parts: Sequence[str]) -> None:
        """Raise ConfigError unless the recipe describes these networks."""
        missing = [part for part in parts if getattr(self.model, part) is None]
        if missing:
            raise ConfigError(
                f"a [model] with {', '.join(parts)}",
                f"the recipe {self.name} without {', '.join(missing)}",
                "Add the tables, or name a preset that has them.",
            )

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON, with the tables of a recipe file."""
        return {
            "name": self.name,
            "title": self.title,
            "license": self.license,
            "follows_generator": self.follows_generator,
            "model": self.model.to_dict(),
            "data": dataclasses.asdict(self.data),
            **{name: dataclasses.asdict(config) for name, config in self.stages.items()},
            "perceptual": dataclasses.asdict(self.perceptual),
        }
