"""The checkpoint format: one safetensors file whose header describes the networks in it.

Tensors are named `<part>.<state_dict key>`; the metadata holds format, format_version, config
(JSON), generator_id, training (JSON), license and title. The header is checked against the
networks that the configuration describes before any tensor is read.
"""

import dataclasses
import hashlib
import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from ..checks import check_choice
from ..errors import CheckpointError
from ..networks import ModelConfig
from .blank import build_blank
from .container import DTYPES, Container, layout_of, open_container, raw_bytes, write_container
from .header import (
    DAMAGED,
    EXPECTED,
    FORMAT,
    FORMAT_VERSION,
    PARTS,
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

_CORRECT = "Correct the call that makes the checkpoint."
_MAX_TEXT = 300


@dataclass(frozen=True, kw_only=True, eq=False)
class Checkpoint:
    """Networks of one model, and what is known about them.

    The parts in `tensors` are those of `config`; only the generator may be left out of `tensors`
    (a discriminator stored by itself), because the configuration always describes it.
    """

    config: ModelConfig
    """Describes the networks."""
    tensors: dict[str, Tensor]
    """By `<part>.<state_dict key>`."""
    generator_id: str
    """SHA-256 of the generator when it was trained or imported, see `generator_id_of`."""
    training: dict[str, Any] = field(default_factory=dict)
    """What is known about the training, plain data for JSON: stage, images seen, data, ..."""
    license: str = ""
    """Licence of the weights."""
    title: str = ""
    """What the model knows, in a few words ("cat faces")."""

    def __post_init__(self) -> None:
        require(
            isinstance(self.generator_id, str)
            and re.fullmatch("[0-9a-f]{64}", self.generator_id) is not None,
            "a generator_id of 64 hexadecimal digits",
            repr(self.generator_id)[:80],
            "Take it from generator_id_of or from the checkpoint the generator came with.",
        )
        is_dict = isinstance(self.training, dict)
        require(is_dict, "the training facts as a dict", repr(self.training)[:80], _CORRECT)
        for name in ("license", "title"):
            text = getattr(self, name)
            require(
                isinstance(text, str) and len(text) <= _MAX_TEXT and text.isprintable(),
                f"a {name} in one line of at most {_MAX_TEXT} printable characters",
                repr(text)[:80],
                _CORRECT,
            )

    @property
    def parts(self) -> tuple[str, ...]:
        """Names of the parts that the tensors cover."""
        return parts_of(self.config, self.tensors)

    def state_dict_of(self, part: str) -> dict[str, Tensor]:
        """Return the tensors of one part under the keys of its module; they share memory."""
        prefix = f"{part}."
        return {k.removeprefix(prefix): v for k, v in self.tensors.items() if k.startswith(prefix)}

    def networks(self) -> dict[str, nn.Module]:
        """Return the parts as modules in eval mode; their values share memory with `tensors`.

        Much faster than building and loading: no initial values are drawn.
        """
        blank = build_blank(self.config)
        networks = {part: blank[part] for part in self.parts}
        for part, network in networks.items():
            state = self.state_dict_of(part)
            network.load_state_dict(state, assign=True)
            devices = {tensor.device for tensor in state.values()}
            network.to(next(iter(devices), torch.device("cpu"))).eval()
        return networks


def generator_id_of(tensors: Mapping[str, Tensor]) -> str:
    """Return the SHA-256 of the generator's tensors in float32, as 64 hexadecimal digits.

    Computed once, before the generator is first rounded to half precision, and carried along.

    Args:
        tensors: those of a checkpoint; only keys below `generator.` count.

    Raises:
        CheckpointError: no generator is among them.
    """
    names = sorted(name for name in tensors if name.startswith("generator."))
    require(bool(names), "tensors of a generator", "none", "Give those of a whole checkpoint.")
    digest = hashlib.sha256(b"diverse-inpainting/generator/1\n")
    for name in names:
        values = tensors[name].detach().float()
        digest.update(f"{name} {list(values.shape)}\n".encode())
        digest.update(raw_bytes(values))
    return digest.hexdigest()


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


def _read_header(container: Container) -> Checkpoint:
    """Return a checkpoint without tensors."""
    config = check_header(container)
    metadata, path = container.metadata, container.path
    try:
        return Checkpoint(
            config=config,
            tensors={},
            generator_id=metadata["generator_id"],
            training=cast("dict[str, Any]", parse_json(metadata["training"], "training", path)),
            license=metadata["license"],
            title=metadata["title"],
        )
    except CheckpointError as error:
        raise CheckpointError(error.expected, f"{error.got} in {path}", DAMAGED) from error


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
    return {
        "format": FORMAT,
        "format_version": str(FORMAT_VERSION),
        "config": json.dumps(checkpoint.config.to_dict(), sort_keys=True),
        "generator_id": checkpoint.generator_id,
        "training": json.dumps(checkpoint.training, sort_keys=True, allow_nan=False),
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
