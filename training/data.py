"""Photographs for training, decoded once and kept in memory as bytes."""

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

from ..core.errors import InputError
from .config import DataConfig
from .hardware import send
from .seeding import WHOLE, Draws, Share, generator_for

_log = logging.getLogger(__name__)
_SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".bmp"}

# What Pillow and zipfile raise on damaged files.
_DAMAGES = (
    *(OSError, ValueError, SyntaxError, EOFError, RuntimeError, IndexError, KeyError),
    *(struct.error, zlib.error, zipfile.BadZipFile, Image.DecompressionBombError),
)


def load_pictures(source: Path, resolution: int) -> tuple[list[str], Tensor]:
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


class Photographs:
    """Batches of photographs that depend on (seed, images seen) alone."""

    def __init__(
        self, pictures: Tensor, config: DataConfig, seed: int, labels: Tensor | None = None
    ) -> None:
        """Deal out pictures.

        Args:
            pictures: [N, 3, R, R] uint8.
            config: which are kept for choosing checkpoints, and whether they are mirrored.
            seed: of the order.
            labels: one-hot [N, K]; None for no classes.
        """
        # A single picture is kept for training: there would be nothing left to draw from.
        every = config.holdout_every if len(pictures) > 1 else 0
        held = torch.arange(len(pictures)) % every == 0 if every else torch.zeros(len(pictures)) > 0
        self.training = pictures[~held]
        self.held_out = pictures[held]
        labels = torch.zeros(len(pictures), 0) if labels is None else labels
        self._labels = labels[~held]
        self._config = config
        self._seed = seed

    @property
    def unseen(self) -> Tensor:
        """Pictures that no training sees; where none are kept for that, those that it sees."""
        return self.held_out if len(self.held_out) else self.training

    def to(self, device: torch.device) -> "Photographs":
        """Move the training pictures to the device."""
        self.training, self._labels = self.training.to(device), self._labels.to(device)
        return self

    def batch(self, nimg: int, size: int, share: Share = WHOLE) -> Tensor:
        """Return the share of pictures nimg .. nimg + size - 1 of the endless shuffled sequence.

        Returns:
            [n, 3, R, R] float32 in [-1, 1], each mirrored with probability one half.
        """
        device = self.training.device
        index = send(self._index(nimg, size, share), device)
        images = self.training[index].float().div_(127.5).sub_(1)
        if self._config.mirror:
            draws = Draws(generator_for(self._seed, "mirror", nimg), share)
            coin = send(draws.uniform(len(images)) < 0.5, device)
            images = torch.where(coin[:, None, None, None], images.flip(3), images)
        return images

    def labels(self, nimg: int, size: int, share: Share = WHOLE) -> Tensor:
        """Return the labels of the pictures of `batch`, one-hot [n, K]."""
        return self._labels[send(self._index(nimg, size, share), self._labels.device)]

    def random_labels(self, nimg: int, size: int, share: Share = WHOLE) -> Tensor:
        """Return labels of random pictures, one-hot [n, K], as often as they occur."""
        draws = Draws(generator_for(self._seed, "labels", nimg), share)
        index = draws.integers(0, len(self._labels), size // share.count)
        return self._labels[send(index, self._labels.device)]

    def _index(self, nimg: int, size: int, share: Share) -> Tensor:
        count = len(self.training)
        positions = torch.arange(nimg, nimg + size)
        order = {e: self._order(e) for e in range(nimg // count, (nimg + size - 1) // count + 1)}
        return torch.stack([order[int(p) // count][int(p) % count] for p in share.of(positions)])

    def _order(self, epoch: int) -> Tensor:
        generator = generator_for(self._seed, "order", epoch)
        return torch.randperm(len(self.training), generator=generator)
