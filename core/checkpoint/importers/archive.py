"""The central directory of a zip file whose entries are stored uncompressed, as PyTorch writes it.

Python's zipfile builds an object for every entry before one can look at their number, and reads
overlapping entries. Here entries are views of the file: a zip bomb has nothing to unpack. Only
NumPy's archives may be compressed; what they announce is counted before it is unpacked.
"""

import struct
import zlib
from typing import NamedTuple

from .errors import Budget, damaged

_END = b"PK\x05\x06"
_END_64 = b"PK\x06\x06"
_LOCATOR_64 = b"PK\x06\x07"
_ENTRY = b"PK\x01\x02"
_LOCAL = b"PK\x03\x04"
_END_SIZE, _LOCATOR_SIZE, _ENTRY_SIZE, _LOCAL_SIZE = 22, 20, 46, 30
_MAX_COMMENT = 2**16
_UNKNOWN_32 = 2**32 - 1
_DEFLATED = 8
_ENTRY_COST = 256
"""Bytes of memory for an entry's name and place."""

_CUT = "It is a zip archive that is cut or damaged."


class _Entry(NamedTuple):
    offset: int
    """Of the local header."""
    size: int
    flags: int
    method: int
    packed: int


class Archive:
    """The entries of a zip file, by name."""

    def __init__(self, data: memoryview, budget: Budget, *, may_be_packed: bool = False) -> None:
        """Read the central directory.

        Args:
            data: the whole file.
            budget: of the file.
            may_be_packed: whether entries may take more bytes than the file; see `unpack`.

        Raises:
            RefusedFileError: the directory is cut, damaged or lists too much.
        """
        self._data = data
        try:
            self._entries = self._read_directory(budget)
        except (struct.error, IndexError, UnicodeDecodeError) as error:
            raise damaged(_CUT) from error
        entries = self._entries.values()
        total = sum(entry.packed if may_be_packed else entry.size for entry in entries)
        if total > len(data):
            raise damaged(
                f"It is a zip archive of {len(data):,} bytes whose entries take {total:,} bytes."
            )

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the entries."""
        return tuple(self._entries)

    def read(self, name: str) -> memoryview:
        """Return the bytes of an entry; nothing is copied.

        Raises:
            RefusedFileError: it is absent, compressed, encrypted or outside the file.
        """
        entry = self._entries.get(name)
        if entry is None:
            raise damaged(f"It is a PyTorch file without its entry {name[:80]!r}.")
        if entry.method or entry.flags & 1 or entry.packed != entry.size:
            raise damaged(
                f"It has the compressed or encrypted entry {name[:80]!r}; PyTorch writes none."
            )
        return self._stored(entry)

    def unpack(self, name: str, budget: Budget) -> memoryview:
        """Return the bytes of an entry, unpacked if it is compressed.

        Args:
            name: of an entry.
            budget: what is unpacked counts as a tensor.

        Raises:
            RefusedFileError: it is encrypted, compressed in another way than zlib's, damaged, or
                too large.
        """
        entry = self._entries[name]
        if entry.flags & 1 or entry.method not in (0, _DEFLATED):
            raise damaged(f"It has the entry {name[:80]!r}, which is encrypted or packed oddly.")
        if not entry.method:
            return self.read(name)
        budget.allocate_tensor(entry.size)
        try:
            unpacked = zlib.decompressobj(-zlib.MAX_WBITS).decompress(
                self._stored(entry), entry.size + 1
            )
        except zlib.error as error:
            raise damaged(_CUT) from error
        if len(unpacked) != entry.size:
            raise damaged(f"It has the entry {name[:80]!r}, which unpacks to another size.")
        return memoryview(unpacked)

    def _stored(self, entry: _Entry) -> memoryview:
        start = entry.offset
        local = bytes(self._data[start : start + _LOCAL_SIZE])
        if len(local) < _LOCAL_SIZE or not local.startswith(_LOCAL):
            raise damaged(_CUT)
        first = start + _LOCAL_SIZE + sum(struct.unpack_from("<2H", local, 26))
        if first + entry.packed > len(self._data):
            raise damaged(_CUT)
        return self._data[first : first + entry.packed]

    def _read_directory(self, budget: Budget) -> dict[str, _Entry]:
        position, size = self._find_directory()
        end = position + size
        entries: dict[str, _Entry] = {}
        while position < end:
            budget.allocate_object(_ENTRY_COST)
            position = self._read_entry(position, entries)
        return entries

    def _find_directory(self) -> tuple[int, int]:
        """Return where the central directory starts and how long it is."""
        tail_start = max(0, len(self._data) - _END_SIZE - _MAX_COMMENT)
        tail = bytes(self._data[tail_start:])
        found = tail.rfind(_END)
        if found < 0 or len(tail) - found < _END_SIZE:
            raise damaged(_CUT)
        size, offset = struct.unpack_from("<2I", tail, found + 12)
        locator = tail[max(0, found - _LOCATOR_SIZE) : found]
        if locator.startswith(_LOCATOR_64):
            (place,) = struct.unpack_from("<Q", locator, 8)
            record = bytes(self._data[place : place + 56])
            if not record.startswith(_END_64):
                raise damaged(_CUT)
            size, offset = struct.unpack_from("<2Q", record, 40)
        if offset + size > len(self._data):
            raise damaged(_CUT)
        return offset, size

    def _read_entry(self, position: int, entries: dict[str, _Entry]) -> int:
        head = bytes(self._data[position : position + _ENTRY_SIZE])
        if not head.startswith(_ENTRY):
            raise damaged(_CUT)
        flags, method = struct.unpack_from("<2H", head, 8)
        packed, size, name_size, extra_size, comment_size = struct.unpack_from("<2I3H", head, 20)
        (offset,) = struct.unpack_from("<I", head, 42)
        position += _ENTRY_SIZE
        name = str(self._data[position : position + name_size], "utf-8")
        extra = bytes(self._data[position + name_size : position + name_size + extra_size])
        size, packed, offset = _widen(extra, size, packed, offset)
        if name in entries:
            raise damaged(f"It is a zip archive with two entries {name[:80]!r}.")
        entries[name] = _Entry(offset, size, flags, method, packed)
        return position + name_size + extra_size + comment_size


def _widen(extra: bytes, *values: int) -> tuple[int, ...]:
    """Replace numbers that did not fit 32 bits by those of the zip64 field."""
    wide: list[int] = []
    position = 0
    while position + 4 <= len(extra):
        kind, size = struct.unpack_from("<2H", extra, position)
        if kind == 1:
            wide = [*struct.unpack_from(f"<{size // 8}Q", extra, position + 4)]
        position += 4 + size
    return tuple(wide.pop(0) if value == _UNKNOWN_32 else value for value in values)
