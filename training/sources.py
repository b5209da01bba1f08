"""What a stage begins with: the model of the stage before."""

import dataclasses
import hashlib
from pathlib import Path

from ..core.checkpoint import Checkpoint, inspect_checkpoint, read_checkpoint
from ..core.errors import CheckpointError, ConfigError
from .config import Recipe

BUNDLED_DISCRIMINATOR = Path(__file__).parent / "state" / "discriminator.safetensors"
"""D of the bundled model's prior, which the model file leaves out."""

_TAKEN_OVER = {"stage1": ("generator",), "stage2": ("generator", "encoder", "mixer")}
"""The parts that each stage takes from the one before, beside a discriminator."""


def read_source(path: Path, stage: str, recipe: Recipe) -> Checkpoint:
    """Return what a stage begins with, discriminator included, checked against the recipe.

    Raises:
        CheckpointError: the file is unusable or lacks a part.
        ConfigError: its generator is not of the recipe's size.
    """
    checkpoint = _with_discriminator(path, _TAKEN_OVER[stage])
    wanted, given = recipe.model.generator, checkpoint.config.generator
    if (wanted.resolution, wanted.w_dim) != (given.resolution, given.w_dim):
        raise ConfigError(
            f"a generator as the recipe {recipe.name} has it, of {wanted.resolution} pixels with "
            f"codes {wanted.w_dim} wide",
            f"one of {given.resolution} pixels with codes {given.w_dim} wide",
            "Choose the recipe that the prior was trained with.",
        )
    return checkpoint


def _with_discriminator(path: Path, parts: tuple[str, ...]) -> Checkpoint:
    """Return the parts and a discriminator, which may lie in a file of its own."""
    header = inspect_checkpoint(path)
    if "discriminator" in header.parts:
        return read_checkpoint(path, (*parts, "discriminator"))
    for candidate in (path.with_name("discriminator.safetensors"), BUNDLED_DISCRIMINATOR):
        if candidate.is_file() and candidate != path:
            beside = read_checkpoint(candidate, ("discriminator",))
            if beside.generator_id == header.generator_id:
                return _join(read_checkpoint(path, parts), beside)
    raise CheckpointError(
        "a model with generator and discriminator",
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
