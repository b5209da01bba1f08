"""What a metric gets and gives.

Legend: n images, V results for each, R their side in pixels. All tensors are on the CPU.
"""

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Pairs:
    """Images with one hole each, which all methods get."""

    names: tuple[str, ...]
    """File names without suffix, unique even if case is ignored."""
    originals: Tensor
    """[n, 3, R, R] uint8."""
    holes: Tensor
    """[n, 1, R, R] bool, True = fill."""

    @property
    def ratios(self) -> Tensor:
        """[n] float64, the erased fraction of each image."""
        return self.holes.double().mean(dim=(1, 2, 3))

    def completed(
        self,
        method: str,
        fills: Tensor,
        raw: Tensor | None = None,
        independent: Tensor | None = None,
    ) -> "MethodOutput":
        """Return what a method made: its fills [n, V, 3, R, R] uint8 in the holes (Eq. 4)."""
        results = torch.where(self.holes[:, None], fills, self.originals[:, None])
        parts = (self.names, self.originals, self.holes)
        return MethodOutput(
            *parts, method=method, results=results, raw=raw, independent=independent
        )


@dataclass(frozen=True, eq=False, kw_only=True)
class MethodOutput(Pairs):
    """What one method made of the images and holes."""

    method: str
    """Its name in the report."""
    results: Tensor
    """[n, V, 3, R, R] uint8; equal to the original outside the hole (Eq. 4) if `is_paired`."""
    raw: Tensor | None = None
    """[n, V, 3, R, R] uint8, the method's output before Eq. 4, if known."""
    independent: Tensor | None = None
    """[n, 2, 3, R, R] uint8, what the generator makes of two random codes alone, if known."""
    is_paired: bool = True
    """False if the results are unrelated whole images; only set metrics apply to those."""

    @property
    def num_variants(self) -> int:
        """V, the number of results for each image."""
        return self.results.shape[1]

    def subset(self, index: Tensor) -> "MethodOutput":
        """Return the images at these positions, [m] int64."""
        tensors = {name: x for name, x in vars(self).items() if isinstance(x, Tensor)}
        chosen = {name: tensor[index] for name, tensor in tensors.items()}
        names = tuple(self.names[i] for i in index.tolist())
        return dataclasses.replace(self, names=names, **chosen)


_CHUNK = 64  # images; a few hundred MB of intermediate results at 256 px


@dataclass(frozen=True, eq=False)
class ImageValues:
    """One metric of each image, so that any set of images has a mean and an interval."""

    numerator: Tensor
    """[n] float64."""
    denominator: Tensor
    """[n] float64, at least 0. Ones unless a set's value is a ratio of sums (rho, the seam): the
    ratios of single images may divide by almost nothing."""

    @classmethod
    def of(cls, values: Tensor) -> "ImageValues":
        """Return a metric whose value for a set is the mean of these values, [n]."""
        return cls(values.double(), torch.ones(len(values), dtype=torch.float64))

    @property
    def values(self) -> Tensor:
        """[n] float64, NaN where the denominator is 0."""
        return self.numerator / self.denominator


@dataclass(frozen=True)
class Estimate:
    """The value of a metric for a set of images."""

    value: float
    low: float | None = None
    """Lower end of the interval, None if there is none. A 95 % bootstrap interval for means over
    images; a set metric documents its own."""
    high: float | None = None
    """Upper end."""


ImageMetric = Callable[[MethodOutput], Mapping[str, ImageValues]]
"""Measures each image; called once per method, with all images."""

SetMetric = Callable[[Sequence[MethodOutput]], Sequence[Mapping[str, Estimate]]]
"""Measures whole sets; called once per bucket, with the subsets of all methods that have images in
it, so that work on shared originals is done once. Returns the values in the same order."""


def in_chunks(metric: ImageMetric) -> ImageMetric:
    """Feed a metric a few images at a time, so that its memory does not grow with n."""

    @functools.wraps(metric)
    def measure(output: MethodOutput) -> dict[str, ImageValues]:
        positions = torch.arange(len(output.names)).split(_CHUNK)
        parts = [metric(output.subset(index)) for index in positions]
        return {
            name: ImageValues(
                torch.cat([part[name].numerator for part in parts]),
                torch.cat([part[name].denominator for part in parts]),
            )
            for name in parts[0]
        }

    return measure


@dataclass(frozen=True, kw_only=True)
class MetricSuite:
    """Metrics that are measured together.

    A metric leaves out what it cannot measure, such as the diversity of a single result. The names
    of values are permanent: scripts read them from results.json.
    """

    per_image: tuple[ImageMetric, ...] = ()
    per_set: tuple[SetMetric, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)
    """What the values depend on, as plain data for the report: the network, its hash and so on."""

    @classmethod
    def left_out(cls, name: str, reason: str) -> "MetricSuite":
        """Return a suite without metrics whose facts give the reason."""
        return cls(facts={name: {"left_out": reason}})
