"""From values of images to values of sets: buckets of hole ratios, and bootstrap intervals.

Legend: n images, K metrics.
"""

import math
from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from ..core.rng import rng_for
from .types import Estimate, ImageValues

_RESAMPLES = 1000
_TAILS = (0.025, 0.975)


class Bucket(NamedTuple):
    """A range of hole ratios."""

    low: float
    """Exclusive."""
    high: float
    """Inclusive."""

    @property
    def label(self) -> str:
        """Its name in the report, such as "(0,0.4]"."""
        return f"({self.low:g},{self.high:g}]"

    @property
    def middle(self) -> float:
        """Its position in plots."""
        return (self.low + self.high) / 2

    def members(self, ratios: Tensor) -> Tensor:
        """Return the positions of the images in it, [m] int64."""
        return ((ratios > self.low) & (ratios <= self.high)).nonzero()[:, 0]


ALL = Bucket(0.0, 1.0)
HALVES = (Bucket(0.0, 0.4), Bucket(0.4, 1.0))
"""Easy and difficult, as in the paper's Fig. 5."""
STEPS = tuple(Bucket(low / 10, (low + 2) / 10) for low in (0, 2, 4, 6, 8))
"""Those of Zhao et al. 2021 (CoModGAN), arXiv:2103.10428."""
BUCKETS = (ALL, *HALVES, *STEPS)


def summarise(per_image: Mapping[str, ImageValues], index: Tensor) -> dict[str, Estimate]:
    """Return each metric of the images at these positions, with its 95 % bootstrap interval.

    Images are drawn with replacement 1000 times, the same ones for all metrics and for all methods
    with equal numbers of images. Images without a value (NaN) are left out.

    Args:
        per_image: K metrics by name.
        index: [m] int64, m at least 1.
    """
    counts = _resample_counts(len(index))
    found = {name: _estimate(values, index, counts) for name, values in per_image.items()}
    return {name: e for name, e in found.items() if not math.isnan(e.value)}  # no image has one


def difference(first: ImageValues, second: ImageValues) -> Estimate:
    """Return one metric of a set under one method minus another, with its bootstrap interval.

    Images are drawn as in `summarise`, the same ones for both methods: what makes an image hard for
    both drops out, so the interval is smaller than their own ones suggest.

    Args:
        first: of n images.
        second: of the same ones, in the same order.
    """
    every = torch.arange(len(first.numerator))
    counts = _resample_counts(len(every))
    a, b = (_resampled(values, every, counts) for values in (first, second))
    return _interval(a[0] - b[0], a[1] - b[1])


def _estimate(values: ImageValues, index: Tensor, counts: Tensor) -> Estimate:
    return _interval(*_resampled(values, index, counts))


def _interval(value: float, resampled: Tensor) -> Estimate:
    low, high = resampled.nanquantile(torch.tensor(_TAILS, dtype=torch.float64)).tolist()
    return Estimate(value, low, high)


def _resampled(values: ImageValues, index: Tensor, counts: Tensor) -> tuple[float, Tensor]:
    """The value of the images at these positions, and that of each resample [1000]."""
    # By itself: in a product of matrices, other metrics would change the last digit.
    numerator, denominator = _without_nan(values, index)
    value = float(numerator.sum() / denominator.sum())
    return value, (counts @ numerator) / (counts @ denominator)


def _without_nan(values: ImageValues, index: Tensor) -> tuple[Tensor, Tensor]:
    numerator, denominator = values.numerator[index], values.denominator[index]
    known = numerator.isfinite() & denominator.isfinite()
    return numerator.where(known, 0.0), denominator.where(known, 0.0)


def _resample_counts(num: int) -> Tensor:
    """[1000, num] float64: how often each image is drawn."""
    drawn = torch.randint(num, (_RESAMPLES, num), generator=rng_for(0, "bootstrap", num))
    ones = torch.ones(_RESAMPLES, num, dtype=torch.float64)
    return torch.zeros_like(ones).scatter_add_(1, drawn, ones)
