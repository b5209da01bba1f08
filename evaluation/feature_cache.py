"""Features on the disk, so that no picture goes through a network twice.

Legend: n pictures of side R, features of dimension d.
"""

import hashlib
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..core.errors import InputError
from .extractors import Extractor

_SCHEMA = """
CREATE TABLE IF NOT EXISTS features (
    extractor TEXT, picture BLOB, value BLOB, PRIMARY KEY (extractor, picture)
) WITHOUT ROWID
"""
_BUSY_S = 60.0  # how long a process waits while another one writes
_CHUNK = 1024  # pictures after which what was computed is safe


class FeatureCache:
    """A file of features by extractor and picture; processes may share it.

    A picture is known by the hash of its pixels, an extractor by its `Provenance.identity`.

    Args:
        path: the file, made if it is not there.

    Raises:
        InputError: it cannot be used.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        with self._connect() as database:
            database.execute(_SCHEMA)

    def features(self, extractor: Extractor, pictures: Tensor) -> Tensor:
        """Return the features of pictures, computing and keeping those that are not known yet.

        Args:
            extractor: the network.
            pictures: [n, 3, R, R] uint8, n at least 1.

        Returns:
            [n, d] float32 on the CPU.

        Raises:
            InputError: the file cannot be used any more.
        """
        keys = [_key(picture) for picture in pictures.numpy()]
        with self._connect() as database:
            known = dict(_read(database, extractor, keys))
            place = {key: i for i, key in enumerate(keys)}  # one for equal pictures
            missing = [key for key in place if key not in known]
            for start in range(0, len(missing), _CHUNK):
                chunk = missing[start : start + _CHUNK]
                fresh = extractor.features(pictures[[place[key] for key in chunk]])
                _write(database, extractor, chunk, fresh)
                known.update(zip(chunk, fresh, strict=True))
        return torch.stack([known[key] for key in keys])

    @contextmanager
    def _connect(self) -> Iterator[sqlite3.Connection]:
        try:
            with closing(sqlite3.connect(self._path, timeout=_BUSY_S)) as database:
                yield database
        except sqlite3.Error as error:
            raise InputError(
                "a file for features that can be read and written",
                f"{self._path} ({error})",
                "Delete it, or give another place.",
            ) from error


def _read(
    database: sqlite3.Connection, extractor: Extractor, keys: list[bytes]
) -> Iterator[tuple[bytes, Tensor]]:
    query = "SELECT value FROM features WHERE extractor = ? AND picture = ?"
    for key in keys:
        row = database.execute(query, (extractor.provenance.identity, key)).fetchone()
        if row is not None:
            yield key, torch.from_numpy(np.frombuffer(row[0], dtype="<f4").astype(np.float32))


def _write(
    database: sqlite3.Connection, extractor: Extractor, keys: list[bytes], values: Tensor
) -> None:
    blobs = [value.astype("<f4").tobytes() for value in values.numpy()]
    rows = [(extractor.provenance.identity, *row) for row in zip(keys, blobs, strict=True)]
    with database:  # one transaction: a killed process leaves none or all of them
        database.executemany("INSERT OR REPLACE INTO features VALUES (?, ?, ?)", rows)


def _key(picture: np.ndarray) -> bytes:
    return hashlib.sha256(f"{picture.shape}".encode() + picture.tobytes()).digest()
