"""Jumps and colour errors along the edge of the hole."""

import pytest
import torch

from diverse_inpainting.evaluation.seam import edge_jump, rim_errors, seam
from evaluation_samples import boxes, constant, evaluated, noise


def test_jumps_by_hand():
    image = torch.tensor([[0.0, 1.0, 3.0], [7.0, 2.0, 2.0], [0.0, 0.0, 0.0]]).expand(1, 3, 3, 3)
    hole = torch.zeros(1, 1, 3, 3, dtype=torch.bool)
    hole[..., 0, 1] = True  # neighbours 0 and 3 in the row, 2 below
    assert edge_jump(image, hole).item() == pytest.approx((1 + 2 + 1) / 3)
    assert edge_jump(image, torch.zeros_like(hole)).item() == 0


def test_the_original_has_no_seam_and_a_constant_has_one():
    ramp = torch.arange(16, dtype=torch.uint8) * 4 + 90
    originals, holes = ramp.expand(2, 3, 16, 16), boxes(2, 16)
    grey = torch.where(holes, 255, originals)
    for results, larger in ((originals, False), (grey, True)):
        found = seam(evaluated(originals, holes, results[:, None]))
        assert ((found["seam"].values > 1) == larger).all()
        assert ((found["rim_colour"].values > 0) == larger).all()
    found = seam(evaluated(originals, holes, originals[:, None]))
    assert found["seam"].values.tolist() == [1, 1]


def test_a_known_offset_is_the_colour_error():
    originals, holes = noise(3, 3, 32, 32) // 2 + 60, boxes(3, 32)
    offset = torch.tensor([10, -4, 0]).view(1, 3, 1, 1)
    shifted = torch.where(holes, originals + offset, originals).byte()
    results = torch.stack([shifted, originals], dim=1)  # the mean of two results halves it
    found = {name: v.values for name, v in seam(evaluated(originals, holes, results)).items()}
    for name, value in {"red": 5.0, "green": -2.0, "blue": 0.0, "colour": 14 / 6}.items():
        assert found[f"rim_{name}"].tolist() == pytest.approx([value] * 3, abs=1e-4)


def test_the_low_pass_forgives_noise_and_not_a_cast_along_a_part_of_the_rim():
    hole = boxes(12, 64)[11:]
    grain = torch.where(torch.rand(1, 3, 64, 64) < 0.5, 20.0, -20.0)
    half = torch.where(torch.arange(64) < 32, 20.0, -20.0).expand(1, 3, 64, 64)
    red, green, blue, size = rim_errors(half, hole)[0].tolist()
    assert [red, green, blue] == pytest.approx([0, 0, 0], abs=1.0)
    assert rim_errors(grain, hole)[0, 3] < 0.5 * size and size > 15


def test_errors_far_from_the_rim_do_not_count():
    hole = boxes(30, 64)[29:]
    error = torch.zeros(1, 3, 64, 64)
    error[..., 28:36, 28:36] = 100
    assert rim_errors(error, hole).abs().max() < 1e-6


def test_flat_pictures_have_no_ratio():
    flat = constant(9, 1, 3, 8, 8)
    found = seam(evaluated(flat, boxes(1, 8), flat[:, None]))
    assert found["seam"].values.isnan().all()
    assert found["seam"].numerator.item() == found["seam"].denominator.item() == 0
