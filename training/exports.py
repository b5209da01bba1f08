"""The checkpoints that stages write: their networks, and what is known of the training."""

import dataclasses
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..core.checkpoint import (
    Checkpoint,
    collect_tensors,
    generator_id_of,
    write_checkpoint,
)
from ..core.networks import ModelConfig
from .config import Recipe


def write_prior(folder: Path, recipe: Recipe, networks: Mapping[str, nn.Module], nimg: int) -> None:
    """Write prior.safetensors, and discriminator.safetensors: D alone in half precision.

    The bundled model leaves D out; the small file beside it lets anybody train on.
    """
    tensors = _tensors(networks)
    whole = Checkpoint(
        config=ModelConfig(
            generator=recipe.model.generator, discriminator=recipe.model.discriminator
        ),
        tensors=tensors,
        generator_id=generator_id_of(tensors),
        training={
            "stage": "prior",
            "images": {"prior": nimg},
            "recipe": {"prior": recipe.name},
        },
        license=recipe.license,
        title=recipe.title,
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
    networks: Mapping[str, nn.Module],
    learned: Iterable[str],
    training: dict[str, Any],
) -> None:
    """Write what stage 1 or 2 made of its source.

    Args:
        path: file to write.
        recipe: describes the learned networks.
        source: what the stage began with.
        networks: all, by their parts.
        learned: parts that the stage made.
        training: see `stage_facts`.
    """
    parts = {part: getattr(recipe.model, part) for part in learned}
    write_checkpoint(
        path,
        dataclasses.replace(
            source,
            config=dataclasses.replace(source.config, **parts),
            tensors=_tensors(networks),
            training=training,
            # Those of the generator's data, whatever recipe the stage was trained with.
            license=source.license or recipe.license,
            title=source.title or recipe.title,
        ),
    )


def stage_facts(
    known: Mapping[str, Any], stage: str, earlier: Iterable[str], own: Mapping[str, Any]
) -> dict[str, Any]:
    """Return what is known of the training, fact by fact and stage by stage.

    Args:
        known: of the source; what it says of later stages is left out.
        stage: that ends now.
        earlier: stages before it.
        own: the facts of this stage.
    """
    facts = {**known, "stage": stage}
    for name, value in own.items():
        found = known.get(name)
        before = found if isinstance(found, dict) else {}
        facts[name] = {**{s: before[s] for s in earlier if s in before}, stage: value}
    return facts


def _tensors(networks: Mapping[str, nn.Module]) -> dict[str, Tensor]:
    return {name: value.cpu().contiguous() for name, value in collect_tensors(networks).items()}
