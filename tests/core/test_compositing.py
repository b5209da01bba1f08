"""Eq. 4 at the network's resolution and at the image's own, and errors over regions."""

import pytest
import torch

from diverse_inpainting.core.compositing import (
    composite,
    feather,
    hole_l1,
    paste_completions,
    valid_l1,
)
from diverse_inpainting.core.geometry import erase

R = 32


def test_composite_is_equation_4(generator):
    image = torch.randn(2, 3, 4, 4, generator=generator)
    valid = (torch.rand(2, 1, 4, 4, generator=generator) > 0.5).float()
    output = torch.randn(2, 3, 4, 4, generator=generator)
    expected = torch.where(valid.bool(), image, output)
    assert torch.equal(composite(output, image * valid, valid), expected)


def test_valid_l1_counts_valid_pixels_only():
    erased, valid = torch.zeros(1, 3, 2, 2), torch.tensor([[[[1.0, 0.0], [0.0, 0.0]]]])
    image = torch.full((1, 3, 2, 2), 9.0)
    image[0, :, 0, 0] = torch.tensor([0.1, 0.2, -0.3])
    torch.testing.assert_close(valid_l1(image, erased, valid), torch.tensor([0.2]))


@pytest.mark.parametrize("width_px", [1, 2, 7, 8])
def test_feather_falls_to_zero_outside_and_keeps_the_hole(width_px):
    mask = torch.zeros(1, 1, 1, 41)
    mask[..., :11] = 1
    ramp = feather(mask, width_px)[0, 0, 0]
    assert torch.equal(ramp[:11], torch.ones(11))
    assert (ramp[10 : 11 + width_px].diff() < 0).all() and ramp[10 + width_px] > 0
    assert ramp[11 + width_px :].max() == 0


def test_a_feather_of_no_width_changes_nothing():
    mask = torch.rand(1, 1, 4, 4)
    assert feather(mask, 0) is mask


def test_the_completion_fades_out_before_its_square_ends():
    mask = torch.zeros(1, 200, 200)
    mask[:, 90:110, 90:110] = 1
    erased = erase(torch.zeros(1, 200, 200, 3), mask, R, crop_mode="hole", margin=1.0)
    rows, columns = erased.crops[0].image_area
    images, opacity = paste_completions(erased, torch.ones(1, R, R, 3), feather_px=60)
    assert torch.equal(opacity[0][mask[0] == 1], torch.ones(400))
    assert opacity[0, 100, columns.start] <= 1 / 60 and opacity[0, rows.stop - 1, 100] <= 1 / 60
    torch.testing.assert_close(images[0, ..., 0], opacity[0])
    steps = opacity[0].diff(dim=1).abs()[:, [columns.start - 1, columns.stop - 1]]
    assert steps.max() <= 1 / 60


def test_a_blend_mask_reaches_no_further_than_the_square():
    mask = torch.zeros(1, 200, 200)
    mask[:, 90:110, 90:110] = 1
    erased = erase(torch.zeros(1, 200, 200, 3), mask, R, crop_mode="hole", margin=1.0)
    images, opacity = paste_completions(
        erased, torch.ones(1, R, R, 3), blend_mask=torch.ones(1, 200, 200)
    )
    inside = torch.zeros(200, 200)
    inside[erased.crops[0].image_area] = 1
    assert torch.equal(opacity[0], inside) and torch.equal(images[0, ..., 0], inside)


def test_hole_l1_sums_over_the_hole_only():
    first, hole = torch.zeros(1, 3, 2, 2), torch.tensor([[[[1.0, 0.0], [0.0, 1.0]]]])
    second = torch.full((1, 3, 2, 2), 9.0)
    second[0, :, 0, 0] = torch.tensor([0.1, 0.2, -0.3])
    second[0, :, 1, 1] = 0.5
    torch.testing.assert_close(hole_l1(first, second, hole), torch.tensor([0.6 + 1.5]))
