"""What the paper found in Table 3, and what our measurements say about it.

A claim is that one model's value is below another's. It is judged on each metric of its kind: it
holds where the interval of the difference lies below zero under every seed, fails where it lies
above zero under every seed, and is open otherwise: also with one seed alone, because two trainings
of one model differ, too.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import torch

from ..alarms import LIMITS
from ..metrics.evaluated import Estimate, PictureValues
from ..metrics.summary import summarise

State = Literal["holds", "fails", "open"]
Verdict = Literal["reproduced", "not reproduced", "inconclusive"]

LEAST_SEEDS = 2
"""Trained models of each row that a claim needs."""

METRICS = {
    "diversity": ("lpips_diversity", "diversity"),
    "unrealism": ("fid", "swd", "told_apart"),
}
"""By kind: what is lower where there is less of it. Those that were not measured are left out."""


@dataclass(frozen=True, eq=False)
class Measured:
    """The numbers of one trained model."""

    estimates: Mapping[str, Estimate]
    """Of all pictures, by metric."""
    pictures: Mapping[str, Mapping[str, float]]
    """By metric and picture, where the value of a set is the mean over its pictures."""


Results = Mapping[str, Mapping[int, Measured]]
"""By row and seed."""


@dataclass(frozen=True)
class Judged:
    """What one metric says about a claim."""

    claim: str
    metric: str
    differences: Mapping[int, Estimate]
    """By seed: what should be below zero."""

    @property
    def state(self) -> State:
        """Where the intervals lie."""
        if len(self.differences) < LEAST_SEEDS:
            return "open"
        bounds = [_bounds(difference) for difference in self.differences.values()]
        if all(high < 0 for _, high in bounds):
            return "holds"
        return "fails" if all(low > 0 for low, _ in bounds) else "open"


@dataclass(frozen=True)
class Below:
    """The claim that one row has less of something than another, or than a number."""

    row: str
    kind: Literal["diversity", "unrealism", "rho"]
    other: str | float

    def __str__(self) -> str:
        return f"{self.kind} of {self.row} below " + (
            f"that of {self.other}" if isinstance(self.other, str) else f"{self.other:g}"
        )

    def judge(self, results: Results) -> list[Judged]:
        """Return what each metric says that all runs of both rows have, the number of seeds equal.

        Empty where a row was not measured.
        """
        own = results.get(self.row, {})
        others = results.get(self.other, {}) if isinstance(self.other, str) else own
        seeds = sorted(own.keys() & others.keys())
        judged = []
        for metric in METRICS.get(self.kind, (self.kind,)):
            runs = [own[seed] for seed in seeds] + [others[seed] for seed in seeds]
            if runs and all(metric in run.estimates for run in runs):
                found = {seed: self._difference(own[seed], others[seed], metric) for seed in seeds}
                judged.append(Judged(str(self), metric, found))
        return judged

    def _difference(self, own: Measured, other: Measured, metric: str) -> Estimate:
        a, b = own.estimates[metric], other.estimates[metric]
        if not isinstance(self.other, str):
            b = Estimate(self.other)
        elif metric in own.pictures:
            return _paired(own.pictures[metric], other.pictures[metric])
        low, high = _bounds(a), _bounds(b)
        return Estimate(a.value - b.value, low[0] - high[1], low[1] - high[0])


def _bounds(estimate: Estimate) -> tuple[float, float]:
    if estimate.low is None or estimate.high is None:
        return estimate.value, estimate.value
    return estimate.low, estimate.high


def _paired(own: Mapping[str, float], other: Mapping[str, float]) -> Estimate:
    """Return the mean difference with its bootstrap interval over the pictures of both."""
    names = sorted(own.keys() & other.keys())
    values = torch.tensor([own[name] - other[name] for name in names])
    return summarise({"difference": PictureValues.of(values)}, torch.arange(len(names)))[
        "difference"
    ]


@dataclass(frozen=True)
class Finding:
    """One of the paper's findings, as claims that must all hold."""

    text: str
    paper: str
    """The paper's own numbers."""
    claims: tuple[Below, ...]

    def judge(self, results: Results) -> list[Judged]:
        """Return what the metrics say about all claims."""
        return [judged for claim in self.claims for judged in claim.judge(results)]


def verdict_of(finding: Finding, judged: Iterable[Judged]) -> Verdict:
    """Return "reproduced" where every claim holds, "not reproduced" where one fails.

    A claim holds (fails) where it does so on one metric at least and on none it is the other way
    round. All else is "inconclusive".
    """
    claims = [_claim_state(found) for found in _by_claim(finding, judged).values()]
    if "fails" in claims:
        return "not reproduced"
    return "reproduced" if set(claims) == {"holds"} else "inconclusive"


def reason_of(finding: Finding, judged: Iterable[Judged]) -> str:
    """Return how each claim fared and on which metrics, in one sentence."""
    claims = _by_claim(finding, judged)
    return "; ".join(_reason(claim, found) for claim, found in claims.items()) + "."


def _by_claim(finding: Finding, judged: Iterable[Judged]) -> dict[str, list[Judged]]:
    found: dict[str, list[Judged]] = {str(claim): [] for claim in finding.claims}
    for one in judged:
        found[one.claim].append(one)
    return found


def _reason(claim: str, judged: Sequence[Judged]) -> str:
    if not judged:
        return f"{claim}: not measured"
    metrics: dict[State, list[str]] = {}
    for one in judged:
        metrics.setdefault(one.state, []).append(one.metric)
    parts = [f"{state} on {' and '.join(names)}" for state, names in metrics.items()]
    return f"{claim}: {', '.join(parts)}"


def _claim_state(judged: Iterable[Judged]) -> State:
    states = {one.state for one in judged}
    if ("holds" in states) == ("fails" in states):
        return "open"
    return "holds" if "holds" in states else "fails"


FINDINGS: Sequence[Finding] = (
    Finding(
        "There is no diversity without full reconstruction.",
        "LPIPS 0.0073 (1) against 0.1440 (4), 0.0855 (2) against 0.2026 (5)",
        (
            Below("1", "rho", LIMITS["rho"].low),
            Below("1", "diversity", "4"),
            Below("2", "diversity", "5"),
        ),
    ),
    Finding(
        "Gated mixing helps.",
        "FID 16.65 (4) against 20.91 (3)",
        (Below("4", "unrealism", "3"),),
    ),
    Finding(
        "Stage 2 helps.",
        "FID 7.87 (2) against 10.92 (1), 5.92 (5) against 16.65 (4)",
        (Below("2", "unrealism", "1"), Below("5", "unrealism", "4")),
    ),
    Finding(
        "After stage 1 the model that is not diverse is better, after stage 2 the diverse one is.",
        "FID 10.92 (1) against 16.65 (4), 5.92 (5) against 7.87 (2)",
        (Below("1", "unrealism", "4"), Below("5", "unrealism", "2")),
    ),
)
"""The paper, Table 3 and "Ablation Study"."""
