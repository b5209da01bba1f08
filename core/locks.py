"""Locks between processes that end with their process, however it ends."""

import contextlib
import errno
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from .printable import get_logger

_log = get_logger(__name__)

_TAKEN = (errno.EAGAIN, errno.EACCES, errno.EDEADLK)


class LockedError(Exception):
    """Another process holds the lock."""


@contextlib.contextmanager
def locked(path: Path, *, wait: bool) -> Iterator[None]:
    """Hold a lock for the duration of a block.

    The system releases the lock with the process, so that a file left behind by a killed one locks
    nothing. Threads of one process exclude each other as well. Where the file system has no locks,
    a warning says so and the block runs.

    Args:
        path: a file for the lock, in an existing folder; it is created, and removed at the end.
        wait: whether to wait for another process.

    Raises:
        LockedError: another process holds the lock, and wait is False.
        OSError: the file cannot be created.
    """
    file = _acquire(path, wait)
    try:
        yield
    finally:
        # Removed while it is held: whoever waits for it sees that it is gone, and starts again.
        # Windows refuses, and leaves an empty file.
        with contextlib.suppress(OSError):
            path.unlink()
        file.close()


def _acquire(path: Path, wait: bool) -> BinaryIO:
    while True:
        file = path.open("ab")
        try:
            _lock(file, wait)
        except OSError as error:
            if error.errno in _TAKEN:
                file.close()
                raise LockedError(str(path)) from error
            _log.warning("%s cannot be locked (%s): use it from one process", path, error)
            return file
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(file.fileno()), path.stat()):
                return file
        file.close()  # another process removed it while this one waited


if sys.platform == "win32":
    import msvcrt

    def _lock(file: BinaryIO, wait: bool) -> None:
        file.seek(0)
        while True:
            try:
                msvcrt.locking(file.fileno(), msvcrt.LK_LOCK if wait else msvcrt.LK_NBLCK, 1)
                return
            except OSError as error:  # LK_LOCK gives up after ten seconds
                if not (wait and error.errno == errno.EDEADLK):
                    raise
else:
    import fcntl

    def _lock(file: BinaryIO, wait: bool) -> None:
        fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
