"""Differences of results, by hand."""

import pytest
import torch

from diverse_inpainting.evaluation.diversity import diversity
from evaluation_samples import boxes, constant, evaluated


def test_mean_difference_in_the_hole_and_its_share_of_independent_ones():
    holes = boxes(2, 8)
    same = constant(50, 2, 3, 8, 8)
    results = torch.stack([same, torch.where(holes, same + 6, same)], dim=1)
    independent = torch.stack([same, same + 24], dim=1)  # outside the hole, too
    found = diversity(evaluated(same, holes, results, independent=independent))
    assert found["diversity"].values.tolist() == [6, 6]
    assert found["rho"].values.tolist() == [0.25, 0.25]
    numbers = 3 * holes.sum(dim=(1, 2, 3))
    assert found["rho"].denominator.tolist() == (24 * numbers).tolist(), "larger holes weigh more"


@pytest.mark.parametrize(("variants", "names"), [(1, set()), (2, {"diversity"})])
def test_what_cannot_be_measured_is_left_out(variants, names):
    results = constant(0, 1, variants, 3, 8, 8)
    assert set(diversity(evaluated(results[:, 0], boxes(1, 8), results))) == names
