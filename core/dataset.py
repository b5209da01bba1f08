"""Folders and zips of images, as square images of one side.

Legend: N images, R their side in pixels.
"""

import functools
import io
import logging
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path, PurePath

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from .errors import InputError

_log = logging.getLogger(__name__)
_SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".bmp"}

# What Pillow and zipfile raise on damaged files.
_DAMAGES = (
    *(OSError, ValueError, SyntaxError, EOFError, RuntimeError, IndexError, KeyError),
    *(struct.error, zlib.error, zipfile.BadZipFile, Image.DecompressionBombError),
)


def load_images(source: Path, resolution: int) -> tuple[list[str], Tensor]:
    """Read all pictures of a folder or zip, sorted by name.

    Pictures are turned upright as their EXIF data says, cropped to the central square and, where
    their size differs, resized with Lanczos. Hidden files are left out (macOS puts a `._` file
    beside every picture that it packs).

    Args:
        source: folder (searched through) or zip file.
        resolution: side of the result in pixels.

    Returns:
        Names, and [N, 3, R, R] uint8.

    Raises:
        InputError: no such folder or zip, no pictures, or more than 1 % of them unreadable.
    """
    names: list[str] = []
    pictures: list[np.ndarray] = []
    broken: list[str] = []
    for name, read in _files(source):
        try:
            pictures.append(_decode(read(), resolution))
            names.append(name)
        except _DAMAGES as error:
            broken.append(name)
            _log.warning("skipped %s: %s", name, error)
    if not pictures or len(broken) > 0.01 * (len(broken) + len(pictures)):
        raise InputError(
            "a folder or zip of pictures, at most 1 % of them unreadable",
            f"{len(pictures)} readable and {len(broken)} unreadable in {source}"
            + (f", the first being {broken[0]}" if broken else ""),
            "Check the path, or remove the damaged files.",
        )
    if broken:
        _log.warning("skipped %d of %d pictures", len(broken), len(broken) + len(pictures))
    return names, torch.from_numpy(np.stack(pictures))


def _files(source: Path) -> Iterator[tuple[str, Callable[[], bytes]]]:
    """Yield the pictures by name, each with the function that reads it."""
    if source.is_dir():
        for path in sorted(source.rglob("*")):
            if _is_picture(path.name) and path.is_file():
                yield str(path.relative_to(source)), path.read_bytes
    elif zipfile.is_zipfile(source):
        with zipfile.ZipFile(source) as archive:
            for name in sorted(filter(_is_picture, archive.namelist())):
                yield name, functools.partial(archive.read, name)


def _is_picture(name: str) -> bool:
    path = PurePath(name)
    return path.suffix.lower() in _SUFFIXES and not path.name.startswith(".")


def _decode(data: bytes, resolution: int) -> np.ndarray:
    picture = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
    if picture.mode.startswith(("I", "F")):
        raise ValueError("16-bit greyscale, which converting would turn white")
    picture = picture.convert("RGB")
    side = min(picture.size)
    left, top = (picture.width - side) // 2, (picture.height - side) // 2
    picture = picture.crop((left, top, left + side, top + side))
    if side != resolution:
        picture = picture.resize((resolution, resolution), Image.Resampling.LANCZOS)
    return np.asarray(picture).transpose(2, 0, 1).copy()
