"""Errors count the pixels of their own region only."""

import torch

from diverse_inpainting.core.region_errors import hole_l1, valid_l1


def test_valid_l1_counts_valid_pixels_only():
    erased, valid = torch.zeros(1, 3, 2, 2), torch.tensor([[[[1.0, 0.0], [0.0, 0.0]]]])
    image = torch.full((1, 3, 2, 2), 9.0)
    image[0, :, 0, 0] = torch.tensor([0.1, 0.2, -0.3])
    torch.testing.assert_close(valid_l1(image, erased, valid), torch.tensor([0.2]))


def test_hole_l1_sums_over_the_hole_only():
    first, hole = torch.zeros(1, 3, 2, 2), torch.tensor([[[[1.0, 0.0], [0.0, 1.0]]]])
    second = torch.full((1, 3, 2, 2), 9.0)
    second[0, :, 0, 0] = torch.tensor([0.1, 0.2, -0.3])
    second[0, :, 1, 1] = 0.5
    torch.testing.assert_close(hole_l1(first, second, hole), torch.tensor([0.6 + 1.5]))
