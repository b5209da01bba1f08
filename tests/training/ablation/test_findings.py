"""Claims and verdicts from numbers made up for the purpose."""

import pytest

from diverse_inpainting.training.ablation.findings import (
    FINDINGS,
    Below,
    Finding,
    Judged,
    Measured,
    reason_of,
    verdict_of,
)
from diverse_inpainting.training.ablation.rows import ROWS
from diverse_inpainting.training.metrics.evaluated import Estimate

CLAIM = Below("5", "unrealism", "4")


def measured(*, pictures=None, **estimates):
    """Estimates from (value, low, high); means over pictures bring their values."""
    pictures = pictures or {}
    means = {name: Estimate(sum(v) / len(v)) for name, v in pictures.items()}
    return Measured(
        {name: Estimate(*numbers) for name, numbers in estimates.items()} | means,
        {name: {f"p{i}": x for i, x in enumerate(v)} for name, v in pictures.items()},
    )


def judge(own, other, claim=CLAIM):
    return claim.judge({claim.row: own, claim.other: other})


@pytest.mark.parametrize(
    ("own", "other", "state"),
    [
        ([(1.0, 0.9, 1.1)] * 2, [(2.0, 1.9, 2.1)] * 2, "holds"),
        ([(2.0, 1.9, 2.1)] * 2, [(1.0, 0.9, 1.1)] * 2, "fails"),
        ([(1.0, 0.5, 1.5)] * 2, [(2.0, 1.4, 2.6)] * 2, "open"),
        ([(1.0, 0.9, 1.1)], [(2.0, 1.9, 2.1)], "open"),
        ([(1.0, 0.9, 1.1), (2.0, 1.9, 2.1)], [(2.0, 1.9, 2.1), (1.0, 0.9, 1.1)], "open"),
        ([(1.0,), (1.2,)], [(1.5,), (1.6,)], "holds"),
    ],
)
def test_a_claim_about_sets_holds_where_the_intervals_are_apart_under_every_seed(own, other, state):
    runs = [{seed: measured(swd=v) for seed, v in enumerate(row)} for row in (own, other)]
    (judged,) = judge(*runs)
    assert (judged.metric, judged.state) == ("swd", state)


def test_the_interval_of_a_difference_of_sets_by_hand():
    (judged,) = judge({7: measured(swd=(1.0, 0.9, 1.2))}, {7: measured(swd=(2.0, 1.5, 2.1))})
    assert judged.differences[7].value == pytest.approx(-1.0)
    assert judged.differences[7].low == pytest.approx(0.9 - 2.1)
    assert judged.differences[7].high == pytest.approx(1.2 - 1.5)


def test_pictures_are_paired_so_that_what_they_share_does_not_widen_the_interval():
    shared = [0.0, 10.0] * 20
    own = measured(pictures={"told_apart": [x + 0.1 * (i % 3) for i, x in enumerate(shared)]})
    other = measured(pictures={"told_apart": [x + 1 for x in shared]})
    (judged,) = judge({0: own, 1: own}, {0: other, 1: other})
    difference = judged.differences[0]
    assert difference.value == pytest.approx(-0.9, abs=0.01)
    assert -1 < difference.low < difference.value < difference.high < -0.8
    assert judged.state == "holds"


def test_only_what_every_run_has_and_seeds_of_both_rows_are_judged():
    both = measured(swd=(1.0,), fid=(1.0,))
    judged = judge({0: both, 1: both}, {0: measured(swd=(2.0,)), 2: both})
    assert [(j.metric, list(j.differences)) for j in judged] == [("swd", [0])]
    assert CLAIM.judge({"5": {0: both}}) == []


def test_a_number_can_be_the_limit():
    claim = Below("1", "rho", 0.15)
    for numbers, state in (((0.02, 0.01, 0.03), "holds"), ((0.1, 0.05, 0.2), "open")):
        (judged,) = claim.judge({"1": dict.fromkeys((0, 1), measured(rho=numbers))})
        assert judged.state == state
    assert str(claim) == "rho of 1 below 0.15"


def states(*pairs):
    """Judged with a difference on the right side of zero for each (claim, state)."""
    numbers = {"holds": -1.0, "fails": 1.0, "open": 0.0}
    return [
        Judged(str(claim), "swd", dict.fromkeys((0, 1), Estimate(numbers[state])))
        for claim, state in pairs
    ]


FIRST, SECOND = Below("2", "unrealism", "1"), Below("5", "unrealism", "4")
BOTH = Finding("text", "paper", (FIRST, SECOND))


@pytest.mark.parametrize(
    ("judged", "verdict"),
    [
        (states((FIRST, "holds"), (SECOND, "holds")), "reproduced"),
        (states((FIRST, "holds"), (FIRST, "open"), (SECOND, "holds")), "reproduced"),
        (states((FIRST, "holds"), (SECOND, "open")), "inconclusive"),
        (states((FIRST, "holds")), "inconclusive"),
        (states((FIRST, "holds"), (SECOND, "fails")), "not reproduced"),
        (states((FIRST, "open"), (SECOND, "fails")), "not reproduced"),
        (states((FIRST, "holds"), (SECOND, "holds"), (SECOND, "fails")), "inconclusive"),
        ([], "inconclusive"),
    ],
)
def test_a_finding_needs_all_its_claims(judged, verdict):
    assert verdict_of(BOTH, judged) == verdict


def test_a_reason_names_every_claim_and_the_metrics_of_each_state():
    judged = [
        *states((FIRST, "holds"), (FIRST, "open")),
        Judged(str(FIRST), "told_apart", dict.fromkeys((0, 1), Estimate(-1.0))),
    ]
    reason = reason_of(BOTH, judged)
    assert reason == (
        "unrealism of 2 below that of 1: holds on swd and told_apart, open on swd; "
        "unrealism of 5 below that of 4: not measured."
    )


def test_the_papers_own_table_gives_all_four_findings():
    """FID and LPIPS of Table 3; rho follows LPIPS."""
    table = {
        "1": (10.92, 0.0073),
        "2": (7.87, 0.0855),
        "3": (20.91, 0.2095),
        "4": (16.65, 0.1440),
        "5": (5.92, 0.2026),
    }
    results = {
        row: dict.fromkeys((0, 1), measured(fid=(fid,), lpips_diversity=(lpips,), rho=(lpips,)))
        for row, (fid, lpips) in table.items()
    }
    verdicts = [verdict_of(finding, finding.judge(results)) for finding in FINDINGS]
    assert verdicts == ["reproduced"] * 4
    assert {claim.row for finding in FINDINGS for claim in finding.claims} <= set(ROWS)


def test_rows_come_after_those_they_go_on_from():
    names = list(ROWS)
    for name, row in ROWS.items():
        assert (row.stage == "stage2") == bool(row.stage1_of)
        assert not row.stage1_of or names.index(row.stage1_of) < names.index(name)
