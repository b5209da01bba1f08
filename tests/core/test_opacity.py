"""How much of a completion each pixel shows: feather and squares."""

import pytest
import torch

from diverse_inpainting.core.opacity import feather


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
