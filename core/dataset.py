"""Data sets: folders, zips and lists of images, as squares of one size.

Legend: N images, R their side in pixels.
"""

import lzma
import math
import struct
import tempfile
import zipfile
import zlib
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from .errors import InputError
from .image_decoding import decode_rgb
from .image_listing import SUFFIXES, image_files
from .printable import get_logger

_log = get_logger(__name__)

_MAX_UNREADABLE_FRAC = 0.01
_MAX_BYTES_IN_MEMORY = 2**31  # beyond, images lie in a temporary file
READ_ERRORS = (
    *(OSError, RuntimeError, EOFError, ValueError, LookupError),
    *(zlib.error, lzma.LZMAError, struct.error, zipfile.BadZipFile),
)
"""What reading an entry of a damaged, encrypted or exotic zip raises."""


def load_images(source: Path, resolution: int) -> tuple[list[str], Tensor]:
    """Read all images of a folder or zip, sorted by name, or of a list, in its order.

    Each is decoded as `read_image` does, rounded to 8 bits, cropped to its central square and,
    unless that has the size already, resized with Lanczos. What is transparent shows white. Hidden
    files and folders are left aside; unreadable files are skipped with a warning. More than 2 GiB
    lie in a temporary file, which the system reads as needed; TMPDIR says where.

    Args:
        source: folder (searched recursively), zip file, or list, see `image_files`.
        resolution: R, in pixels.

    Returns:
        Names, and [N, 3, R, R] uint8.

    Raises:
        InputError: no such folder, zip or list, no images, or more than 1 % of them unreadable.
    """
    names: list[str] = []
    unreadable: list[str] = []
    squares = _allocate(sum(1 for _ in image_files(source)), resolution)
    for name, read in image_files(source):
        try:
            squares[len(names)] = square_of(decode_rgb(read(), name), resolution)
            names.append(name)
        except InputError as error:
            unreadable.append(name)
            _log.warning("skipped %s: %s", name, error.got)
        except READ_ERRORS as error:
            unreadable.append(name)
            _log.warning("skipped %s: %s", name, error)
    check_readable(source, len(names), unreadable)
    if unreadable:
        _log.warning("skipped %d of %d images", len(unreadable), len(unreadable) + len(names))
    return names, torch.from_numpy(squares[: len(names)])


def _allocate(num_images: int, resolution: int) -> np.ndarray:
    """Return room for images [N, 3, R, R] uint8: in memory, or in a temporary file if it is much.

    The file has no name and vanishes with the process. The system keeps in memory what is used and
    is free to drop it.
    """
    shape = (num_images, 3, resolution, resolution)
    if math.prod(shape) <= _MAX_BYTES_IN_MEMORY:
        return np.empty(shape, np.uint8)
    with tempfile.TemporaryFile(prefix="diverse-inpainting-") as file:
        return np.memmap(file, np.uint8, "w+", shape=shape)


def check_readable(source: Path, num_readable: int, unreadable: list[str]) -> None:
    """Raise InputError if a data set has no images, or if over 1 % of them cannot be read."""
    total = num_readable + len(unreadable)
    if num_readable and len(unreadable) <= _MAX_UNREADABLE_FRAC * total:
        return
    if unreadable:
        some = f"{len(unreadable)} of {total} images in {source}"
        problem = f"{some} cannot be read, the first being {unreadable[0]}."
        remedy = "Repair or remove them."
    elif source.is_dir() or source.is_file():
        problem = f"No images in {source}."
        remedy = f"Choose a folder, zip or .txt list of images ({', '.join(SUFFIXES)})."
    else:
        problem = f"No such folder or zip file: {source}."
        remedy = "Check the path."
    raise InputError(
        "a folder or zip of images, at most 1 % of them unreadable",
        f"{num_readable} readable and {len(unreadable)} unreadable in {source}",
        remedy,
        problem=problem,
    )


def square_of(image: Image.Image, resolution: int) -> np.ndarray:
    """Return an image's central square at another size, [3, R, R] uint8."""
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    image = image.crop((left, top, left + side, top + side))
    if side != resolution:
        image = image.resize((resolution, resolution), Image.Resampling.LANCZOS)
    return np.asarray(image).transpose(2, 0, 1).copy()
