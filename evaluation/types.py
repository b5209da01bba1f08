"""What a metric gets and gives.

Legend: n images, V results for each, R their side in pixels. All tensors are on the CPU.
"""

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import torch
from torch import Tensor

from .images import Images


@dataclass(frozen=True, eq=False)
class Pairs:
    """Images with one hole each, which all methods get; the images are read when needed."""

    names: tuple[str, ...]
    """File names without suffix, unique even if case is ignored."""
    originals: Images
    """[n, 3, R, R] uint8."""
    holes: Images
    """[n, 1, R, R] bool, True = fill."""

    @functools.cached_property
    def ratios(self) -> Tensor:
        """[n] float64, the erased fraction of each image."""
        return torch.cat([holes.double().mean(dim=(1, 2, 3)) for holes in self.holes.chunks()])

    def at(self, index: Tensor) -> Self:
        """Return the images at these positions, [m] int64, without reading them."""
        chosen = {name: x.at(index) for name, x in vars(self).items() if isinstance(x, Images)}
        return dataclasses.replace(self, names=_chosen(self.names, index), **chosen)

    def completed(
        self,
        method: str,
        fills: Images,
        raw: Images | None = None,
        independent: Images | None = None,
    ) -> "Method":
        """Return what a method made: its fills [n, V, 3, R, R] uint8 in the holes (Eq. 4)."""

        def results(index: Tensor) -> Tensor:
            holes, originals = self.holes[index], self.originals[index]
            return torch.where(holes[:, None], fills[index], originals[:, None])

        return Method(
            *(self.names, self.originals, self.holes),
            method=method,
            results=Images(fills.shape, results),
            raw=raw,
            independent=independent,
        )


@dataclass(frozen=True, eq=False, kw_only=True)
class Method(Pairs):
    """What one method made of the images and holes."""

    method: str
    """Its name in the report."""
    results: Images
    """[n, V, 3, R, R] uint8; equal to the original outside the hole (Eq. 4) if `is_paired`."""
    raw: Images | None = None
    """[n, V, 3, R, R] uint8, the method's output before Eq. 4, if known."""
    independent: Images | None = None
    """[n, 2, 3, R, R] uint8, what the generator makes of two random codes alone, if known."""
    is_paired: bool = True
    """False if the results are unrelated whole images; only set metrics apply to those."""

    @property
    def first_results(self) -> Images:
        """[n, 3, R, R] uint8, the result that sets are compared by."""
        return self.results.variant(0)

    def read(self, index: Tensor) -> "MethodOutput":
        """Return the images at these positions, [m] int64, in memory."""
        read = {name: x[index] for name, x in vars(self).items() if isinstance(x, Images)}
        return MethodOutput(names=_chosen(self.names, index), method=self.method, **read)


@dataclass(frozen=True, eq=False, kw_only=True)
class MethodOutput:
    """A few images of a `Method`, in memory."""

    names: tuple[str, ...]
    originals: Tensor
    holes: Tensor
    method: str
    results: Tensor
    raw: Tensor | None = None
    independent: Tensor | None = None

    @property
    def num_variants(self) -> int:
        """V, the number of results for each image."""
        return self.results.shape[1]


def _chosen(names: tuple[str, ...], index: Tensor) -> tuple[str, ...]:
    return tuple(names[i] for i in index.tolist())


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

    @classmethod
    def joined(cls, parts: Sequence["ImageValues"]) -> "ImageValues":
        """Return the values of several sets of images, one after the other."""
        return cls(
            torch.cat([part.numerator for part in parts]),
            torch.cat([part.denominator for part in parts]),
        )

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
"""Measures each image. It gets a few images at a time, in any process: a value depends on its image
alone."""

MethodMetric = Callable[[Method], Mapping[str, ImageValues]]
"""Measures each image too, but looks at all images of a method to do so; called once for each."""

SetMetric = Callable[[Sequence[Method]], Sequence[Mapping[str, Estimate]]]
"""Measures whole sets; called once per bucket, with the images of all methods that have some in it,
so that work on shared originals is done once. Returns the values in the same order."""


@dataclass(frozen=True, kw_only=True)
class MetricSuite:
    """Metrics that are measured together.

    A metric leaves out what it cannot measure, such as the diversity of a single result. The names
    of values are permanent: scripts read them from results.json.
    """

    per_image: tuple[ImageMetric, ...] = ()
    per_method: tuple[MethodMetric, ...] = ()
    per_set: tuple[SetMetric, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)
    """What the values depend on, as plain data for the report: the network, its hash and so on."""

    @classmethod
    def left_out(cls, name: str, reason: str) -> "MetricSuite":
        """Return a suite without metrics whose facts give the reason."""
        return cls(facts={name: {"left_out": reason}})
