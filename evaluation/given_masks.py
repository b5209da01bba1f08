"""Hole masks that somebody has published: a folder of images or .npz files, or one .npz file.

Legend: n images, m masks, R their side in pixels.
"""

import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from ..core.errors import InputError
from ..core.hole_masks import HOLE_LEVEL, hole_mask_to_b1hw
from ..core.image_listing import list_images
from ..core.mask_files import read_mask
from ..core.masks import hole_ratio
from .images import Images, Storage

_ARCHIVE = ".npz"
_DAMAGED = (OSError, ValueError, TypeError, KeyError, EOFError, zipfile.BadZipFile)
_MAX_BYTE = 255


class MaskSet(NamedTuple):
    """Masks that are neither empty nor full."""

    names: list[str]
    """Without suffix; those of a stack of masks are empty."""
    masks: Images
    """[m, 1, R, R] bool, True = fill."""
    ratios: Tensor
    """[m] float32, the erased fractions."""

    def within(self, hole_range: tuple[float, float]) -> Tensor:
        """Return the positions of masks with low <= ratio < high, [k] int64."""
        low, high = hole_range
        return ((self.ratios >= low) & (self.ratios < high)).nonzero()[:, 0]


class _Entry(NamedTuple):
    name: str
    source: str
    """For messages."""
    read: Callable[[], Tensor]


def read_mask_set(source: Path, resolution: int, *, inverted: bool, storage: Storage) -> MaskSet:
    """Read all masks, each process some of them.

    Images are read as `read_mask` does. An .npz file has one mask [H, W] under each name, or stacks
    of them, [m, H, W], [m, 1, H, W] or [m, H, W, 1]: bool, 0 and 1, 0 to 255, or from 0 to 1. Masks
    of other sizes are resized with antialiasing; from 0.5 on a pixel is filled.

    Args:
        source: folder, searched recursively, or .npz file.
        resolution: R.
        inverted: black, or 0, means "fill".
        storage: keeps them.

    Raises:
        InputError: no masks, or one that is damaged, not square, empty or full.
    """
    entries = _entries(source)
    stored = storage.room(len(entries), 1, resolution, resolution, dtype=np.bool_)
    for place, entry in storage.share(entries):
        mask = entry.read()
        soft = _at_resolution(1 - mask if inverted else mask, resolution, entry.source)
        stored.write(torch.tensor([place]), soft >= HOLE_LEVEL)
    storage.meet()
    ratios = torch.cat([hole_ratio(masks) for masks in stored.images.chunks()])
    full = (ratios == 1).nonzero()[:, 0].tolist()
    if full:
        raise InputError(
            "masks that leave some of the image",
            f"a full one, {entries[full[0]].source}",
            "Remove it. Where black means fill, give --invert-masks.",
        )
    return MaskSet([entry.name for entry in entries], stored.images, ratios)


def _at_resolution(mask: Tensor, resolution: int, source: str) -> Tensor:
    """[1, 1, R, R] from [1, H, W]."""
    try:
        return hole_mask_to_b1hw(mask, 1, resolution, resolution)
    except InputError as error:
        raise InputError(
            error.expected,
            error.got,
            f"Check {source}. Where black means fill, give --invert-masks.",
            problem=f"The mask {source} cannot be used: {error}",
        ) from error


def _entries(source: Path) -> list[_Entry]:
    if source.is_dir():
        images = [_image(path, source) for path in list_images(source, recursive=True).images]
        archives = sorted(source.rglob(f"[!.]*{_ARCHIVE}"))
        entries = images or [entry for path in archives for entry in _of_archive(path)]
    else:
        entries = _of_archive(source)
    if not entries:
        expected = f"a folder of masks, images or {_ARCHIVE} files"
        raise InputError(expected, f"{source}, which has none", "Check the path.")
    return entries


def _image(path: Path, folder: Path) -> _Entry:
    name = joined(path.relative_to(folder).as_posix())
    return _Entry(name, str(path), lambda: read_mask(path))


def joined(file: str) -> str:
    """Return the path of a file without suffix, its folders joined by underscores."""
    return "_".join(PurePosixPath(file).with_suffix("").parts)


def _of_archive(path: Path) -> list[_Entry]:
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        if any(array.dtype.kind not in "biuf" for array in arrays.values()):
            raise ValueError("an array holds something other than real numbers")
    except _DAMAGED as error:
        reason = f"{type(error).__name__}: {error}"
        raise InputError(
            f"a folder of masks, or an {_ARCHIVE} file of them",
            f"{path} ({reason})",
            "Check the path, and that the file is whole.",
            problem=f"The masks {path} cannot be read ({reason}).",
        ) from error
    entries = []
    for name, array in arrays.items():
        own = path.stem if len(arrays) == 1 else name
        if array.ndim == 2:
            entries.append(_Entry(own, f"{name} of {path}", lambda array=array: _tensor(array)))
            continue
        for number, mask in enumerate(_unstacked(array, f"{name} of {path}")):
            source = f"{name}[{number}] of {path}"
            entries.append(_Entry("", source, lambda mask=mask: _tensor(mask)))
    return entries


def _unstacked(array: np.ndarray, source: str) -> Sequence[np.ndarray]:
    """Return the masks [H, W] of a stack."""
    if array.ndim == 4 and 1 in (array.shape[1], array.shape[3]):
        array = array[:, 0] if array.shape[1] == 1 else array[..., 0]
    if array.ndim != 3:
        shapes = "[H, W], [m, H, W], [m, 1, H, W] or [m, H, W, 1]"
        raise InputError(
            f"masks of shape {shapes}", f"{source} of shape {array.shape}", "Save them again."
        )
    return list(array)


def _tensor(mask: np.ndarray) -> Tensor:
    """[1, H, W] float32 in [0, 1] from numbers of any kind; others are left to be refused."""
    values = mask.astype(np.float32)
    is_bytes = mask.dtype != np.bool_ and np.issubdtype(mask.dtype, np.integer) and mask.max() > 1
    return torch.from_numpy(values / _MAX_BYTE if is_bytes else values)[None]
