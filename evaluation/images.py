"""Sets of images that are read when they are needed, so that their number takes no memory.

Legend: n images.
"""

import itertools
import math
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from ..core.distributed import ALONE, Processes
from ..core.files import explain_writing, prepare_folder

CHUNK = 32
"""Images that are read at once: as many as feature networks take. Twice as many take longer, since
the intermediate results of each no longer fit into memory that is at hand."""

_Part = TypeVar("_Part")

_SPACE = "Free some space there, or choose another folder for the report."


@dataclass(frozen=True, eq=False)
class Images:
    """n images, or n groups of them, in memory, in a file or yet to be computed."""

    shape: tuple[int, ...]
    """(n, ...)."""
    read: Callable[[Tensor], Tensor]
    """Returns those at positions [m] int64, as a tensor [m, ...] on the CPU."""

    @classmethod
    def of(cls, tensor: Tensor) -> "Images":
        """Return the images of a tensor [n, ...]."""
        return cls(tuple(tensor.shape), tensor.__getitem__)

    def __len__(self) -> int:
        """Return n."""
        return self.shape[0]

    def __getitem__(self, index: Tensor | slice) -> Tensor:
        """Return those at positions [m] int64 or in a slice, as a tensor [m, ...] on the CPU."""
        return self.read(torch.arange(len(self))[index] if isinstance(index, slice) else index)

    def at(self, index: Tensor) -> "Images":
        """Return the images at positions [m] int64, without reading them."""
        return Images((len(index), *self.shape[1:]), lambda part: self.read(index[part]))

    def variant(self, k: int) -> "Images":
        """Return the k-th image of each of the n groups."""
        return Images((len(self), *self.shape[2:]), lambda index: self.read(index)[:, k])

    def chunks(self) -> Iterator[Tensor]:
        """Yield all images, a few at a time."""
        for index in chunks(len(self)):
            yield self.read(index)


def chunks(num: int) -> tuple[Tensor, ...]:
    """Return the positions 0 .. num - 1, so many as are read at once."""
    return torch.arange(num).split(CHUNK)


def spread(parts: Sequence[_Part], num: int) -> tuple[_Part, ...]:
    """Return num of the parts, evenly spaced; all if there are fewer."""
    num = min(num, len(parts))
    return tuple(parts[k * len(parts) // num] for k in range(num))


class Storage:
    """Where an evaluation keeps its images: files in its folder that vanish with the process.

    Several processes share the files; all of them must ask for the same images in the same order.

    Args:
        folder: created if absent.
        processes: those that read and write the images together.

    Raises:
        InputError: the folder cannot be written to.
    """

    def __init__(self, folder: Path, processes: Processes = ALONE) -> None:
        self.processes = processes
        self._numbers = itertools.count()
        self._shared: tempfile.TemporaryDirectory[str] | None = None
        if processes.is_main:
            prepare_folder(folder)
            if not processes.is_alone:
                self._shared = tempfile.TemporaryDirectory(
                    prefix=".images-", dir=folder, ignore_cleanup_errors=True
                )
        name = folder if self._shared is None else self._shared.name
        self.folder = Path(processes.collect(name)[0])

    def room(self, *shape: int, dtype: type[np.generic] = np.uint8) -> "Stored":
        """Return room for images of shape (n, ...); a value of dtype has one byte.

        Raises:
            InputError: the disk is full.
        """
        with explain_writing(self.folder, _SPACE):
            return Stored(self, self._open(math.prod(shape)), shape, dtype)

    def _open(self, num_bytes: int) -> FileIO:
        if self.processes.is_alone:
            file = tempfile.TemporaryFile(dir=self.folder, buffering=0)  # noqa: SIM115 - it stays open
            file.truncate(num_bytes)
            return file
        path = self.folder / f"{next(self._numbers)}"
        if self.processes.is_main:
            with path.open("xb") as new:
                new.truncate(num_bytes)
        self.meet()
        return path.open("r+b", buffering=0)

    def share(self, parts: Sequence[_Part]) -> Iterator[tuple[int, _Part]]:
        """Yield every so manyth of the parts of some work, with its number: this process's."""
        rank, count = self.processes.rank, self.processes.world_size
        yield from itertools.islice(enumerate(parts), rank, None, count)

    def meet(self) -> None:
        """Wait until all processes have come here: what they have written can be read then."""
        self.processes.collect(None)


class Stored:
    """Images in a file, see `Storage.room`; what nobody has written is 0."""

    def __init__(
        self, storage: Storage, file: FileIO, shape: tuple[int, ...], dtype: type[np.generic]
    ) -> None:
        self._storage = storage  # its folder must outlive the file
        self._file, self._dtype = file, dtype
        self._lock = threading.Lock()  # a file has one position
        self._shape = shape

    @property
    def images(self) -> Images:
        """What the file holds."""
        return Images(self._shape, self._read)  # an attribute would be a circle, hence kept

    def write(self, index: Tensor, values: Tensor) -> None:
        """Store images [m, ...] at positions [m] int64.

        Raises:
            InputError: the disk is full.
        """
        rows = values.contiguous().numpy().reshape(len(index), -1)
        with self._lock, explain_writing(self._storage.folder, _SPACE):
            for place, row in zip(index.tolist(), rows, strict=True):
                self._file.seek(place * row.nbytes)
                self._file.write(row.data)

    def _read(self, index: Tensor) -> Tensor:
        values = np.empty((len(index), *self._shape[1:]), self._dtype)
        with self._lock:
            for place, row in zip(index.tolist(), values.reshape(len(index), -1), strict=True):
                self._file.seek(place * row.nbytes)
                self._file.readinto(row.data)
        return torch.from_numpy(values)
