"""Directions in the space of style codes: what a slider moves codes along, and its file."""

import dataclasses
import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import torch
from torch import Tensor

from ..checkpoint import WEIGHTS_FOLDER
from ..checkpoint.container import (
    SUFFIX,
    Container,
    check_place,
    open_container,
    write_container,
)
from ..checks import check_finite, check_generator_id, check_int, check_range, checked_layers
from ..errors import CheckpointError, InputError
from ..latents import WPlus, check_same_generator
from ..printable import get_logger, is_printable

FORMAT = "diverse-inpainting-direction"
FORMAT_VERSION = 1

_BUNDLED = WEIGHTS_FOLDER / "directions"
_EXPECTED = "a diverse-inpainting direction (.safetensors)"
_DAMAGED = "The file is damaged or was edited: copy or download it again."
_TEXT_LIMITS = {"name": 60, "unit": 100, "source": 300, "description": 1000}
_TEXTS = ("generator_id", *_TEXT_LIMITS)
MAX_STRENGTH = 1e6
"""Largest strength of an edit; useful ones are below 10, and codes stay finite numbers."""

_MAX_LAYERS = 64
_MAX_W_DIM = 2**16

_logger = get_logger(__name__)


@dataclass(frozen=True, kw_only=True, eq=False)
class Direction:
    """A named way to move the codes of one generator: codes + strength * vector.

    The vector includes the scale, so that equal strengths change images by comparable amounts.

    Raises:
        InputError: a field is malformed.
    """

    name: str
    """Label of its slider: one line."""
    vector: Tensor
    """[D], or [L, D] with one row per style layer; float32 on the CPU, finite, not all zero."""
    generator_id: str
    """ID of the generator whose codes it moves."""
    first_layer: int
    """First style layer that is moved, from 0."""
    last_layer: int
    """Last style layer that is moved (inclusive)."""
    unit: str = ""
    """What strength 1 is ("one standard deviation of w")."""
    source: str = ""
    """How it was found: method, parameters, reference."""
    description: str = ""
    """What it changes in the image."""

    def __post_init__(self) -> None:
        self._check_texts()
        check_int(self.first_layer, "first_layer", 0, _MAX_LAYERS - 1)
        check_int(self.last_layer, "last_layer", self.first_layer, _MAX_LAYERS - 1)
        vector = self.vector
        is_tensor = isinstance(vector, Tensor)
        shape = list(vector.shape) if is_tensor else type(vector).__name__
        if not is_tensor or vector.ndim not in (1, 2) or vector.numel() == 0:
            raise InputError("a direction of shape [D] or [L, D]", str(shape), "Reshape it.")
        if vector.dtype != torch.float32 or vector.device.type != "cpu":
            got = f"{vector.dtype} on {vector.device}"
            raise InputError("a direction in float32 on the CPU", got, "Convert it with .to().")
        check_finite(vector, "direction")
        if not bool(vector.any()):
            raise InputError(
                "a direction that moves something",
                "zeros",
                "Find another one.",
                problem="The direction is all zeros.",
            )
        if vector.ndim == 2 and self.last_layer >= vector.shape[0]:
            raise InputError(
                f"a direction with a row for each layer up to {self.last_layer}",
                f"{vector.shape[0]} rows",
                "Narrow the range of layers.",
            )

    @property
    def digest(self) -> str:
        """SHA-256 of what determines its effect: vector, layers and generator."""
        place = f"{self.generator_id} {self.first_layer}-{self.last_layer} {self.vector.shape}"
        content = place.encode() + self.vector.contiguous().numpy().tobytes()
        return hashlib.sha256(content).hexdigest()

    def reversed(self) -> Self:
        """Return the direction with positive and negative strengths swapped."""
        return dataclasses.replace(self, vector=-self.vector)

    def _check_texts(self) -> None:
        check_generator_id(self.generator_id)
        for field, limit in _TEXT_LIMITS.items():
            text = getattr(self, field)
            if not (isinstance(text, str) and len(text) <= limit and is_printable(text)):
                raise InputError(
                    f"a direction's {field} in one line of at most {limit} printable characters",
                    repr(text)[:80],
                    "Shorten it.",
                )
        if not self.name.strip():
            raise InputError(
                "a name for the direction",
                repr(self.name),
                "Give it one.",
                problem="The direction has no name.",
            )


def apply_direction(
    w: WPlus,
    direction: Direction,
    strength: float,
    first_layer: int | None = None,
    last_layer: int | None = None,
) -> WPlus:
    """Return codes + strength * vector on a range of layers, as new codes.

    Args:
        w: codes of any number of images and variants.
        direction: of the same generator as the codes.
        strength: in the direction's unit; negative moves the other way, 0 changes nothing.
        first_layer: first style layer to move; None for the direction's own.
        last_layer: last style layer to move (inclusive); None for the direction's own.

    Raises:
        GeneratorMismatchError: the direction belongs to another generator.
        InputError: strength is not finite, the layers are outside [0, L - 1], or the direction
            has another width or number of rows than the codes.
    """
    check_same_generator(direction.generator_id, w.generator_id, f"direction {direction.name!r}")
    first, last = checked_layers(
        direction.first_layer if first_layer is None else first_layer,
        direction.last_layer if last_layer is None else last_layer,
        w.num_layers,
    )
    check_range(strength, "strength", -MAX_STRENGTH, MAX_STRENGTH)
    wanted = (w.num_layers, w.w_dim)[2 - direction.vector.ndim :]
    if tuple(direction.vector.shape) != wanted:
        raise InputError(
            f"a direction of shape {list(wanted)}",
            f"{list(direction.vector.shape)} in {direction.name!r}",
            "Find the direction again with this model.",
        )
    offset = strength * direction.vector.to(w.codes.device)
    offset = offset if offset.ndim == 1 else offset[first : last + 1]
    codes = w.codes.clone()
    codes[:, :, first : last + 1] += offset.to(codes.dtype)
    return dataclasses.replace(w, codes=codes)


