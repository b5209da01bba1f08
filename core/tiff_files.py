"""TIFFs that Pillow does not write: 16-bit colour, and EXIF beside compressed pixels.

Pillow writes the pixels; then a new directory at the end of the file says more about them.
"""

import io
import struct
from collections.abc import Mapping
from typing import Any

import numpy as np
from PIL import Image
from PIL.TiffImagePlugin import ImageFileDirectory_v2

_SHORT, _LONG = 3, 4
_ENTRY = struct.Struct("<HHII")
_WIDTH, _BITS, _PHOTOMETRIC, _SAMPLES, _EXTRA = 256, 258, 262, 277, 338  # tags
_RGB, _UNASSOCIATED_ALPHA = 2, 2
_INNER = "directories"

_Entries = dict[int, tuple[int, int, int]]
"""Type, number of values, and value or place, by tag."""


def encode_tiff(image: Image.Image, options: Mapping[str, Any]) -> bytes:
    """Return a TIFF.

    Args:
        image: of a mode that Pillow writes.
        options: for Pillow's writer; beside them `directories`, the entries of inner directories
            (EXIF, GPS) by tag.
    """
    buffer = io.BytesIO()
    image.save(buffer, "TIFF", **{name: x for name, x in options.items() if name != _INNER})
    data, entries = _read_directory(buffer.getvalue())
    for tag, content in options.get(_INNER, {}).items():
        inner = ImageFileDirectory_v2(prefix=b"II", group=tag)
        for key, value in content.items():
            inner[key] = value
        entries[tag] = (_LONG, 1, len(data))
        data = _even(data + inner.tobytes(len(data)))
    return _with_directory(data, entries)


def encode_deep_tiff(pixels: np.ndarray, options: Mapping[str, Any]) -> bytes:
    """Return a TIFF of [H, W, C] uint16, C of 3 or 4.

    Pillow writes grey of 16 bits but not colour; the bytes of a row are the same.

    Args:
        pixels: upright, RGB or RGBA.
        options: as for `encode_tiff`.
    """
    height, width, channels = pixels.shape
    rows = np.ascontiguousarray(pixels.reshape(height, width * channels))
    data, entries = _read_directory(encode_tiff(Image.fromarray(rows), options))
    entries[_WIDTH] = (_LONG, 1, width)
    entries[_BITS] = (_SHORT, channels, len(data))  # too long for the entry: they stand there
    entries[_PHOTOMETRIC] = (_SHORT, 1, _RGB)
    entries[_SAMPLES] = (_SHORT, 1, channels)
    if channels == 4:
        entries[_EXTRA] = (_SHORT, 1, _UNASSOCIATED_ALPHA)
    bits = struct.pack(f"<{channels}H", *(16,) * channels)
    return _with_directory(_even(data + bits), entries)


def _even(data: bytes) -> bytes:
    """Directories and values start at even places."""
    return data + bytes(len(data) % 2)


def _read_directory(data: bytes) -> tuple[bytes, _Entries]:
    """Return a file that Pillow wrote, of even length, and its first directory."""
    (start,) = struct.unpack_from("<I", data, 4)
    (count,) = struct.unpack_from("<H", data, start)
    places = range(start + 2, start + 2 + count * _ENTRY.size, _ENTRY.size)
    found = (_ENTRY.unpack_from(data, place) for place in places)
    return _even(data), {tag: (kind, number, value) for tag, kind, number, value in found}


def _with_directory(data: bytes, entries: _Entries) -> bytes:
    """Return the file with a directory at its end, in place of its first one."""
    directory = struct.pack("<H", len(entries))
    directory += b"".join(_ENTRY.pack(tag, *entries[tag]) for tag in sorted(entries))
    return data[:4] + struct.pack("<I", len(data)) + data[8:] + directory + bytes(4)
