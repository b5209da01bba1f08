"""What `train --dry-run` prints: the recipe, parameter counts and learning rates of a stage."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import torch

from ..core.checkpoint import build_blank
from .config import CompletionConfig, PriorConfig, Recipe, StageConfig
from .hardware import feature_dtype
from .schedules import adversarial_factor, rate_factor
from .stages import STAGES

_CURVE_POINTS = 11
_CURVE_WIDTH = 40


def describe_training(
    recipe: Recipe, stage: str, device: torch.device, num_processes: int = 1
) -> Iterator[str]:
    """Yield the resolved recipe, parameters and learning rates of a stage, line by line.

    The lines are a recipe file; all but the recipe is in comments.

    Args:
        recipe: configuration.
        stage: one of `STAGES`.
        device: where it would be trained.
        num_processes: processes that would train together.
    """
    row, config = STAGES[stage], recipe.stage_config(stage)
    recipe.require_parts(row.trains)
    yield f"# {stage} of {recipe.name}, on {device}, {num_processes} process(es)"
    omitted = {"name", *STAGES} - {stage}  # a recipe is named by its file
    yield from _table("", {k: v for k, v in recipe.to_dict().items() if k not in omitted})
    yield f"# feature maps: {feature_dtype(config.precision, device)}"
    yield "# parameters"
    trained = {*row.trains, "discriminator"}
    for part, network in build_blank(recipe.model).parts.items():
        if part in {*trained, *row.takes}:
            count = sum(parameter.numel() for parameter in network.parameters())
            yield f"#   {part:<14} {count:>13,} {'trained' if part in trained else 'frozen'}"
    yield from _learning_rates(config)


def _table(name: str, values: Mapping[str, Any]) -> Iterator[str]:
    plain = {key: value for key, value in values.items() if not isinstance(value, Mapping)}
    if name and plain:
        yield f"[{name}]"
    for key, value in plain.items():
        yield f"{key} = {json.dumps(value)}"
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _table(f"{name}.{key}" if name else key, value)


def _learning_rates(config: StageConfig) -> Iterator[str]:
    if isinstance(config, PriorConfig):
        warmup = config.generator_warmup
        rising = f"; G's rises to it over {warmup:,} images" if warmup else ""
        yield f"# learning rate {config.learning_rate} throughout{rising}"
    if not isinstance(config, CompletionConfig):
        return
    yield "# images        learning rate, and the adversarial weight over lambda_a"
    for k in range(_CURVE_POINTS):
        nimg = config.total_images * k // (_CURVE_POINTS - 1)
        factor, adversarial = rate_factor(config, nimg), adversarial_factor(config, nimg)
        bar = "=" * round(factor * _CURVE_WIDTH)
        yield f"# {nimg:>11,}  {config.learning_rate * factor:.3e} {adversarial:4.0%} {bar}"
