"""What glibc's heap does with freed memory; other C libraries have no such calls."""

import ctypes
import sys
from collections.abc import Callable

_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4
"""Numbers of malloc.h."""


def keep_freed_memory() -> None:
    """Let glibc keep what is freed: a training step would else ask for the same pages again.

    glibc returns every tensor above 32 MiB, and multiplying such a tensor takes six times as long
    where the result's pages are new. The heap has gaps then: a training at 64x64 takes up to a
    third more memory.
    """
    mallopt = _call("mallopt")
    if mallopt is not None:
        mallopt(_M_MMAP_MAX, 0)
        mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)


def return_freed_memory() -> None:
    """Give the system back what is free within glibc's heap.

    Between what stays, aligned blocks of up to 32 MiB leave gaps that glibc 2.36 does not find
    again: on 600 images of 256 px the heap of an evaluation grew from one gigabyte to three.
    """
    trim = _call("malloc_trim")
    if trim is not None:
        trim(ctypes.c_size_t(0))


def _call(name: str) -> Callable[..., object] | None:
    return getattr(ctypes.CDLL(None), name, None) if sys.platform == "linux" else None
