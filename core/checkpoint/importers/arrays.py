"""Tensors of a foreign file: where their values are, checked against the file before any is read.

Storages are not given to `torch.load`, not even with `weights_only`: it unpickles with Python's
own machine, allocates what a file declares before it has read it, and needs a second pass for
NVIDIA's pickles, which keep each tensor in a pickle of its own. Here every storage is a view of
the file, and a tensor is copied once, when it is used.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .errors import Budget, damaged
from .records import REBUILD_PARAMETER, REBUILD_TENSOR, Global, Record

_STORAGE_TYPES: dict[str, torch.dtype] = {
    "torch.FloatStorage": torch.float32,
    "torch.HalfStorage": torch.float16,
    "torch.BFloat16Storage": torch.bfloat16,
    "torch.DoubleStorage": torch.float64,
    "torch.LongStorage": torch.int64,
    "torch.IntStorage": torch.int32,
    "torch.ShortStorage": torch.int16,
    "torch.CharStorage": torch.int8,
    "torch.ByteStorage": torch.uint8,
    "torch.BoolStorage": torch.bool,
    "torch.ComplexFloatStorage": torch.complex64,
    "torch.ComplexDoubleStorage": torch.complex128,
}
_NUMPY_TYPES: dict[str, torch.dtype] = {
    "f2": torch.float16,
    "f4": torch.float32,
    "f8": torch.float64,
    "i1": torch.int8,
    "i2": torch.int16,
    "i4": torch.int32,
    "i8": torch.int64,
    "u1": torch.uint8,
    "b1": torch.bool,
}
_MAX_DIMENSIONS = 8
_LARGEST = 2**40


@dataclass(eq=False)
class Storage:
    """A run of values of one type, in the file's order."""

    dtype: torch.dtype
    count: int
    """Number of values that the file announces."""
    data: memoryview | None = None
    """Their bytes, little-endian; None until they have been found."""

    @property
    def size(self) -> int:
        """Bytes that the values take."""
        return self.count * self.dtype.itemsize

    def attach(self, data: memoryview) -> None:
        """Say where the bytes are.

        Raises:
            RefusedFileError: there are not as many as announced.
        """
        if len(data) != self.size:
            raise damaged(f"It announces {self.size:,} bytes of values and holds {len(data):,}.")
        self.data = data


