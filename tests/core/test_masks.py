"""Hole masks: the same for a seed everywhere, and within the range of hole ratios asked for."""

import hashlib

import numpy as np
import pytest
import torch

from diverse_inpainting.core.errors import InputError
from diverse_inpainting.core.masks import KINDS, hole_ratio, sample_hole_masks

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
