"""The random shapes that hole masks are made of.

Geometry is drawn in fractions of the mask's side and rasterised at pixel centres, so one seed gives
one shape at every resolution.

All random numbers come from SHAKE-128 of a key, and only operations that IEEE 754 rounds exactly
(+ - * / sqrt) follow: shapes are the same on every platform and with every version of NumPy and
PyTorch. numpy.random's distributions, libm's cosine and Pillow's line drawing do not guarantee
that.
"""

import hashlib
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .rasterise import Floats, Shapes

_STREAM_BYTES = 8192  # 2048 draws; the largest mask (comodgan) needs 1786

# The brush of CoModGAN's sampler; widths are in pixels of a 256 px image.
_BRUSH_MIN_WIDTH = 12 / 256
_BRUSH_MAX_WIDTH = 48 / 256
_BRUSH_MIN_STEPS = 4
_BRUSH_MAX_STEPS = 17
_BRUSH_MEAN_STEP = math.sqrt(2.0) / 8
_NUM_ANGLES = 4096
_MEAN_ANGLE = 2 * math.pi / 5
_ANGLE_RANGE = 2 * math.pi / 15


def _turn_table() -> tuple[Floats, Floats]:
    """Cosines and sines of the brush's angles, rounded to 20 bits: libms differ in the last one."""
    scale = float(2**20)
    angles = [
        _MEAN_ANGLE + _ANGLE_RANGE * (2 * i / _NUM_ANGLES - 1) for i in range(_NUM_ANGLES + 1)
    ]
    cosines = [round(math.cos(angle) * scale) / scale for angle in angles]
    return np.array(cosines), np.array([round(math.sin(angle) * scale) / scale for angle in angles])


_COSINES, _SINES = _turn_table()
_ZIGZAG = np.where(np.arange(_BRUSH_MAX_STEPS) % 2, 1.0, -1.0)  # up first, then down


@dataclass(frozen=True, kw_only=True)
class _FreeForm:
    """Bounds of a free-form sampler: each number is drawn uniformly from 0 to the bound."""

    half_boxes: int
    """Boxes with sides up to R / 2."""
    full_boxes: int
    """Boxes with sides up to R."""
    strokes: int
    """Brush strokes."""


# The public samplers have exclusive bounds (10, 5, 20 for CoModGAN); these are inclusive.
_FREE_FORMS = {
    "paper": _FreeForm(half_boxes=0, full_boxes=3, strokes=14),
    "comodgan": _FreeForm(half_boxes=9, full_boxes=4, strokes=19),
    "mat-large": _FreeForm(half_boxes=3, full_boxes=1, strokes=7),
    "mat-small": _FreeForm(half_boxes=1, full_boxes=1, strokes=2),
}


class RandomStream:
    """Uniform numbers in [0, 1) that depend on the key only."""

    def __init__(self, key: str) -> None:
        digest = hashlib.shake_128(key.encode("ascii")).digest(_STREAM_BYTES)
        self._words = np.frombuffer(digest, dtype="<u4")
        self._position = 0

    def uniform(self, num: int) -> Floats:
        """The next `num` values in [0, 1)."""
        words = self._words[self._position : self._position + num]
        assert len(words) == num, "the stream is sized for the largest mask"
        self._position += num
        return words * 2.0**-32

    def integer(self, highest: int) -> int:
        """An integer from 0 to `highest`, inclusive."""
        return int(self.uniform(1)[0] * (highest + 1))


def sampler_of(kind: str, range_sum: float) -> Callable[[RandomStream], Shapes]:
    """Return the function that draws the shapes of one mask.

    Args:
        kind: as for `sample_hole_masks`; `outpaint` draws what is kept.
        range_sum: sum of the bounds of the hole ratio; below 1, free forms have fewer shapes.
    """
    if kind not in _FREE_FORMS:
        return {"box": _draw_box, "half": _draw_half, "outpaint": _draw_window}[kind]
    bounds = _FREE_FORMS[kind]
    # As CoModGAN, draw fewer shapes for small holes: else few masks would be accepted.
    scale = min(range_sum, 1.0)
    scaled = _FreeForm(
        half_boxes=_scaled_bound(bounds.half_boxes, scale),
        full_boxes=_scaled_bound(bounds.full_boxes, scale),
        strokes=_scaled_bound(bounds.strokes, scale),
    )
    if scaled == _FreeForm(half_boxes=0, full_boxes=0, strokes=0):  # no mask would ever be accepted
        scaled = _FreeForm(half_boxes=0, full_boxes=0, strokes=1)
    return lambda stream: _draw_free_form(stream, scaled)


def _scaled_bound(bound: int, scale: float) -> int:
    """Scale the exclusive bound, round it down and return it as an inclusive one."""
    return max(int((bound + 1) * scale) - 1, 0)


def _draw_free_form(stream: RandomStream, bounds: _FreeForm) -> Shapes:
    boxes = [
        _random_boxes(stream, stream.integer(bounds.half_boxes), 0.5),
        _random_boxes(stream, stream.integer(bounds.full_boxes), 1.0),
    ]
    # All strokes of a mask drift one way, as in the public samplers: their flips per stroke have
    # no effect, only those of the finished layer do.
    flips = stream.uniform(2) < 0.5
    vertices, radii, joined = _random_strokes(stream, stream.integer(bounds.strokes))
    vertices = np.where(flips, 1.0 - vertices, vertices)
    bodies = _segment_quads(vertices[:-1], vertices[1:], radii[:-1])[joined]
    return Shapes(np.concatenate([*boxes, bodies]), np.column_stack([vertices, radii]))


