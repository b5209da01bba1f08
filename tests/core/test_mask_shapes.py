"""The shapes of holes: as large as those of the public samplers, anywhere in the image."""

import pytest
import torch

from diverse_inpainting.core.masks import hole_ratio, sample_hole_masks

# Of the public samplers: mean hole ratio, fractions under 0.4 and over 0.8 (3000 masks at 256).
PUBLIC_SAMPLERS = {
    "comodgan": (0.729, 0.06, 0.43),
    "paper": (0.594, 0.18, 0.16),
    "mat-large": (0.405, 0.48, 0.01),
    "mat-small": (0.220, 0.88, 0.00),
}


@pytest.mark.parametrize("kind", PUBLIC_SAMPLERS)
def test_hole_ratios_agree_with_the_public_sampler(kind):
    mean, small, large = PUBLIC_SAMPLERS[kind]
    ratios = hole_ratio(sample_hole_masks(kind, 400, 64, seed=0))
    # Three standard errors of 400 masks: 0.033 (deviation 0.22), and 0.075 for a fraction of 0.45.
    assert ratios.mean().item() == pytest.approx(mean, abs=0.035)
    assert (ratios < 0.4).double().mean().item() == pytest.approx(small, abs=0.075)
    assert (ratios > 0.8).double().mean().item() == pytest.approx(large, abs=0.075)


@pytest.mark.parametrize("kind", ["paper", "comodgan", "outpaint"])
def test_one_seed_gives_one_shape_at_every_resolution(kind):
    large = sample_hole_masks(kind, 6, 256, seed=4)
    small = sample_hole_masks(kind, 6, 64, seed=4)
    # Every fourth pixel of the large mask lies within half a small pixel of the small one's centre.
    differing = (large[..., 2::4, 2::4] - small).abs().mean(dim=(1, 2, 3))
    assert differing.max().item() < 0.05


@pytest.mark.parametrize("hole_range", [(0.0, 0.1), (0.1, 0.2), (0.1, 0.4), (0.2, 0.4)])
@pytest.mark.parametrize("kind", ["mat-small", "mat-large"])
def test_small_holes_leave_something_to_draw(kind, hole_range):
    ratios = hole_ratio(sample_hole_masks(kind, 8, 32, seed=0, hole_range=hole_range))
    assert ratios.min().item() >= hole_range[0] and ratios.min().item() > 0.0
    assert ratios.max().item() < hole_range[1]


def test_half_masks_are_the_four_halves():
    masks = sample_hole_masks("half", 40, 8, seed=0)
    halves = torch.zeros(4, 1, 8, 8)
    halves[0, :, :, :4] = halves[1, :, :, 4:] = halves[2, :, :4] = halves[3, :, 4:] = 1.0
    found = {tuple(half.flatten().tolist()) for half in masks}
    assert found == {tuple(half.flatten().tolist()) for half in halves}


def test_outpaint_keeps_one_window_away_from_the_border():
    for mask in sample_hole_masks("outpaint", 20, 40, seed=3)[:, 0]:
        keep = mask == 0
        rows, columns = keep.any(dim=1), keep.any(dim=0)
        assert keep.sum() == rows.sum() * columns.sum()
        assert mask.mean() > 0.3


def test_free_form_masks_reach_the_whole_image():
    # Strokes drift one way within a mask; the flips must even that out.
    mean = sample_hole_masks("mat-large", 400, 32, seed=0).mean(dim=(0, 1))
    assert mean.flip(0).sub(mean).abs().mean().item() < 0.05
    assert mean.flip(1).sub(mean).abs().mean().item() < 0.05
    assert mean.min().item() > 0.1
