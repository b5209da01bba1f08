"""Seeded samplers of hole masks.

Legend: N masks, R side in pixels. Geometry is drawn in fractions of the side and rasterised at
pixel centres, so one seed gives one shape whatever R.

Everything random is read from SHAKE-128 of (kind, seed, index, attempt), and only operations
that IEEE 754 rounds exactly (+ - * / sqrt) touch it afterwards: the same masks come out on every
platform and with every version of NumPy and PyTorch. numpy.random's distributions, libm's cosine
and Pillow's line drawing promise no such thing.
"""

import hashlib
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .checks import MAX_SEED, check_choice, check_int, check_range
from .errors import InputError
from .rasterise import Floats, Shapes, rasterise

KINDS = ("paper", "comodgan", "mat-large", "mat-small", "box", "half", "outpaint")
"""Names of the samplers, the paper's own first."""


_MAX_ATTEMPTS = 2000  # ranges that hold one mask in 200 fail less than once in 20,000 masks
_MIN_RESOLUTION = 8  # below this a brush of 12 px at 256 is thinner than half a pixel
_STREAM_BYTES = 8192  # 2048 draws; the largest mask (comodgan) needs 1786

# The brush of CoModGAN's sampler, in pixels of a 256 px picture where it has a unit.
_BRUSH_MIN_WIDTH = 12 / 256
_BRUSH_MAX_WIDTH = 48 / 256
_BRUSH_MIN_STEPS = 4
_BRUSH_MAX_STEPS = 17
_BRUSH_MEAN_STEP = math.sqrt(2.0) / 8
_NUM_ANGLES = 4096
_MEAN_ANGLE = 2 * math.pi / 5
_ANGLE_RANGE = 2 * math.pi / 15


def _turn_table() -> tuple[Floats, Floats]:
    """Cosines and sines over the brush's angles, cut to 20 bits so that libm's last bit is lost."""
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
    """Bounds of a free-form sampler: each number is drawn evenly from 0 to the bound."""

    half_boxes: int
    """Boxes with sides up to R / 2."""
    full_boxes: int
    """Boxes with sides up to R."""
    strokes: int
    """Brush strokes."""


# The public samplers write exclusive bounds (10, 5, 20 for CoModGAN); these are inclusive.
_FREE_FORMS = {
    "paper": _FreeForm(half_boxes=0, full_boxes=3, strokes=14),
    "comodgan": _FreeForm(half_boxes=9, full_boxes=4, strokes=19),
    "mat-large": _FreeForm(half_boxes=3, full_boxes=1, strokes=7),
    "mat-small": _FreeForm(half_boxes=1, full_boxes=1, strokes=2),
}


class _Stream:
    """Uniform numbers in [0, 1) that depend on the key alone."""

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
        """An integer from 0 to `highest`, both included."""
        return int(self.uniform(1)[0] * (highest + 1))


def sample_hole_masks(
    kind: str,
    num: int,
    resolution: int,
    seed: int,
    hole_range: tuple[float, float] = (0.0, 1.0),
    *,
    first: int = 0,
) -> Tensor:
    """Draw masks `first` to `first + num - 1` of an endless seeded sequence.

    1. `paper`, `comodgan`, `mat-large`, `mat-small`: boxes and brush strokes (CoModGAN's sampler
       with the bounds of `_FREE_FORMS`), brush 12-48 px at 256 and in proportion elsewhere.
    2. `box`: one box near the middle. `half`: the left, right, top or bottom half.
       `outpaint`: all but a window near the middle.
    3. A mask is drawn again until `low <= hole ratio < high`, and is never empty or full.

    Args:
        kind: one of `KINDS`.
        num: masks to draw, at least 0.
        resolution: side in pixels, 8 to 8192.
        seed: 0 to 2**64 - 1. Mask i depends on (kind, seed, i, resolution, hole_range) alone.
        hole_range: (low, high) bounds of the erased share.
        first: index of the first mask, so that a training run can resume in the sequence.

    Returns:
        [N, 1, R, R] float32 on the CPU, 1 = fill, 0 = keep.

    Raises:
        InputError: an unknown kind, a number out of bounds, or a range that the kind never meets.

    Source: Zhao et al. 2021 (CoModGAN), arXiv:2103.10428, and the samplers published with it and
        with Li et al. 2022 (MAT), arXiv:2203.15270. Deviations: continuous coordinates, the brush
        scales with R, and its step length is a sum of four uniforms instead of a normal.
    """
    check_choice(kind, "kind", KINDS)
    check_int(num, "num", 0, 2**31 - 1)
    check_int(resolution, "resolution", _MIN_RESOLUTION, 8192)
    check_int(seed, "seed", 0, MAX_SEED)
    check_int(first, "first", 0, MAX_SEED)
    low, high = _checked_range(hole_range)
    masks = np.empty((num, 1, resolution, resolution), dtype=np.float32)
    for offset in range(num):
        masks[offset, 0] = _sample_one(kind, resolution, seed, first + offset, low, high)
    return torch.from_numpy(masks)


