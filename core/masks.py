"""Seeded samplers of hole masks.

Legend: N masks, R side in pixels.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .checks import MAX_SEED, check_choice, check_int, check_range
from .errors import InputError
from .mask_shapes import RandomStream, sampler_of
from .rasterise import rasterise

KINDS = ("paper", "comodgan", "mat-large", "mat-small", "box", "half", "outpaint")
"""Names of the samplers. `paper` is for the paper's experiments, which name a range of hole ratios,
0 to 1, but no sampler."""

_MAX_ATTEMPTS = 2000  # ranges met by one mask in 200 fail less than once in 20,000 masks
_MIN_RESOLUTION = 8  # below this a brush of 12 px at 256 is thinner than half a pixel


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
       with the bounds in mask_shapes.py), brush 12-48 px at 256 px, in proportion at others.
    2. `box`: one box near the centre. `half`: the left, right, top or bottom half.
       `outpaint`: all but a window near the centre.
    3. A mask is redrawn until `low <= hole ratio < high`, and is never empty or full.

    Args:
        kind: one of `KINDS`.
        num: number of masks, at least 0.
        resolution: side in pixels, 8 to 8192.
        seed: 0 to 2**64 - 1. Mask i depends on (kind, seed, i, resolution, hole_range) only.
        hole_range: (low, high) bounds of the hole ratio.
        first: index of the first mask, for a training run to resume the sequence.

    Returns:
        [N, 1, R, R] float32 on the CPU, 1 = fill, 0 = keep.

    Raises:
        InputError: an unknown kind, a number out of bounds, or a range that the kind rarely meets.

    Source: Zhao et al. 2021 (CoModGAN), arXiv:2103.10428, and the samplers published with it and
        with Li et al. 2022 (MAT), arXiv:2203.15270. Deviations: continuous coordinates, a brush
        that scales with R, and step lengths from a sum of four uniforms instead of a normal.
    """
    check_choice(kind, "mask kind", KINDS)
    check_int(num, "num", 0, 2**31 - 1)
    check_int(resolution, "resolution", _MIN_RESOLUTION, 8192)
    check_int(seed, "seed", 0, MAX_SEED)
    check_int(first, "first", 0, MAX_SEED)
    low, high = checked_hole_range(hole_range)
    masks = np.empty((num, 1, resolution, resolution), dtype=np.float32)
    for offset in range(num):
        masks[offset, 0] = _sample_one(kind, resolution, seed, first + offset, low, high)
    return torch.from_numpy(masks)


def hole_ratio(hole_masks: Tensor) -> Tensor:
    """Return the erased fraction of each mask.

    Args:
        hole_masks: [N, ...] any dtype, 1 = fill.

    Returns:
        [N] float32 in [0, 1].
    """
    return hole_masks.flatten(1).mean(dim=1, dtype=torch.float64).to(torch.float32)


def checked_hole_range(hole_range: tuple[float, float]) -> tuple[float, float]:
    """Return the bounds of hole ratios; raise InputError unless 0 <= low < high <= 1."""
    low, high = hole_range
    check_range(low, "hole_range[0]", 0.0, 1.0)
    check_range(high, "hole_range[1]", 0.0, 1.0)
    if not low < high:
        raise InputError(
            "a hole_range whose first number is below its second",
            f"({low:g}, {high:g})",
            "Pass the lowest and the highest hole ratio, for example (0.0, 0.4).",
        )
    return float(low), float(high)


def _sample_one(
    kind: str, resolution: int, seed: int, index: int, low: float, high: float
) -> NDArray[np.bool_]:
    """Mask `index`, redrawn until its hole ratio fits: [R, R], True = fill."""
    draw_shapes = sampler_of(kind, low + high)
    for attempt in range(_MAX_ATTEMPTS):
        stream = RandomStream(f"diverse-inpainting/masks/1/{kind}/{seed}/{index}/{attempt}")
        mask = rasterise(draw_shapes(stream), resolution)
        if kind == "outpaint":
            mask = ~mask
        ratio = np.count_nonzero(mask) / mask.size
        if ratio > 0.0 and low <= ratio < high:
            return mask
    raise InputError(
        f"a range of hole ratios that {kind!r} masks can meet",
        f"({low:g}, {high:g})",
        "Widen the range or choose another kind of mask.",
        problem=f"None of {_MAX_ATTEMPTS} {kind!r} masks had a hole ratio in [{low:g}, {high:g}).",
    )