def _random_boxes(stream: RandomStream, num: int, largest: float) -> Floats:
    """Boxes with uniformly random sides, centred anywhere in the image: [num, 4, 2]."""
    draws = stream.uniform(4 * num).reshape(num, 4)
    return _box_quads(centres=draws[:, 2:], sides=draws[:, :2] * largest)


def _box_quads(centres: Floats, sides: Floats) -> Floats:
    signs = np.array([[-0.5, -0.5], [0.5, -0.5], [0.5, 0.5], [-0.5, 0.5]])
    return centres[:, None, :] + signs * sides[:, None, :]


def _random_strokes(stream: RandomStream, num: int) -> tuple[Floats, Floats, NDArray[np.bool_]]:
    """Zigzags of 4 to 17 steps, one after the other in one list of P vertices.

    Returns the vertices [P, 2], the radius at each [P] and whether i is joined to i + 1 [P - 1].
    """
    start_x, start_y, spread_low, spread_high, width, length = stream.uniform(6 * num).reshape(
        6, num
    )
    middle = _NUM_ANGLES / 2
    lowest, highest = middle * (1.0 - spread_low), middle * (1.0 + spread_high)
    draws = stream.uniform(num * _BRUSH_MAX_STEPS).reshape(num, _BRUSH_MAX_STEPS)
    turns = (lowest[:, None] + draws * (highest - lowest)[:, None]).astype(np.int64)
    lengths = _step_lengths(stream, num * _BRUSH_MAX_STEPS).reshape(num, _BRUSH_MAX_STEPS)
    across = (lengths * _COSINES[turns]).tolist()
    down = (lengths * _SINES[turns] * _ZIGZAG).tolist()
    spread = _BRUSH_MAX_STEPS - _BRUSH_MIN_STEPS + 1
    num_steps = (_BRUSH_MIN_STEPS + length * spread).astype(np.int64)
    starts = zip(start_x.tolist(), start_y.tolist(), num_steps.tolist(), strict=True)
    vertices: list[tuple[float, float]] = []
    for stroke, (x, y, steps) in enumerate(starts):
        vertices.append((x, y))
        for dx, dy in zip(across[stroke][:steps], down[stroke][:steps], strict=True):
            x, y = min(max(x + dx, 0.0), 1.0), min(max(y + dy, 0.0), 1.0)
            vertices.append((x, y))
    radii = (_BRUSH_MIN_WIDTH + width * (_BRUSH_MAX_WIDTH - _BRUSH_MIN_WIDTH)) / 2
    joined = np.ones(len(vertices), dtype=np.bool_)
    joined[np.cumsum(num_steps + 1) - 1] = False
    return np.array(vertices).reshape(-1, 2), np.repeat(radii, num_steps + 1), joined[:-1]


def _step_lengths(stream: RandomStream, num: int) -> Floats:
    """Lengths of mean m and standard deviation m / 2, clipped to [0, 2 m]."""
    # Four uniforms sum to mean 2 and variance 1/3: close to a normal, and exact everywhere.
    draws = stream.uniform(4 * num).reshape(4, num)
    normal = (draws[0] + draws[1] + draws[2] + draws[3] - 2.0) * math.sqrt(3.0)
    return np.clip(_BRUSH_MEAN_STEP * (1.0 + 0.5 * normal), 0.0, 2.0 * _BRUSH_MEAN_STEP)


def _segment_quads(starts: Floats, ends: Floats, radii: Floats) -> Floats:
    """The bodies of thick segments, without round ends: [len(starts), 4, 2]."""
    steps = ends - starts
    lengths = np.sqrt(steps[:, 0] * steps[:, 0] + steps[:, 1] * steps[:, 1])
    scale = radii / np.where(lengths > 0.0, lengths, 1.0)
    normals = np.stack([-steps[:, 1] * scale, steps[:, 0] * scale], axis=1)
    return np.stack([starts + normals, ends + normals, ends - normals, starts - normals], axis=1)


def _draw_box(stream: RandomStream) -> Shapes:
    return _central_box(stream, smallest=0.25, largest=0.75)


def _draw_window(stream: RandomStream) -> Shapes:
    return _central_box(stream, smallest=0.4, largest=0.8)


def _central_box(stream: RandomStream, *, smallest: float, largest: float) -> Shapes:
    """One box inside the image, its centre within 0.1 of the image's centre along each axis."""
    draws = stream.uniform(4)
    sides = smallest + draws[:2] * (largest - smallest)
    centres = 0.5 + (draws[2:] - 0.5) * 0.2
    return Shapes(_box_quads(centres[None], sides[None]), np.empty((0, 3)))


def _draw_half(stream: RandomStream) -> Shapes:
    centres = ((0.25, 0.5), (0.75, 0.5), (0.5, 0.25), (0.5, 0.75))
    side = stream.integer(3)
    sides = (0.5, 1.0) if side < 2 else (1.0, 0.5)
    return Shapes(
        _box_quads(np.array([centres[side]]), np.array([sides])),
        np.empty((0, 3)),
    )