def hole_ratio(hole_masks: Tensor) -> Tensor:
    """Return the erased share of each mask.

    Args:
        hole_masks: [N, ...] any dtype, 1 = fill.

    Returns:
        [N] float32 in [0, 1].
    """
    return hole_masks.flatten(1).mean(dim=1, dtype=torch.float64).to(torch.float32)


def _checked_range(hole_range: tuple[float, float]) -> tuple[float, float]:
    low, high = hole_range
    check_range(low, "hole_range[0]", 0.0, 1.0)
    check_range(high, "hole_range[1]", 0.0, 1.0)
    if not low < high:
        raise InputError(
            "a hole_range whose first number is below its second",
            f"({low:g}, {high:g})",
            "Give the lowest and the highest hole ratio, for example (0.0, 0.4).",
        )
    return float(low), float(high)


def _sample_one(
    kind: str, resolution: int, seed: int, index: int, low: float, high: float
) -> NDArray[np.bool_]:
    """Mask `index`: attempts until the hole ratio fits. [R, R], True = fill."""
    draw_shapes = _sampler(kind, low + high)
    for attempt in range(_MAX_ATTEMPTS):
        stream = _Stream(f"diverse-inpainting/masks/1/{kind}/{seed}/{index}/{attempt}")
        mask = rasterise(draw_shapes(stream), resolution)
        if kind == "outpaint":
            mask = ~mask
        ratio = np.count_nonzero(mask) / mask.size
        if ratio > 0.0 and low <= ratio < high:
            return mask
    raise InputError(
        f"a range of erased shares that {kind!r} masks can meet",
        f"({low:g}, {high:g}), which {_MAX_ATTEMPTS} masks in a row missed",
        "Widen the range or choose another kind of mask.",
    )


def _sampler(kind: str, range_sum: float) -> Callable[[_Stream], Shapes]:
    if kind not in _FREE_FORMS:
        return {"box": _draw_box, "half": _draw_half, "outpaint": _draw_window}[kind]
    bounds = _FREE_FORMS[kind]
    # CoModGAN draws fewer shapes for ranges of small holes, or few masks would be accepted.
    scale = min(range_sum, 1.0)
    scaled = _FreeForm(
        half_boxes=_scaled_bound(bounds.half_boxes, scale),
        full_boxes=_scaled_bound(bounds.full_boxes, scale),
        strokes=_scaled_bound(bounds.strokes, scale),
    )
    if scaled == _FreeForm(half_boxes=0, full_boxes=0, strokes=0):  # nothing is ever accepted
        scaled = _FreeForm(half_boxes=0, full_boxes=0, strokes=1)
    return lambda stream: _draw_free_form(stream, scaled)


def _scaled_bound(bound: int, scale: float) -> int:
    """The inclusive bound after the exclusive one was scaled and rounded down."""
    return max(int((bound + 1) * scale) - 1, 0)


