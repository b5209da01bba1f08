"""Files of style codes, so that a completion can be edited further another day."""

import math
from pathlib import Path

from torch import Tensor

from .checkpoint.container import open_container, write_container
from .checks import is_generator_id
from .errors import CheckpointError

FORMAT = "diverse-inpainting-codes"
FORMAT_VERSION = 1

_EXPECTED = "a file of style codes"
_TENSOR = "codes"
_MAX_VALUES = 2**26  # 64 variants of 64 images at 1024 px: 32 million


def write_codes(path: str | Path, codes: Tensor, generator_id: str) -> None:
    """Write style codes; a reader sees the old file or the whole new one.

    Args:
        path: ends with .safetensors; its folder exists. Codes there are replaced.
        codes: [B, V, L, D], any device; written in float32.
        generator_id: of the generator that they belong to.

    Raises:
        CheckpointError: the file cannot be written, or is none of codes.
    """
    path = Path(path)
    if path.exists():
        read_codes(path)
    metadata = {"format": FORMAT, "format_version": str(FORMAT_VERSION)}
    metadata["generator_id"] = generator_id
    write_container(path, {_TENSOR: codes.float()}, metadata)


def read_codes(path: str | Path) -> tuple[Tensor, str]:
    """Return style codes [B, V, L, D] float32 and the id of their generator.

    Raises:
        CheckpointError: the file is missing, foreign, damaged or too new.
    """
    path = Path(path)
    with open_container(path, _EXPECTED) as container:
        metadata, layouts = container.metadata, container.layouts
        remedy = "Use a file that WPlus.save wrote."
        container.check_format(FORMAT, FORMAT_VERSION, "codes", _EXPECTED, remedy)
        shape = layouts[_TENSOR].shape if list(layouts) == [_TENSOR] else ()
        is_fitting = len(shape) == 4 and 0 < math.prod(shape) <= _MAX_VALUES
        generator_id = metadata.get("generator_id")
        if not is_fitting or not is_generator_id(generator_id):
            expected = "a tensor `codes` of shape [B, V, L, D] and a generator_id"
            raise CheckpointError(expected, f"something else in {path}", "Save the codes again.")
        tensor = container.load(_TENSOR)
    if not bool(tensor.isfinite().all()):
        raise CheckpointError("finite codes", f"NaN or infinity in {path}", "Save the codes again.")
    return tensor, str(generator_id)
