"""Hole masks: the same for a seed everywhere, as large as those of the public samplers."""

import hashlib

import numpy as np
import pytest
import torch

from diverse_inpainting.core.errors import InputError
from diverse_inpainting.core.masks import KINDS, hole_ratio, sample_hole_masks

# Of the public samplers: mean hole ratio, fractions under 0.4 and over 0.8 (3000 masks at 256).
PUBLIC_SAMPLERS = {
    "comodgan": (0.729, 0.06, 0.43),
    "paper": (0.594, 0.18, 0.16),
    "mat-large": (0.405, 0.48, 0.01),
    "mat-small": (0.220, 0.88, 0.00),
}

# SHA-256 of eight masks at 64, as bytes of 0 and 1. A change here changes what every seed means.
FINGERPRINTS = {
    "paper": "14a8b8e8a9dc71571c9d9ab34865e7e8311943308a43f0fdcfd06308df02f3b5",
    "comodgan": "eac7fa8e66f34f96f1a1ae080f28fe42c59decadf74430de423de08b94ef8374",
    "mat-large": "dc8a22bc0dd71df3ff4fa664178d973095314b3fb2744623bbc59034f596e826",
    "mat-small": "8cc9809df6d958cc42624b052d0c80f621e16a0c6483e0134c82eb88a7bbcea9",
    "box": "675182bbb7d3686085fbc2c4e04832873e75cb26b133c54b7aa0c35c2f456c36",
    "half": "d01e28b946835e19501252cdeb9a98f34da0af95dc5ba35c0fbd41631737c02a",
    "outpaint": "f117226e2b42c6f56bdb569543c71d300987d5b7a02ffc4798b033a18de73e49",
}


@pytest.mark.parametrize("kind", PUBLIC_SAMPLERS)
def test_hole_ratios_agree_with_the_public_sampler(kind):
    mean, small, large = PUBLIC_SAMPLERS[kind]
    ratios = hole_ratio(sample_hole_masks(kind, 400, 64, seed=0))
    # Three standard errors of 400 masks: 0.033 (deviation 0.22), and 0.075 for a fraction of 0.45.
    assert ratios.mean().item() == pytest.approx(mean, abs=0.035)
    assert (ratios < 0.4).double().mean().item() == pytest.approx(small, abs=0.075)
    assert (ratios > 0.8).double().mean().item() == pytest.approx(large, abs=0.075)


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_masks_come_out_everywhere(kind):
    masks = sample_hole_masks(kind, 8, 64, seed=7).to(torch.uint8).numpy()
    assert hashlib.sha256(masks.tobytes()).hexdigest() == FINGERPRINTS[kind]


@pytest.mark.parametrize("kind", KINDS)
def test_layout_and_values(kind):
    masks = sample_hole_masks(kind, 5, 33, seed=2)
    assert masks.shape == (5, 1, 33, 33)
    assert masks.dtype == torch.float32
    assert set(masks.unique().tolist()) == {0.0, 1.0}


@pytest.mark.parametrize("kind", ["paper", "box"])
def test_mask_i_depends_on_the_seed_and_i_alone(kind):
    masks = sample_hole_masks(kind, 6, 32, seed=5)
    assert torch.equal(masks[:2], sample_hole_masks(kind, 2, 32, seed=5))
    assert torch.equal(masks[4:], sample_hole_masks(kind, 2, 32, seed=5, first=4))
    assert not torch.equal(masks[0], masks[1])


def test_neighbouring_seeds_share_no_mask():
    first, second = (sample_hole_masks("paper", 8, 32, seed=seed) for seed in (10, 11))
    assert not any(torch.equal(a, b) for a in first for b in second)


def test_the_highest_seed_is_usable():
    assert len(sample_hole_masks("half", 1, 16, seed=2**64 - 1)) == 1


def test_no_masks_keep_the_layout():
    assert sample_hole_masks("paper", 0, 16, seed=0).shape == (0, 1, 16, 16)


def test_the_global_generators_are_left_alone():
    torch.manual_seed(0)
    before = torch.get_rng_state(), np.random.get_state()[1].copy()
    sample_hole_masks("paper", 2, 16, seed=0)
    assert torch.equal(torch.get_rng_state(), before[0])
    assert np.array_equal(np.random.get_state()[1], before[1])


@pytest.mark.parametrize("kind", ["paper", "comodgan", "outpaint"])
def test_one_seed_gives_one_shape_at_every_resolution(kind):
    large = sample_hole_masks(kind, 6, 256, seed=4)
    small = sample_hole_masks(kind, 6, 64, seed=4)
    # Every fourth pixel of the large mask lies within half a small pixel of the small one's centre.
    differing = (large[..., 2::4, 2::4] - small).abs().mean(dim=(1, 2, 3))
    assert differing.max().item() < 0.05


@pytest.mark.parametrize(("low", "high"), [(0.0, 0.4), (0.4, 1.0), (0.6, 0.8)])
def test_the_hole_ratio_stays_in_its_range(low, high):
    for kind in ("paper", "comodgan", "mat-large"):
        ratios = hole_ratio(sample_hole_masks(kind, 20, 32, seed=1, hole_range=(low, high)))
        assert ratios.min().item() >= low
        assert ratios.max().item() < high


def test_masks_are_never_empty_or_full():
    for kind in ("mat-small", "comodgan"):
        ratios = hole_ratio(sample_hole_masks(kind, 200, 16, seed=0))
        assert ratios.min().item() > 0.0
        assert ratios.max().item() < 1.0


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


@pytest.mark.parametrize("hole_range", [(0.4, 0.4), (0.8, 0.2), (-0.1, 0.5), (0.5, 1.5)])
def test_an_impossible_range_is_refused(hole_range):
    with pytest.raises(InputError, match="hole_range"):
        sample_hole_masks("paper", 1, 16, seed=0, hole_range=hole_range)


def test_an_unreachable_range_ends_with_a_clear_error():
    with pytest.raises(InputError, match=r"'half'.*Widen the range"):
        sample_hole_masks("half", 1, 8, seed=0, hole_range=(0.6, 0.9))


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "papre"},
        {"num": -1},
        {"num": 1.5},
        {"resolution": 4},
        {"seed": -1},
        {"seed": 2**64},
        {"first": -1},
    ],
)
def test_bad_arguments_are_refused(change):
    arguments = {"kind": "paper", "num": 1, "resolution": 16, "seed": 0}
    with pytest.raises(InputError, match=next(iter(change))):
        sample_hole_masks(**{**arguments, **change})


def test_hole_ratio_counts_each_mask():
    masks = torch.zeros(3, 1, 4, 4)
    masks[1, 0, 0] = 1.0
    masks[2] = 1.0
    assert hole_ratio(masks).tolist() == [0.0, 0.25, 1.0]
    assert hole_ratio(masks.bool()).dtype == torch.float32