def _draw_free_form(stream: _Stream, bounds: _FreeForm) -> Shapes:
    boxes = [
        _random_boxes(stream, stream.integer(bounds.half_boxes), 0.5),
        _random_boxes(stream, stream.integer(bounds.full_boxes), 1.0),
    ]
    # All strokes of a mask drift one way, as in the public samplers, whose flips per stroke
    # have no effect; the flips of the finished layer do.
    flips = stream.uniform(2) < 0.5
    vertices, radii, joined = _random_strokes(stream, stream.integer(bounds.strokes))
    vertices = np.where(flips, 1.0 - vertices, vertices)
    bodies = _segment_quads(vertices[:-1], vertices[1:], radii[:-1])[joined]
    return Shapes(np.concatenate([*boxes, bodies]), np.column_stack([vertices, radii]))


def _random_boxes(stream: _Stream, num: int, largest: float) -> Floats:
    """Boxes of even random sides, centred anywhere in the picture. [num, 4, 2]."""
    draws = stream.uniform(4 * num).reshape(num, 4)
    return _box_quads(centres=draws[:, 2:], sides=draws[:, :2] * largest)


def _box_quads(centres: Floats, sides: Floats) -> Floats:
    signs = np.array([[-0.5, -0.5], [0.5, -0.5], [0.5, 0.5], [-0.5, 0.5]])
    return centres[:, None, :] + signs * sides[:, None, :]


def _random_strokes(stream: _Stream, num: int) -> tuple[Floats, Floats, NDArray[np.bool_]]:
    """Zigzags of 4 to 17 steps, end to end in one list of P vertices.

    Returns the vertices [P, 2], the radius at each [P] and whether vertex i leads to i + 1 [P - 1].
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


def _step_lengths(stream: _Stream, num: int) -> Floats:
    """Lengths of mean m and deviation m / 2, kept within [0, 2 m]."""
    # Four uniforms sum to mean 2 and variance 1/3: near enough to a normal, and exact everywhere.
    draws = stream.uniform(4 * num).reshape(4, num)
    normal = (draws[0] + draws[1] + draws[2] + draws[3] - 2.0) * math.sqrt(3.0)
    return np.clip(_BRUSH_MEAN_STEP * (1.0 + 0.5 * normal), 0.0, 2.0 * _BRUSH_MEAN_STEP)


def _segment_quads(starts: Floats, ends: Floats, radii: Floats) -> Floats:
    """The bodies of thick segments, without round ends. [len(starts), 4, 2]."""
    steps = ends - starts
    lengths = np.sqrt(steps[:, 0] * steps[:, 0] + steps[:, 1] * steps[:, 1])
    scale = radii / np.where(lengths > 0.0, lengths, 1.0)
    normals = np.stack([-steps[:, 1] * scale, steps[:, 0] * scale], axis=1)
    return np.stack([starts + normals, ends + normals, ends - normals, starts - normals], axis=1)


def _draw_box(stream: _Stream) -> Shapes:
    return _central_box(stream, smallest=0.25, largest=0.75)


def _draw_window(stream: _Stream) -> Shapes:
    return _central_box(stream, smallest=0.4, largest=0.8)


def _central_box(stream: _Stream, *, smallest: float, largest: float) -> Shapes:
    """One box wholly inside the picture, its centre within 0.1 of the middle per axis."""
    draws = stream.uniform(4)
    sides = smallest + draws[:2] * (largest - smallest)
    centres = 0.5 + (draws[2:] - 0.5) * 0.2
    return Shapes(_box_quads(centres[None], sides[None]), np.empty((0, 3)))


def _draw_half(stream: _Stream) -> Shapes:
    centres = ((0.25, 0.5), (0.75, 0.5), (0.5, 0.25), (0.5, 0.75))
    side = stream.integer(3)
    sides = (0.5, 1.0) if side < 2 else (1.0, 0.5)
    return Shapes(
        _box_quads(np.array([centres[side]]), np.array([sides])),
        np.empty((0, 3)),
    )
