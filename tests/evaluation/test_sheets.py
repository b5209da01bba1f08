"""Which pictures the contact sheets show."""

import torch

from diverse_inpainting.evaluation.sheets import _places


def test_pictures_with_equal_values_are_sorted_by_the_seam():
    values = torch.tensor([0.5, 0.0, 0.5, torch.nan])
    places = _places(values, ties=torch.tensor([3.0, 9.0, 1.0, 0.0]))
    assert places["best"].tolist() == [1, 2, 0]
    assert places["worst"].tolist() == [0, 2, 1]
