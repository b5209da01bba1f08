"""What a stage begins with: the model of the stage before, discriminator included."""

import dataclasses
import hashlib
from pathlib import Path
from typing import NamedTuple

from ..core.checkpoint import Checkpoint, inspect_checkpoint, read_checkpoint
from ..core.errors import CheckpointError, ConfigError
from .config import Recipe

BUNDLED_DISCRIMINATOR = Path(__file__).parent / "state" / "discriminator.safetensors"
"""D of the bundled model's prior, which the model file leaves out."""

_TAKEN_OVER = {
    "prior": ("generator",),
    "stage1": ("generator",),
    "stage2": ("generator", "encoder", "mixer"),
}
"""The parts that each stage takes from a model, beside a discriminator; the prior takes a
generator where it is restarted only."""


class Source(NamedTuple):
    """What a stage begins with."""

    checkpoint: Checkpoint
    """The parts, discriminator included."""
    is_judge_trained: bool
    """Whether the discriminator has already judged completions, and not photographs alone."""


def read_source(path: Path, stage: str, recipe: Recipe) -> Source:
    """Return what a stage takes over, checked against the recipe.

    The discriminator is that of the file, or of discriminator.safetensors beside it, or of the
    bundled model's prior, if it belongs to the file's generator.

    Raises:
        CheckpointError: the file is unusable or lacks a part.
        ConfigError: its generator is not of the recipe's size.
    """
    source = _with_discriminator(path, _TAKEN_OVER[stage], must_judge_photographs=stage == "prior")
    wanted, given = recipe.model.generator, source.checkpoint.config.generator
    grows = stage == "prior" and given.resolution < wanted.resolution
    if given.w_dim != wanted.w_dim or (given.resolution != wanted.resolution and not grows):
        raise ConfigError(
            f"a generator as the recipe {recipe.name} has it, of {wanted.resolution} pixels with "
            f"codes {wanted.w_dim} wide",
            f"one of {given.resolution} pixels with codes {given.w_dim} wide",
            "Choose the recipe that the prior was trained with.",
        )
    return source


def _with_discriminator(
    path: Path, parts: tuple[str, ...], *, must_judge_photographs: bool
) -> Source:
    header = inspect_checkpoint(path)
    for candidate in (path, path.with_name("discriminator.safetensors"), BUNDLED_DISCRIMINATOR):
        if not candidate.is_file():
            continue
        found = inspect_checkpoint(candidate)
        is_judge_trained = found.training.get("stage") in ("stage1", "stage2")
        is_fit = "discriminator" in found.parts and found.generator_id == header.generator_id
        if is_fit and not (must_judge_photographs and is_judge_trained):
            judge = read_checkpoint(candidate, ("discriminator",))
            return Source(_join(read_checkpoint(path, parts), judge), is_judge_trained)
    raise CheckpointError(
        "a model with generator and discriminator"
        + (", the latter trained on photographs" if must_judge_photographs else ""),
        f"{path}, which holds {', '.join(header.parts)}",
        "Give the file that the stage before wrote, or put discriminator.safetensors beside it.",
    )


def _join(checkpoint: Checkpoint, other: Checkpoint) -> Checkpoint:
    """Return a checkpoint with the discriminator of another."""
    config = dataclasses.replace(checkpoint.config, discriminator=other.config.discriminator)
    tensors = {**checkpoint.tensors, **other.tensors}
    return dataclasses.replace(checkpoint, config=config, tensors=tensors)


def hash_checkpoint(checkpoint: Checkpoint) -> str:
    """Return the SHA-256 of a checkpoint's generator id and tensors."""
    digest = hashlib.sha256(checkpoint.generator_id.encode())
    for name in sorted(checkpoint.tensors):
        digest.update(name.encode())
        digest.update(checkpoint.tensors[name].contiguous().numpy().tobytes())
    return digest.hexdigest()
