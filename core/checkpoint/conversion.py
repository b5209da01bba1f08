"""Makes a checkpoint of a foreign StyleGAN2 file, without running anything in it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from ..checks import check_choice
from ..errors import CheckpointError, ConfigError
from ..networks import DiscriminatorConfig, GeneratorConfig, ModelConfig
from .content import Checkpoint, generator_id_of
from .detection import detect
from .header import FORMAT
from .importers import Imported, RefusedFileError, open_contents
from .importers.importing import CHANNELS, Progress, import_contents

_EXPECTED = "a StyleGAN2 file of NVIDIA, rosinality, pSp, e4e, StyleRes, GenForce or MMGeneration"

_MEAN_CODE = "mapping.w_avg"


@dataclass(frozen=True)
class Conversion:
    """A converted file."""

    checkpoint: Checkpoint
    """With the generator, and with the discriminator if there was one."""
    family: str
    """Whose conventions the file followed."""
    left_out: tuple[str, ...]
    """Parts of the file that are not in the checkpoint."""
    notes: tuple[str, ...]
    """Sentences about what the file did not say."""


def convert_file(
    path: str | Path,
    *,
    title: str = "",
    license: str = "",
    progress: Progress | None = None,
    channels: str | None = None,
) -> Conversion:
    """Return the checkpoint that a foreign StyleGAN2 file makes.

    Tensors become float32. If the file has no mean code, it is sampled from the mapping network
    with a fixed seed.

    Args:
        path: a pickle, a PyTorch file or a foreign safetensors file.
        title: what the model knows, in a few words.
        license: of the weights.
        progress: called with the values read and the values to be read.
        channels: order of the file's colours, one of `CHANNELS`; None for the family's.

    Raises:
        CheckpointError: the file is missing, no StyleGAN2, damaged or hostile.
    """
    path = Path(path)
    if channels is not None:
        check_choice(channels, "channels", CHANNELS)
    _require_importable(path)
    try:
        contents = open_contents(path)
        if contents.settings("").get("format") == FORMAT:
            raise RefusedFileError("It is a checkpoint of this project.", "Use it as it is.")
        imported = import_contents(contents, progress, channels)
    except RefusedFileError as error:
        raise _refusal(path, error) from error
    facts = {"imported": {"format": imported.family, "file": path.name}}
    if _MEAN_CODE not in imported.generator.tensors:
        imported.notes.append("It was sampled from 10,000 latents with a fixed seed.")
    checkpoint = _checkpoint_of(path, imported, facts, title, license)
    return Conversion(checkpoint, imported.family, tuple(imported.left_out), tuple(imported.notes))


def _require_importable(path: Path) -> None:
    """Raise with the kind of the file unless it starts like those that are read here.

    Only its first bytes are looked at: `detect` opens archives and headers without limits.
    """
    try:
        with path.open("rb") as file:
            start = file.read(9)
    except OSError:
        start = b""
    if start.startswith((b"PK\x03\x04", b"\x80")) or start[8:] == b"{":
        return
    found = detect(path)
    raise CheckpointError(_EXPECTED, f"{path}, {found.description}", found.remedy)


def _refusal(path: Path, error: RefusedFileError) -> CheckpointError:
    return CheckpointError(
        _EXPECTED,
        f"{path}",
        error.remedy,
        problem=f"{path} cannot be converted. {error.problem}",
    )


def _checkpoint_of(
    path: Path,
    imported: Imported,
    facts: dict[str, Any],
    title: str,
    license: str,
) -> Checkpoint:
    generator, discriminator = imported.generator, imported.discriminator
    tensors = {f"generator.{key}": value for key, value in generator.tensors.items()}
    try:
        config = ModelConfig(
            generator=GeneratorConfig(**generator.config),
            discriminator=discriminator and DiscriminatorConfig(**discriminator.config),
        )
    except ConfigError as error:
        raise _refusal(path, RefusedFileError(f"{error}", "Use another network.")) from error
    if discriminator is not None:
        tensors |= {f"discriminator.{key}": value for key, value in discriminator.tensors.items()}
    if _MEAN_CODE not in generator.tensors:
        tensors[f"generator.{_MEAN_CODE}"] = torch.zeros(config.generator.w_dim)
        partial = Checkpoint(config=config, tensors=tensors, generator_id=generator_id_of(tensors))
        partial.model().generator.set_w_avg()  # the model shares the tensors
    return Checkpoint(
        config=config,
        tensors=tensors,
        generator_id=generator_id_of(tensors),
        training=facts,
        title=title,
        license=license,
    )
