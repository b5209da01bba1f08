"""What a metric gets and gives.

Legend: n pictures, V results of each, R their side in pixels. All tensors are on the CPU.
"""

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False, kw_only=True)
class Evaluated:
    """What one method made of the pictures and masks that all methods share."""

    method: str
    """Its name in the report."""
    names: tuple[str, ...]
    """One for each picture, unlike any other; results of all methods are in the same order."""
    originals: Tensor
    """[n, 3, R, R] uint8."""
    holes: Tensor
    """[n, 1, R, R] bool, True = filled by the method."""
    results: Tensor
    """[n, V, 3, R, R] uint8; outside the hole the original (Eq. 4), unless `is_paired` is False."""
    raw: Tensor | None = None
    """[n, V, 3, R, R] uint8, what the method drew before Eq. 4; None where there is no such."""
    independent: Tensor | None = None
    """[n, 2, 3, R, R] uint8, what the method's generator draws from two of its random codes alone;
    None where there is no such."""
    is_paired: bool = True
    """False for a yardstick of other whole pictures; only set metrics are asked for it."""

    @property
    def num_variants(self) -> int:
        """V, results for each picture."""
        return self.results.shape[1]

    @property
    def ratios(self) -> Tensor:
        """[n] float64, the erased share of each picture."""
        return self.holes.double().mean(dim=(1, 2, 3))

    def subset(self, index: Tensor) -> "Evaluated":
        """Return the pictures at these positions, [m] int64."""
        parts = {name: getattr(self, name) for name in _TENSORS}
        chosen = {name: part[index] for name, part in parts.items() if part is not None}
        names = tuple(self.names[i] for i in index.tolist())
        return dataclasses.replace(self, names=names, **chosen)


_TENSORS = ("originals", "holes", "results", "raw", "independent")
_CHUNK = 64  # pictures; at 256 px a few hundred MB of intermediate results


@dataclass(frozen=True, eq=False)
class PictureValues:
    """One metric of each picture, so that any set of pictures has a mean and an interval."""

    numerator: Tensor
    """[n] float64."""
    denominator: Tensor
    """[n] float64, 0 or more. Ones, unless the metric of a set is a ratio of sums (rho, the seam):
    single pictures of such a metric may divide by almost nothing."""

    @classmethod
    def of(cls, values: Tensor) -> "PictureValues":
        """Return a metric whose value for a set is the mean of the pictures' values, [n]."""
        return cls(values.double(), torch.ones(len(values), dtype=torch.float64))

    @property
    def values(self) -> Tensor:
        """[n] float64, NaN where the denominator is 0."""
        return self.numerator / self.denominator


@dataclass(frozen=True)
class Estimate:
    """The value of a metric for a set of pictures."""

    value: float
    low: float | None = None
    """Lower end of the interval, None where there is none. For means of pictures this is the 95 %
    bootstrap interval; a set metric says in its own description what its interval is."""
    high: float | None = None
    """Upper end."""


PictureMetric = Callable[[Evaluated], Mapping[str, PictureValues]]
"""Measures each picture; it is called once per method, with all pictures."""

SetMetric = Callable[[Sequence[Evaluated]], Sequence[Mapping[str, Estimate]]]
"""Measures sets as wholes; it is called for each bucket, with the subsets of all methods that have
pictures in it: they share originals, and so work. The answers are in the same order."""


def in_chunks(metric: PictureMetric) -> PictureMetric:
    """Let a metric see a few pictures at a time, so that its memory does not grow with n."""

    @functools.wraps(metric)
    def measure(evaluated: Evaluated) -> dict[str, PictureValues]:
        positions = torch.arange(len(evaluated.names)).split(_CHUNK)
        parts = [metric(evaluated.subset(index)) for index in positions]
        return {
            name: PictureValues(
                torch.cat([part[name].numerator for part in parts]),
                torch.cat([part[name].denominator for part in parts]),
            )
            for name in parts[0]
        }

    return measure


@dataclass(frozen=True, kw_only=True)
class MetricSuite:
    """Metrics that are measured together.

    A metric leaves out what it cannot measure (diversity of one result). Names of values are
    permanent: scripts read them from results.json.
    """

    picture: tuple[PictureMetric, ...] = ()
    sets: tuple[SetMetric, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)
    """What the values depend on, plain data for the report: extractor, its hash, and so on."""

    @classmethod
    def left_out(cls, name: str, reason: str) -> "MetricSuite":
        """Return a suite without metrics, whose facts say why."""
        return cls(facts={name: {"left_out": reason}})
