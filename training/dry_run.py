"""What a training would do, without data and without training."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import torch

from .config import CompletionConfig, Recipe
from .hardware import feature_dtype
from .memory import PEAK_FACTOR, Memory, estimate_memory
from .schedules import adversarial_share, rate_factor

_CURVE_POINTS = 11
_CURVE_WIDTH = 40


def describe_training(
    recipe: Recipe, stage: str, device: torch.device, num_processes: int = 1
) -> Iterator[str]:
    """Yield the resolved recipe, parameters, memory and learning rates of a stage, line by line.

    Args:
        recipe: configuration.
        stage: prior, stage1 or stage2.
        device: where it would be trained.
        num_processes: which would train together.
    """
    yield f"# {stage} of {recipe.name}, on {device}, {num_processes} process(es)"
    yield from _settings(recipe, stage)
    yield f"# feature maps: {feature_dtype(getattr(recipe, stage).precision, device)}"
    yield from _needs(estimate_memory(recipe, stage, device, num_processes))
    yield from _curve(recipe, stage)


def _settings(recipe: Recipe, stage: str) -> Iterator[str]:
    """Yield the recipe as TOML, without the other stages."""
    others = {"prior", "stage1", "stage2"} - {stage}
    facts = {name: value for name, value in recipe.to_dict().items() if name not in others}
    yield from _table("", facts)


def _table(name: str, values: Mapping[str, Any]) -> Iterator[str]:
    plain = {key: value for key, value in values.items() if not isinstance(value, Mapping)}
    if name and plain:
        yield f"[{name}]"
    for key, value in plain.items():
        yield f"{key} = {json.dumps(value)}"
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _table(f"{name}.{key}" if name else key, value)


def _needs(memory: Memory) -> Iterator[str]:
    yield "# parameters"
    for name, count in memory.parameters.items():
        yield f"#   {name:<14} {count:>13,} {'learns' if name in memory.learning else 'frozen'}"
    yield "# memory of each process, estimated (training/memory.py says how)"
    yield f"#   weights, gradients, Adam, averages {_gib(memory.weights)}"
    yield f"#   activations of one step            {_gib(memory.activations)}"
    yield f"#   together                           {_gib(memory.total)}"
    yield f"#   peak of a step, at most            {_gib(round(memory.total * PEAK_FACTOR))}"


def _gib(num_bytes: int) -> str:
    return f"{num_bytes / 2**30:7.2f} GiB"


def _curve(recipe: Recipe, stage: str) -> Iterator[str]:
    config = getattr(recipe, stage)
    if not isinstance(config, CompletionConfig):
        ramp = config.generator_ramp
        rising = f", G's rising to it over {ramp:,} images" if ramp else ""
        yield f"# learning rate {config.learning_rate} throughout{rising}"
        return
    yield "# images        learning rate, and the share of the adversarial term's weight"
    for k in range(_CURVE_POINTS):
        nimg = config.total_images * k // (_CURVE_POINTS - 1)
        factor, share = rate_factor(config, nimg), adversarial_share(config, nimg)
        bar = "=" * round(factor * _CURVE_WIDTH)
        yield f"# {nimg:>11,}  {config.learning_rate * factor:.3e} {share:4.0%} {bar}"
