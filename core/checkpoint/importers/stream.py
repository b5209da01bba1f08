"""Reads the values that a pickle's opcodes announce, each size checked before memory is taken."""

import struct
from typing import Any

from .errors import Budget, damaged

_MAX_TEXT = 2**24
_MAX_NAME = 512
_MAX_NUMBER = 1024
"""Bytes of an integer."""
_BYTES_PER_CHARACTER = 4


class Stream:
    """Bytes that are read from the start; large ones stay views of the file."""

    def __init__(self, data: memoryview, budget: Budget) -> None:
        """Start at the first byte.

        Args:
            data: the bytes.
            budget: of the file, for what is copied.
        """
        self._data = data
        self._budget = budget
        self.position = 0
        """Of the next byte to be read."""

    def take(self, size: int) -> memoryview:
        """Return the next bytes.

        Raises:
            RefusedFileError: fewer are left.
        """
        left = len(self._data) - self.position
        if size > left:
            raise damaged(f"It announces {size:,} bytes where {left:,} are left.")
        start, self.position = self.position, self.position + size
        return self._data[start : self.position]

    def number(self, layout: str) -> Any:  # noqa: ANN401 - an int or a float, as the layout says
        """Return a number in a layout of `struct`."""
        return struct.unpack(layout, self.take(struct.calcsize(layout)))[0]

    def whole_number(self, size: int) -> int:
        """Return a whole number of any size.

        Raises:
            RefusedFileError: no checkpoint holds one so long, or fewer bytes are left.
        """
        if size > _MAX_NUMBER:
            raise damaged(f"It holds a whole number of {size:,} bytes.")
        return int.from_bytes(self.take(size), "little", signed=True)

    def text(self, size: int, encoding: str = "utf-8") -> str:
        """Return a text.

        Raises:
            RefusedFileError: it is too long or would cost too much, or fewer bytes are left.
            UnicodeDecodeError: it is damaged.
        """
        raw = self.take(size)
        if size > _MAX_TEXT:
            raise damaged(f"It holds a text of {size:,} bytes.")
        self._budget.allocate_object(_BYTES_PER_CHARACTER * size)
        return str(raw, encoding, "surrogatepass" if encoding == "utf-8" else "strict")

    def line(self) -> str:
        """Return the text up to the end of the line.

        Raises:
            RefusedFileError: it does not end within 512 bytes.
            UnicodeDecodeError: it is damaged.
        """
        raw = bytes(self._data[self.position : self.position + _MAX_NAME])
        end = raw.find(b"\n")
        if end < 0:
            raise damaged("It has a pickle with a name that does not end.")
        self.position += end + 1
        return raw[:end].decode("utf-8")