@dataclass(frozen=True, eq=False)
class Array:
    """A tensor within a storage; nothing has been read yet."""

    storage: Storage
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    """In elements."""
    offset: int
    """In elements."""

    def __post_init__(self) -> None:
        sizes = (*self.shape, *self.strides, self.offset)
        fits = (
            len(self.shape) == len(self.strides) <= _MAX_DIMENSIONS
            and all(type(size) is int and 0 <= size < _LARGEST for size in sizes)
            and self.count <= self.storage.count
            and (self.count == 0 or self._end <= self.storage.count)
        )
        if not fits:
            raise damaged(
                f"It has a tensor whose shape does not fit its storage of {self.storage.count:,} "
                "values."
            )

    @property
    def count(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    @property
    def _end(self) -> int:
        steps = zip(self.shape, self.strides, strict=True)
        return self.offset + sum((size - 1) * stride for size, stride in steps) + 1

    def load(self, budget: Budget) -> Tensor:
        """Return a copy in float32, row-major.

        Args:
            budget: of the file.

        Raises:
            RefusedFileError: the elements are no real numbers, or the memory is used up.
        """
        storage = self.storage
        if not storage.dtype.is_floating_point:
            raise damaged(f"It has weights of type {storage.dtype}.")
        budget.allocate_tensor(self.count * torch.float32.itemsize)
        assert storage.data is not None, "attached when the file was read"
        if self.count == 0:
            return torch.empty(self.shape)
        width = storage.dtype.itemsize
        span = storage.data[self.offset * width : self._end * width]
        flat = torch.from_numpy(np.frombuffer(span, np.uint8).copy()).view(storage.dtype)
        return flat.as_strided(self.shape, self.strides).float().contiguous()


def row_major(storage: Storage, shape: Sequence[int]) -> Array:
    """Return the tensor that fills a storage from its start."""
    strides = [math.prod(shape[i + 1 :]) for i in range(len(shape))]
    return Array(storage, tuple(shape), tuple(strides), 0)


def storage_of(persistent_id: object) -> tuple[Storage, str]:
    """Return what a persistent id of a PyTorch file announces, and the key of its bytes.

    Raises:
        RefusedFileError: it is malformed.
    """
    match persistent_id:
        case ("storage", Global() as kind, str(key), str(), int(count), *rest) if (
            kind.path in _STORAGE_TYPES and 0 <= count < _LARGEST and not any(rest)
        ):
            return Storage(_STORAGE_TYPES[kind.path], count), key
    raise damaged("It has a tensor whose values are in an unknown place.")


def array_of(value: object) -> Array | None:
    """Return the tensor or NumPy array that a record describes; None for anything else.

    Raises:
        RefusedFileError: the record is malformed, or its array holds Python objects.
    """
    if isinstance(value, Record) and value.path in REBUILD_PARAMETER and value.args:
        value = value.args[0]
    if isinstance(value, Storage):
        return row_major(value, (value.count,))
    if not isinstance(value, Record):
        return None
    if value.path in REBUILD_TENSOR:
        return _torch_tensor(value.args)
    if value.path.endswith(".multiarray._reconstruct"):
        return _numpy_array(value.state)
    if value.path.endswith(".numeric._frombuffer"):
        return _numpy_buffer(value.args)
    if value.path.endswith(".multiarray.scalar"):
        return _numpy_scalar(value.args)
    return None


def _torch_tensor(args: tuple[Any, ...]) -> Array:
    match args:
        case (Storage() as storage, int(offset), shape, strides, *_):
            return Array(storage, _sizes(shape), _sizes(strides), offset)
    raise damaged("It has a malformed tensor.")


def _sizes(value: object) -> tuple[int, ...]:
    if isinstance(value, Record) and value.path == "torch.Size" and value.args:
        value = value.args[0]
    if not isinstance(value, tuple):
        raise damaged("It has a tensor without a shape.")
    return value


def _numpy_array(state: object) -> Array:
    match state:
        case (int(), tuple() as shape, Record() as kind, bool() as is_fortran, memoryview() as raw):
            return _from_bytes(raw, kind, shape, is_fortran)
    raise damaged("It has a NumPy array that is malformed or holds Python objects.")


def _numpy_buffer(args: tuple[Any, ...]) -> Array:
    match args:
        case (memoryview() as raw, Record() as kind, tuple() as shape, "C" | "F" as order):
            return _from_bytes(raw, kind, shape, order == "F")
    raise damaged("It has a malformed NumPy array.")


def _from_bytes(raw: memoryview, kind: Record, shape: tuple[int, ...], is_fortran: bool) -> Array:
    dtype = _numpy_dtype(kind)
    storage = Storage(dtype, len(raw) // dtype.itemsize)
    storage.attach(raw)
    array = row_major(storage, _checked(shape[::-1] if is_fortran else shape))
    if not is_fortran:
        return array
    return Array(storage, array.shape[::-1], array.strides[::-1], 0)


def _checked(shape: tuple[int, ...]) -> tuple[int, ...]:
    if len(shape) > _MAX_DIMENSIONS or not all(
        type(size) is int and 0 <= size < _LARGEST for size in shape
    ):
        raise damaged("It has a NumPy array of a malformed shape.")
    return shape


def _numpy_dtype(kind: Record) -> torch.dtype:
    name = kind.args[0] if kind.path == "numpy.dtype" and kind.args else None
    order = kind.state[1] if isinstance(kind.state, tuple) and len(kind.state) > 1 else "<"
    return numpy_type(name, order)


def numpy_type(name: object, order: object) -> torch.dtype:
    """Return the type of NumPy values.

    Args:
        name: such as f4.
        order: of their bytes, as NumPy writes it.

    Raises:
        RefusedFileError: they are big-endian, or no numbers.
    """
    dtype = _NUMPY_TYPES.get(name) if isinstance(name, str) else None
    if dtype is None or order not in ("<", "|", "="):
        shown = name[:20] if isinstance(name, str) else "unknown"
        raise damaged(f"It has NumPy values of the type {shown}.")
    return dtype


def _numpy_scalar(args: tuple[Any, ...]) -> Array | None:
    """TensorFlow's pickles have these where a variable has no axes."""
    match args:
        case (Record() as kind, memoryview() as raw):
            return _from_bytes(raw, kind, (), is_fortran=False)
    return None


def scalar_of(record: Record) -> float | None:
    """Return a NumPy number; None where the record holds none."""
    array = _numpy_scalar(record.args)
    if array is None:
        return None
    storage = array.storage
    assert storage.data is not None
    return torch.frombuffer(bytearray(storage.data), dtype=storage.dtype, count=1).item()
