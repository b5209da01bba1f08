"""NumPy's two file formats, read without NumPy's loader: one array (.npy), or a zip of them (.npz).

The header of an array is a Python literal; here a pattern matches it. Arrays of Python objects,
which are pickles, are refused.
"""

import re
import struct

from .archive import Archive
from .arrays import Array, Storage, numpy_type, row_major
from .errors import Budget, damaged

_MAGIC = b"\x93NUMPY"
_SUFFIX = ".npy"
_ZIP = b"PK\x03\x04"
_LOCAL_HEADER, _NAME_SIZE = 30, 26  # bytes of a zip's first header; where it has its name's length
_MAX_HEADER = 10_000  # NumPy's own limit
_HEADER = re.compile(
    r"\{'descr': '([<|=>])([a-zA-Z][0-9]{1,3})', 'fortran_order': (False|True), "
    r"'shape': \(((?:[0-9]{1,13}L?(?:, ?|(?=\))))*)\), ?\}\s*"
)


def is_npy(data: memoryview) -> bool:
    """Return whether a file starts like an array of NumPy."""
    return bytes(data[: len(_MAGIC)]) == _MAGIC


def is_npz(data: memoryview) -> bool:
    """Return whether a file is a zip whose first entry is named like an array of NumPy."""
    if len(data) < _LOCAL_HEADER or bytes(data[:4]) != _ZIP:
        return False
    (size,) = struct.unpack_from("<H", data, _NAME_SIZE)
    return bytes(data[_LOCAL_HEADER : _LOCAL_HEADER + size]).endswith(_SUFFIX.encode())


def read_npy(data: memoryview) -> Array:
    """Return the array of a file.

    Args:
        data: the whole file.

    Raises:
        RefusedFileError: it is damaged, or holds something other than numbers.
    """
    major = data[6] if len(data) > 6 else 0
    layout = {1: "<H", 2: "<I", 3: "<I"}.get(major)
    start = 8 + struct.calcsize(layout or "")
    if layout is None or start > len(data):
        raise damaged("It is a NumPy array that is cut or of an unknown version.")
    (size,) = struct.unpack_from(layout, data, 8)
    if size > min(_MAX_HEADER, len(data) - start):
        raise damaged(f"It is a NumPy array that announces a header of {size:,} bytes.")
    text = str(data[start : start + size], "latin-1")
    found = _HEADER.fullmatch(text)
    if found is None:
        raise damaged("It is a NumPy array of Python objects or with a damaged header.")
    order, name, is_fortran, axes = found.groups()
    dtype = numpy_type(name, order)
    shape = [int(axis.strip().rstrip("L")) for axis in axes.split(",") if axis.strip()]
    values = data[start + size :]
    storage = Storage(dtype, len(values) // dtype.itemsize)
    storage.attach(values)
    array = row_major(storage, shape[::-1] if is_fortran == "True" else shape)
    if array.count != storage.count:
        raise damaged(f"It is a NumPy array of shape {shape} in {len(values):,} bytes.")
    if is_fortran == "True":
        return Array(storage, array.shape[::-1], array.strides[::-1], 0)
    return array


def read_npz(data: memoryview, budget: Budget) -> dict[str, Array]:
    """Return the arrays of a zip file, by name; compressed ones are unpacked within the budget.

    Args:
        data: the whole file.
        budget: of the file.

    Raises:
        RefusedFileError: it is damaged, unpacks to too much, or holds something other than arrays.
    """
    archive = Archive(data, budget, may_be_packed=True)
    return {
        name.removesuffix(_SUFFIX): read_npy(archive.unpack(name, budget)) for name in archive.names
    }
