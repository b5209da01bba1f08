"""Buckets and their edges, ratios of sums, and bootstrap intervals."""

import math

import pytest
import torch

from diverse_inpainting.evaluation.bootstrap import (
    ALL,
    BUCKETS,
    HALVES,
    STEPS,
    difference,
    summarise,
)
from diverse_inpainting.evaluation.types import ImageValues


def test_edges_belong_to_the_lower_bucket():
    ratios = torch.tensor([1e-4, 0.2, 0.4, 0.4001, 0.6, 0.8, 1.0], dtype=torch.float64)
    assert [bucket.members(ratios).tolist() for bucket in STEPS] == [[0, 1], [2], [3, 4], [5], [6]]
    assert [bucket.members(ratios).tolist() for bucket in HALVES] == [[0, 1, 2], [3, 4, 5, 6]]
    assert ALL.members(ratios).tolist() == list(range(7))
    assert [bucket.label for bucket in BUCKETS[:4]] == ["(0,1]", "(0,0.4]", "(0.4,1]", "(0,0.2]"]
    assert STEPS[1].middle == pytest.approx(0.3)


def test_a_hole_ratio_on_the_edge_is_in_the_lower_bucket():
    hole = torch.zeros(1, 1, 10, 10, dtype=torch.bool)
    hole.flatten()[:40] = True
    assert len(HALVES[0].members(hole.double().mean(dim=(1, 2, 3)))) == 1


def test_means_and_ratios_of_sums_of_a_part():
    mean = ImageValues.of(torch.tensor([1.0, 2.0, 9.0]))
    ratio = ImageValues(torch.tensor([1.0, 6.0, 5.0]).double(), torch.tensor([4.0, 3, 0]).double())
    found = summarise({"mean": mean, "ratio": ratio}, torch.tensor([0, 1]))
    assert found["mean"].value == 1.5 and found["ratio"].value == 1.0
    assert (found["mean"].low, found["mean"].high) == (1, 2)
    assert found["ratio"].low == 0.25 and found["ratio"].high == 2
    assert summarise({}, torch.tensor([0])) == {}


def test_the_interval_is_that_of_the_mean_and_always_the_same():
    values = torch.randn(400, generator=torch.Generator().manual_seed(0)).double()
    metric = {"m": ImageValues.of(values)}
    found = summarise(metric, torch.arange(400))["m"]
    error = 1.96 * float(values.std()) / math.sqrt(400)
    assert found.high - found.value == pytest.approx(error, rel=0.1)
    assert found.value - found.low == pytest.approx(error, rel=0.1)
    assert summarise(metric, torch.arange(400))["m"] == found


def test_a_paired_difference_has_the_interval_of_the_differences():
    random = torch.Generator().manual_seed(0)
    hard, apart = 50 * torch.randn(400, generator=random), torch.randn(400, generator=random) + 3
    found = difference(ImageValues.of(hard + apart), ImageValues.of(hard))
    alone = summarise({"m": ImageValues.of(apart)}, torch.arange(400))["m"]
    for name in ("value", "low", "high"):
        assert getattr(found, name) == pytest.approx(getattr(alone, name), abs=1e-4)
    assert found.low > 2


def test_images_without_a_value_are_left_out():
    values = {
        "some": ImageValues.of(torch.tensor([1.0, math.nan, 3.0])),
        "none": ImageValues.of(torch.full((3,), math.nan)),
        "flat": ImageValues(torch.zeros(3).double(), torch.zeros(3).double()),
    }
    found = summarise(values, torch.arange(3))
    assert set(found) == {"some"}
    assert found["some"].value == 2 and 1 <= found["some"].low <= found["some"].high <= 3


def test_other_metrics_do_not_change_the_last_digit(generator):
    """A method without rho must measure as the same one with it."""
    values = {
        f"m{k}": ImageValues(*torch.rand(2, 500, generator=generator).double()) for k in range(23)
    }
    index = torch.arange(500)
    every = summarise(values, index)
    for left_out in range(20):
        part = {name: x for name, x in values.items() if name != f"m{left_out}"}
        assert summarise(part, index) == {name: every[name] for name in part}
