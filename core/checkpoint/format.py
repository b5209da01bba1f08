"""The checkpoint format: one safetensors file whose header describes the networks in it.

Tensors are named `<part>.<state_dict key>`; the metadata holds format, format_version, config
(JSON), generator_id, training (JSON), license and title, and where it is known trained_images. The
header is checked against the networks that the configuration describes before any tensor is read.
"""

import dataclasses
import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor

from ..checks import check_choice
from ..errors import CheckpointError, InputError
from ..image_digests import pack, unpack
from ..networks import PARTS, ModelConfig
from .container import DTYPES, Container, check_place, layout_of, open_container, write_container
from .content import Checkpoint
from .header import (
    DAMAGED,
    EXPECTED,
    FORMAT,
    FORMAT_VERSION,
    check_header,
    check_layouts,
    listed,
    parse_json,
    part_of,
    parts_of,
    require,
)

_FULL_PRECISION = ("running_mean", "running_var", "num_batches_tracked", "w_avg")
"""Ends of the names of tensors that are never stored in half precision: variances leave float16's
range, and an error in w_avg would move every code."""

_IMAGES = "trained_images"

_CORRECT = "Correct the call that makes the checkpoint."


def check_target(path: Path, overwrite: bool) -> None:
    """Raise CheckpointError unless a checkpoint may be written to path.

    Args:
        path: the file to write.
        overwrite: whether it may replace a file.

    Raises:
        CheckpointError: an unsuitable name or folder, or a file that may not be replaced.
    """
    check_place(path)
    if path.exists() and not overwrite:
        raise CheckpointError(
            f"no file {path}",
            "one",
            "Choose another name, or give --overwrite to replace it.",
            problem=f"The file {path} exists.",
        )


def write_checkpoint(
    path: str | Path, checkpoint: Checkpoint, dtype: torch.dtype | None = None
) -> None:
    """Write a checkpoint atomically; the same content gives the same bytes.

    Args:
        path: ends with .safetensors; its folder exists.
        checkpoint: networks on any device.
        dtype: float32, float16 or bfloat16 to store the values in (batch-norm statistics and
            w_avg stay as they are); None stores each tensor as it is.

    Raises:
        CheckpointError: tensors do not fit the configuration or the type, or hold NaN or
            infinity; or the file cannot be written. An older file is then left as it was.
    """
    require(
        dtype is None or (dtype in DTYPES.values() and dtype.is_floating_point),
        "float32, float16 or bfloat16 for the stored values",
        f"{dtype}",
        _CORRECT,
    )
    tensors = {
        name: tensor.detach().to(_kept_dtype(name, tensor.dtype, dtype))
        for name, tensor in checkpoint.tensors.items()
    }
    layouts = {name: layout_of(tensor) for name, tensor in tensors.items()}
    check_layouts(checkpoint.config, layouts, "the checkpoint to be written", _CORRECT)
    _check_finite(
        tensors,
        "the checkpoint to be written",
        "The run has diverged, or values over 65504 need float32 or bfloat16 on disk.",
    )
    write_container(Path(path), tensors, _metadata_of(checkpoint))


def read_checkpoint(
    path: str | Path,
    parts: Collection[str] | None = None,
    device: torch.device | str = "cpu",
    dtype: torch.dtype | None = torch.float32,
) -> Checkpoint:
    """Read a checkpoint, or some of its parts.

    1. Open the file and read its header; 2. build the networks that the header describes, without
    memory, and compare names, shapes and types; 3. read the tensors.

    Args:
        path: the file.
        parts: names among `PARTS`; None for all that the file holds.
        device: where the tensors are put.
        dtype: floating-point type of the tensors returned (batch-norm statistics and w_avg stay
            float32); None for the types on disk.

    Returns:
        A checkpoint whose `config` describes the parts that were read (and the generator).

    Raises:
        CheckpointError: the file is absent, foreign, damaged or too new, or lacks a part.
    """
    path = Path(path)
    for part in parts or ():
        check_choice(part, "part", PARTS)
    with open_container(path, EXPECTED) as container:
        header = _read_header(container)
        chosen = _choose(header.config, container, parts)
        read_as = None if dtype is None else torch.float32
        tensors = {
            key: container.load(key, _kept_dtype(key, DTYPES[layout.dtype], read_as))
            for key, layout in container.layouts.items()
            if part_of(key) in chosen
        }
    _check_finite(tensors, f"{path}", DAMAGED)
    left_out = {part: None for part in PARTS[1:] if part not in chosen}
    return dataclasses.replace(
        header,
        config=dataclasses.replace(header.config, **left_out),
        tensors={
            key: tensor.to(device, _kept_dtype(key, tensor.dtype, dtype))
            for key, tensor in tensors.items()
        },
    )