def check_target(path: Path, overwrite: bool = True) -> None:
    """Raise CheckpointError unless a direction may be written to path.

    Args:
        path: the file to write.
        overwrite: whether it may replace a direction.

    Raises:
        CheckpointError: an unsuitable name or folder, or a file that may not be replaced.
    """
    check_place(path)
    if path.exists():
        found = read_direction(path)
        if not overwrite:
            raise CheckpointError(
                f"no file {path}",
                f"the direction {found.name!r} there",
                "Choose another name, or give --overwrite to replace it.",
                problem=f"The file {path} exists and holds the direction {found.name!r}.",
            )


def write_direction(path: str | Path, direction: Direction) -> None:
    """Write a direction file atomically.

    Args:
        path: ends with .safetensors; its folder exists. A direction there is replaced.
        direction: what to write.

    Raises:
        CheckpointError: the file cannot be written, or is not a direction.
    """
    check_target(Path(path))
    metadata = {"format": FORMAT, "format_version": str(FORMAT_VERSION)}
    metadata |= {field: getattr(direction, field) for field in _TEXTS}
    metadata |= {"layers": f"{direction.first_layer}-{direction.last_layer}"}
    write_container(Path(path), {"vector": direction.vector}, metadata)


def read_direction(path: str | Path) -> Direction:
    """Read a direction file; its header is checked before the vector is read.

    Raises:
        CheckpointError: the file is missing, foreign, damaged or too new.
    """
    path = Path(path)
    with open_container(path, _EXPECTED) as container:
        first_layer, last_layer = _check_header(container)
        vector = container.load("vector")
        texts = {field: container.metadata[field] for field in _TEXTS}
    try:
        return Direction(vector=vector, first_layer=first_layer, last_layer=last_layer, **texts)
    except InputError as error:
        raise CheckpointError(error.expected, f"{error.got} in {path}", _DAMAGED) from error


def _check_header(container: Container) -> tuple[int, int]:
    """Return (first_layer, last_layer)."""
    path, metadata, layouts = container.path, container.metadata, container.layouts
    remedy = "Use a direction that this project saved."
    container.check_format(FORMAT, FORMAT_VERSION, "a direction", _EXPECTED, remedy)
    layers = re.fullmatch(r"([0-9]{1,3})-([0-9]{1,3})", metadata.get("layers", ""))
    missing = [field for field in _TEXTS if field not in metadata]
    missing += [] if layers else ["layers"]
    if layers is None or missing:
        expected = f"a direction with the metadata {', '.join((*_TEXTS, 'layers'))}"
        problem = f"{path} lacks valid metadata for {', '.join(missing)}."
        raise CheckpointError(expected, f"none for {missing}", _DAMAGED, problem=problem)
    shape = layouts["vector"].shape if list(layouts) == ["vector"] else ()
    limits = (_MAX_LAYERS, _MAX_W_DIM)[2 - len(shape) :]
    if not 1 <= len(shape) <= 2 or any(n > limit for n, limit in zip(shape, limits, strict=True)):
        expected = "one tensor `vector` of shape [D] or [L, D]"
        found = ", ".join(f"{name[:60]} {list(layouts[name].shape)}" for name in list(layouts)[:3])
        raise CheckpointError(expected, f"{found or 'none'} in {path}", _DAMAGED)
    return int(layers[1]), int(layers[2])


def read_directions(folder: str | Path, generator_id: str) -> dict[str, Direction]:
    """Return the directions of one generator in a folder, by name; a missing folder has none.

    Raises:
        CheckpointError: a .safetensors file in the folder is not a direction.
    """
    found: dict[str, Direction] = {}
    for path in sorted(Path(folder).glob(f"*{SUFFIX}")):
        direction = read_direction(path)
        if direction.generator_id != generator_id:
            _logger.debug("%s belongs to another generator", path)
        elif direction.name in found:
            _logger.warning("%s is ignored: another direction is named %r", path, direction.name)
        else:
            found[direction.name] = direction
    return found


def bundled_direction_names() -> list[str]:
    """Return the sorted names of all bundled directions, whatever their generator.

    Raises:
        CheckpointError: a bundled file is damaged.
    """
    return sorted({read_direction(path).name for path in _BUNDLED.glob(f"*{SUFFIX}")})


def bundled_directions(generator_id: str) -> dict[str, Direction]:
    """Return the bundled directions of one generator, by name.

    Raises:
        CheckpointError: a bundled file is damaged.
    """
    return read_directions(_BUNDLED, generator_id)
