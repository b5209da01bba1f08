"""Rasterise convex shapes: the same pixels on every platform.

Legend: R side in pixels, Q quadrilaterals, K discs, P pairs of a shape and a row that it meets.
Only operations that IEEE 754 rounds exactly are used (+ - * / sqrt, comparisons); drawing libraries
do not guarantee that.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
_Indices = NDArray[np.int64]


@dataclass(frozen=True)
class Shapes:
    """A union of shapes in fractions of the image's side; x before y."""

    quads: Floats
    """[Q, 4, 2] corners of convex quadrilaterals, in order."""
    discs: Floats
    """[K, 3] centre x, centre y, radius."""


def rasterise(shapes: Shapes, resolution: int) -> NDArray[np.bool_]:
    """Return which pixels have their centre in a shape or on its edge.

    Each convex shape covers one interval per row: +1 where it opens, -1 where it closes, and the
    running sum along the row is the number of shapes over a pixel.

    Args:
        shapes: the union to fill; parts outside [0, 1] are clipped.
        resolution: R, side of the result in pixels.

    Returns:
        [R, R] bool, True = inside.
    """
    stride = resolution + 1
    spans = (
        _quad_spans(shapes.quads * resolution, resolution),
        _disc_spans(shapes.discs * resolution, resolution),
    )
    row, left, right = (np.concatenate(pair) for pair in zip(*spans, strict=True))
    begin = np.ceil(np.clip(left, 0.0, resolution) - 0.5).astype(np.int64)
    end = np.floor(np.clip(right, 0.0, resolution) - 0.5).astype(np.int64) + 1
    change = np.bincount(row * stride + begin, minlength=resolution * stride)
    change -= np.bincount(row * stride + np.maximum(end, begin), minlength=len(change))
    return change.reshape(resolution, stride).cumsum(axis=1, dtype=np.int32)[:, :-1] > 0


def _rows_met(top: Floats, bottom: Floats, resolution: int) -> tuple[_Indices, _Indices]:
    """All pairs (shape, row) with the row's centre between the shape's top and bottom."""
    first = np.ceil(np.clip(top, 0.0, resolution) - 0.5).astype(np.int64)
    last = np.floor(np.clip(bottom, 0.0, resolution) - 0.5).astype(np.int64)
    counts = np.maximum(last - first + 1, 0)
    shape = np.repeat(np.arange(len(counts), dtype=np.int64), counts)
    return shape, np.arange(len(shape), dtype=np.int64) + np.repeat(
        first - (np.cumsum(counts) - counts), counts
    )


def _quad_spans(quads: Floats, resolution: int) -> tuple[_Indices, Floats, Floats]:
    """Rows that quadrilaterals meet, with the left and right end on each: P of each."""
    x, y = quads[:, :, 0].T, quads[:, :, 1].T  # [4, Q]
    quad, row = _rows_met(y.min(axis=0), y.max(axis=0), resolution)
    rise = y[[1, 2, 3, 0]] - y
    slope = (x[[1, 2, 3, 0]] - x) / np.where(rise == 0.0, 1.0, rise)
    rises = rise.take(quad, axis=1)  # [4, P], like all that follows
    offset = row + 0.5 - y.take(quad, axis=1)
    crossing = x.take(quad, axis=1) + offset * slope.take(quad, axis=1)
    # A row meets an edge where the offset from its start lies between 0 and its rise.
    misses = (offset * rises < 0.0) | (np.abs(offset) > np.abs(rises))
    crossing[misses] = np.inf
    left = crossing.min(axis=0)
    crossing[misses] = -np.inf
    return row, left, crossing.max(axis=0)


def _disc_spans(discs: Floats, resolution: int) -> tuple[_Indices, Floats, Floats]:
    """Rows that discs meet, with the left and right end on each."""
    x, y, radius = discs.T
    disc, row = _rows_met(y - radius, y + radius, resolution)
    rise = row + 0.5 - y[disc]
    half = np.sqrt(np.maximum(radius[disc] * radius[disc] - rise * rise, 0.0))
    return row, x[disc] - half, x[disc] + half