def inspect_checkpoint(path: str | Path) -> Checkpoint:
    """Return what the header of a checkpoint says; its tensors are on the meta device, as on disk.

    Raises:
        CheckpointError: the file is absent, foreign, damaged or too new.
    """
    with open_container(Path(path), EXPECTED) as container:
        header = _read_header(container)
        tensors = {
            key: torch.empty(layout.shape, dtype=DTYPES[layout.dtype], device="meta")
            for key, layout in container.layouts.items()
        }
        return dataclasses.replace(header, tensors=tensors)


def _read_header(container: Container) -> Checkpoint:
    """Return a checkpoint without tensors."""
    config = check_header(container)
    metadata, path = container.metadata, container.path
    try:
        return Checkpoint(
            config=config,
            tensors={},
            generator_id=metadata["generator_id"],
            training=_training_facts(metadata["training"], path),
            license=metadata["license"],
            title=metadata["title"],
            trained_images=unpack(metadata[_IMAGES]) if _IMAGES in metadata else None,
        )
    except (CheckpointError, InputError) as error:
        raise CheckpointError(error.expected, f"{error.got} in {path}", DAMAGED) from error


def _training_facts(text: str, path: Path) -> dict[str, Any]:
    """Return the facts under today's names."""
    facts = cast("dict[str, Any]", parse_json(text, "training", path))
    if isinstance(facts, dict) and "alarms" in facts:  # before version 0.2
        facts = {"diagnostics" if k == "alarms" else k: value for k, value in facts.items()}
    return facts


def _choose(
    config: ModelConfig, container: Container, parts: Collection[str] | None
) -> Collection[str]:
    held = parts_of(config, container.layouts)
    absent = [part for part in parts or () if part not in held]
    require(
        not absent,
        f"a checkpoint with {', '.join(absent)}",
        f"{container.path}, which holds {', '.join(held)}",
        "Use a model that has been trained further, or the file that holds this part.",
    )
    return held if parts is None else parts


def _metadata_of(checkpoint: Checkpoint) -> dict[str, str]:
    images = checkpoint.trained_images
    return {
        **({} if images is None else {_IMAGES: pack(images)}),
        "format": FORMAT,
        "format_version": str(FORMAT_VERSION),
        "config": json.dumps(checkpoint.config.to_dict(), sort_keys=True),
        "generator_id": checkpoint.generator_id,
        "training": json.dumps(checkpoint.training, sort_keys=True),
        "license": checkpoint.license,
        "title": checkpoint.title,
    }


def _kept_dtype(key: str, present: torch.dtype, wanted: torch.dtype | None) -> torch.dtype:
    """Return the type for a tensor: that wanted, except where half precision would do harm."""
    if wanted is None or not present.is_floating_point:
        return present
    return torch.float32 if key.endswith(_FULL_PRECISION) else wanted


def _check_finite(tensors: Mapping[str, Tensor], name: str, remedy: str) -> None:
    bad = [key for key, tensor in tensors.items() if not _is_finite(tensor)]
    require(not bad, "finite values only", f"NaN or infinity in {listed(bad)} of {name}", remedy)


def _is_finite(tensor: Tensor) -> bool:
    """Add up first, ten times faster than looking at each: only finite values have a finite sum."""
    if not tensor.is_floating_point():
        return True
    return bool(tensor.sum(dtype=torch.float32).isfinite()) or bool(tensor.isfinite().all())
