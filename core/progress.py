"""Long work in small chunks: it tells how far it is, can be interrupted, and fits the memory.

Legend: N rows of a batch, such as images or codes.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from .printable import get_logger

OnStep = Callable[[int, int], None]
"""Is told the number of steps done and their total; what it raises ends the work."""

_CHUNK = 32  # more at once would not be faster, and need more memory
_CPU_CHUNK = 4
_CPU_PIXELS = 2 * 128**2  # 0.4 s on one core with skip encoder

_logger = get_logger(__name__)


def chunk_size(resolution: int, device: torch.device) -> int:
    """Return how many images of this side in pixels a network computes at once.

    On the CPU, a few: between two chunks, work can be interrupted.
    """
    if device.type != "cpu":
        return _CHUNK
    return min(max(_CPU_PIXELS // resolution**2, 1), _CPU_CHUNK)


def in_chunks(
    compute: Callable[[slice], Tensor], num_rows: int, size: int, on_step: OnStep | None = None
) -> Tensor:
    """Return the rows that a function computes for each of a few of them, concatenated.

    Chunks that do not fit into the memory of a GPU are halved, down to single rows.

    Args:
        compute: returns the rows of a slice.
        num_rows: N, at least 1.
        size: rows at once, at least 1.
        on_step: called after each chunk, with rows done and N.

    Raises:
        torch.OutOfMemoryError: not even a single row fits.
    """
    parts, first = [], 0
    while first < num_rows:
        rows = slice(first, min(first + size, num_rows))
        try:
            part = compute(rows)
        except torch.OutOfMemoryError:
            if size == 1:
                raise
            size = (rows.stop - rows.start + 1) // 2
            _logger.info("out of memory: %d at once from here on", size)
            continue  # outside the handler, which holds on to the memory
        parts.append(part)
        first = rows.stop
        if on_step is not None:
            on_step(first, num_rows)
    return torch.cat(parts)


def parts_of(on_step: OnStep | None, *lengths: int) -> list[OnStep | None]:
    """Return one callback for each part of the work; all tell `on_step` about the whole.

    Args:
        on_step: is told steps done and their total, the sum of the lengths.
        lengths: of the parts, 0 or more; a part may count its own steps in another unit.
    """
    return [_part(on_step, sum(lengths[:i]), n, sum(lengths)) for i, n in enumerate(lengths)]


def _part(on_step: OnStep | None, first: int, length: int, total: int) -> OnStep | None:
    if on_step is None:
        return None
    return lambda done, own_total: on_step(first + length * done // own_total, total)
