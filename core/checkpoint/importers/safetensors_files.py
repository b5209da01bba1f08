"""Safetensors files, read here so that this subpackage needs nothing but PyTorch and NumPy."""

import json
import struct
from typing import Any

import torch

from .arrays import Array, Storage, row_major
from .errors import Budget, damaged

_TYPES: dict[str, torch.dtype] = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}
_MAX_HEADER = 2**20
"""Bytes; that of a StyleGAN2 has 40,000."""


def is_safetensors(data: memoryview) -> bool:
    """Return whether a file starts like a safetensors file."""
    return len(data) > 9 and data[8] == ord("{") and _header_size(data) <= len(data)


def _header_size(data: memoryview) -> int:
    return struct.unpack("<Q", data[:8])[0]


def read_safetensors(data: memoryview, budget: Budget) -> tuple[dict[str, Array], dict[str, str]]:
    """Return the tensors and the metadata.

    Args:
        data: the whole file.
        budget: of the file.

    Raises:
        RefusedFileError: the header is damaged or too long.
    """
    size = _header_size(data)
    if size > _MAX_HEADER or 8 + size > len(data):
        raise damaged(f"It announces a header of {size:,} bytes.")
    budget.count_operations(
        size // 8
    )  # a value of JSON and its separators take three bytes or more
    try:
        header: dict[str, Any] = json.loads(bytes(data[8 : 8 + size]))
        metadata = header.pop("__metadata__", {})
        values = data[8 + size :]
        arrays = {name: _array(entry, values) for name, entry in header.items()}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise damaged("It has a damaged safetensors header.") from error
    return arrays, {k: v for k, v in metadata.items() if isinstance(v, str)}


def _array(entry: dict[str, Any], values: memoryview) -> Array:
    dtype, shape = _TYPES[entry["dtype"]], entry["shape"]
    start, end = entry["data_offsets"]
    if not 0 <= start <= end <= len(values):
        raise damaged("It has a tensor outside the file.")
    storage = Storage(dtype, (end - start) // dtype.itemsize)
    storage.attach(values[start:end])
    array = row_major(storage, shape)
    if array.count != storage.count:
        raise damaged(f"It has a tensor of shape {str(shape)[:60]} in {end - start:,} bytes.")
    return array
