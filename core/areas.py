"""Boxes of an image's pixels, and those of the connected parts of a mask.

Legend: H x W pixels of an image, n runs: pixels of a row that lie side by side.
"""

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

Area = tuple[slice, slice]
"""Rows and columns of an image, each with a start and a stop."""

_MOST_PARTS = 256  # a mask with more has a pattern or noise, not holes
_Indices = NDArray[np.intp]


def joined(first: Area, second: Area) -> Area:
    """Return the smallest area that holds both."""
    rows, columns = (
        slice(min(a.start, b.start), max(a.stop, b.stop))
        for a, b in zip(first, second, strict=True)
    )
    return rows, columns


def meets(first: Area, second: Area, gap_px: int = 0) -> bool:
    """Return whether two areas share a pixel, or would if one grew by so many on each side."""
    return all(
        a.start < b.stop + gap_px and b.start < a.stop + gap_px
        for a, b in zip(first, second, strict=True)
    )


def connected_areas(touched_hw: Tensor) -> list[Area]:
    """Return the area of each connected part of a mask; diagonal neighbours are connected.

    In a mask of more than 256 parts, those in neighbouring squares of 2 x 2, 4 x 4 ... pixels count
    as connected, and areas hold whole squares.

    Args:
        touched_hw: [H, W] bool.
    """
    height, width = touched_hw.shape
    pixels, step = touched_hw.cpu().numpy(), 1
    while len(boxes := _boxes(pixels)) > _MOST_PARTS:
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


def _boxes(pixels: NDArray[np.bool_]) -> _Indices:
    """Return top, left, bottom and right of the connected parts, [parts, 4]."""
    # A column of zeros before each row and one after the last keep runs within rows.
    stride = pixels.shape[1] + 1
    flat = np.pad(pixels, ((0, 0), (1, 0))).ravel()
    ends = np.flatnonzero(np.diff(flat, append=False)) + 1
    starts, ends = ends[::2], ends[1::2]
    parts, part = np.unique(_label(starts, ends, stride), return_inverse=True)
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
