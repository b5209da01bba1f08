"""Boxes of an image's pixels, and those of the connected parts of a mask.

Legend: H x W pixels of an image, n runs: pixels of a row that lie side by side.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

Area = tuple[slice, slice]
"""Rows and columns of an image, each with a start and a stop."""

_MOST_PARTS, _MOST_RUNS = 256, 2**18  # a mask with more has a pattern or noise, not holes
_Indices = NDArray[np.intp]


def joined(first: Area, second: Area) -> Area:
    """Return the smallest area that holds both."""
    rows, columns = (
        slice(min(a.start, b.start), max(a.stop, b.stop))
        for a, b in zip(first, second, strict=True)
    )
    return rows, columns


def meets(first: Area, second: Area) -> bool:
    """Return whether two areas share a pixel."""
    pairs = zip(first, second, strict=True)
    return all(a.start < b.stop and b.start < a.stop for a, b in pairs)


def nearest(areas: Sequence[Area]) -> tuple[int, int]:
    """Return which two areas, of two or more, a smallest common square holds."""
    starts = np.array([[part.start for part in area] for area in areas])
    stops = np.array([[part.stop for part in area] for area in areas])
    sides = (np.maximum(stops[:, None], stops) - np.minimum(starts[:, None], starts)).max(axis=2)
    np.fill_diagonal(sides, np.iinfo(sides.dtype).max)
    first, second = np.unravel_index(sides.argmin(), sides.shape)
    return int(first), int(second)


def connected_areas(touched_hw: Tensor) -> list[Area]:
    """Return the area of each connected part of a mask; diagonal neighbours are connected.

    In a mask of very many parts or runs, parts in neighbouring squares of 2 x 2, 4 x 4 ... pixels
    count as connected, and areas hold whole squares.

    Args:
        touched_hw: [H, W] bool.
    """
    height, width = touched_hw.shape
    pixels, step = touched_hw.cpu().numpy(), 1
    while (boxes := _boxes(pixels)) is None:
        pixels, step = _halved(pixels), 2 * step
    return [
        (slice(top, min(bottom, height)), slice(left, min(right, width)))
        for top, left, bottom, right in (boxes * step).tolist()
    ]


def _halved(pixels: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return which squares of 2 x 2 pixels have a pixel of the mask."""
    padded = np.pad(pixels, [(0, length % 2) for length in pixels.shape])
    rows = padded[::2] | padded[1::2]
    return rows[:, ::2] | rows[:, 1::2]


def _boxes(pixels: NDArray[np.bool_]) -> _Indices | None:
    """Return top, left, bottom and right of the connected parts, [parts, 4]; None if too many."""
    # A column of zeros before each row and one after the last keep runs within rows.
    stride = pixels.shape[1] + 1
    flat = np.pad(pixels, ((0, 0), (1, 0))).ravel()
    ends = np.flatnonzero(np.diff(flat, append=False)) + 1
    starts, ends = ends[::2], ends[1::2]
    if len(starts) > _MOST_RUNS:
        return None
    parts, part = np.unique(_label(starts, ends, stride), return_inverse=True)
    if len(parts) > _MOST_PARTS:
        return None
    rows, lefts, rights = starts // stride, starts % stride - 1, (ends - 1) % stride
    boxes = np.empty((len(parts), 4), np.intp)
    for side, values, extreme in (
        *((0, rows, np.minimum), (1, lefts, np.minimum)),
        *((2, rows + 1, np.maximum), (3, rights, np.maximum)),
    ):
        boxes[part, side] = values  # any of them, to start from
        extreme.at(boxes[:, side], part, values)
    return boxes


def _label(starts: _Indices, ends: _Indices, stride: int) -> _Indices:
    """Return a number for each run, the same for connected ones, [n]."""
    # Those of the next row that a run touches follow each other.
    first = np.searchsorted(ends, starts + stride - 1, side="right")
    touched = np.searchsorted(starts, ends + stride + 1, side="left") - first
    upper = np.repeat(np.arange(len(starts)), touched)
    skipped = np.repeat(np.cumsum(touched) - touched, touched)
    lower = np.repeat(first, touched) + np.arange(len(upper)) - skipped
    label = np.arange(len(starts))
    while np.any(label[upper] != label[lower]):
        lowest = np.minimum(label[upper], label[lower])
        for side in (upper, lower):
            np.minimum.at(label, label[side], lowest)
        while np.any(label != label[label]):
            label = label[label]
    return label
