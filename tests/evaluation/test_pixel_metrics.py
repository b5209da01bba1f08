"""Fidelity, the seam, sharpness and diversity, against values by hand and SciPy's filters."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy.ndimage import gaussian_filter

from diverse_inpainting.evaluation.pixel_metrics import (
    coarse_jump,
    detail_energy,
    diversity,
    edge_jump,
    fidelity,
    rim_errors,
    seam,
    sharpness,
    ssim,
)
from evaluation_samples import boxes, constant, noise, output
from tolerances import assert_close

# --- fidelity ---


def test_by_hand_on_erased_and_on_valid_pixels():
    holes = boxes(1, 8)
    originals = constant(100, 1, 3, 8, 8)
    raw = torch.where(holes, constant(110, 1, 3, 8, 8), constant(103, 1, 3, 8, 8))
    found = fidelity(output(originals, holes, raw[:, None], raw=raw[:, None]))
    values = {name: metric.values.item() for name, metric in found.items()}
    assert values["erased_l1"] == pytest.approx(10)
    assert values["valid_l1"] == pytest.approx(3)
    assert values["erased_psnr"] == pytest.approx(20 * math.log10(255 / 10))
    assert values["valid_psnr"] == pytest.approx(20 * math.log10(255 / 3))
    c1 = (0.01 * 255) ** 2  # flat images differ in luminance only
    expected = (2 * 100 * 110 + c1) / (100**2 + 110**2 + c1)
    assert values["erased_ssim"] == pytest.approx(expected, abs=1e-4)


def test_equal_images_and_two_results():
    originals, holes = noise(3, 3, 8, 8), boxes(3, 8)
    inverted = 255 - originals
    found = fidelity(output(originals, holes, torch.stack([originals, inverted], dim=1)))
    alone = fidelity(output(originals, holes, inverted[:, None]))
    assert set(found) == {"erased_psnr", "erased_ssim", "erased_l1"}
    same = {"erased_psnr": 100.0, "erased_ssim": 1.0, "erased_l1": 0.0}
    for name, best in same.items():
        mean = (best + alone[name].values) / 2
        torch.testing.assert_close(found[name].values, mean, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("whole", [True, False])
def test_ssim_against_scipy(whole):
    rng = np.random.default_rng(0)
    first, second = 120 + 20 * rng.standard_normal([2, 3, 24, 24])
    region = np.ones([24, 24]) if whole else (rng.random([24, 24]) < 0.6).astype(float)
    scores = []
    for a, b in zip(first, second, strict=True):

        def mean(x):
            blur = [
                gaussian_filter(y, 1.5, radius=5, mode="constant") for y in (x * region, region)
            ]
            return blur[0] / blur[1]

        ma, mb = mean(a), mean(b)
        va, vb, cov = mean(a * a) - ma**2, mean(b * b) - mb**2, mean(a * b) - ma * mb
        c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
        scores.append((2 * ma * mb + c1) * (2 * cov + c2))
        scores[-1] /= (ma**2 + mb**2 + c1) * (va + vb + c2)
    expected = np.mean([score[region > 0].mean() for score in scores])
    images = [torch.from_numpy(x)[None].float() for x in (first, second)]
    found = ssim(*images, torch.from_numpy(region > 0)[None, None])
    assert found.item() == pytest.approx(expected, abs=1e-5)


def test_what_lies_outside_the_region_has_no_influence():
    originals, holes = noise(2, 3, 16, 16), boxes(2, 16)
    other = torch.where(holes, originals, noise(2, 3, 16, 16, seed=1))
    found = fidelity(output(originals, holes, other[:, None]))
    assert found["erased_ssim"].values.tolist() == pytest.approx([1.0, 1.0])


# --- the seam ---


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
        found = seam(output(originals, holes, results[:, None]))
        assert ((found["seam"].values > 1) == larger).all()
        assert ((found["rim_colour"].values > 0) == larger).all()
    found = seam(output(originals, holes, originals[:, None]))
    assert found["seam"].values.tolist() == [1, 1]


def test_a_known_offset_is_the_colour_error():
    originals, holes = noise(3, 3, 32, 32) // 2 + 60, boxes(3, 32)
    offset = torch.tensor([10, -4, 0]).view(1, 3, 1, 1)
    shifted = torch.where(holes, originals + offset, originals).byte()
    results = torch.stack([shifted, originals], dim=1)  # the mean of two results halves it
    found = {name: v.values for name, v in seam(output(originals, holes, results)).items()}
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


COARSE = ("seam_2x", "seam_4x", "seam_8x")


def discs(n, side):
    """Holes that no grid of cells is aligned with."""
    index = torch.arange(side)
    distance = ((index - 0.43 * side) ** 2)[:, None] + (index - 0.52 * side) ** 2
    radius = torch.linspace(0.22, 0.4, n) * side
    return (distance < radius.square()[:, None, None])[:, None]


def test_jumps_of_cells_by_hand():
    """The mean over three of the left cell's pixels, and over three of the right one's."""
    image = torch.tensor([[1.0, 2.0, 60.0, 9.0], [3.0, 90.0, 7.0, 11.0]]).expand(1, 3, 2, 4)
    hole = torch.tensor([[1, 1, 1, 0], [1, 0, 0, 0]]).bool().expand(1, 1, 2, 4)
    assert coarse_jump(image, hole, 2).item() == pytest.approx(9 - 2)
    tie = torch.tensor([[1, 1, 0, 0], [0, 0, 0, 0]]).bool().expand(1, 1, 2, 4)
    assert coarse_jump(image, tie, 2).item() == pytest.approx((60 + 9 + 7 + 11) / 4 - 1.5)
    assert torch.equal(coarse_jump(image, hole, 1), edge_jump(image, hole))


@pytest.mark.parametrize("cell_px", [2, 4, 8])
def test_a_step_along_the_edge_is_the_jump_of_cells_however_they_lie(cell_px):
    holes = discs(3, 64)
    step = torch.where(holes, 112.0, 100.0).expand(3, 3, 64, 64)
    assert coarse_jump(step, holes, cell_px).tolist() == pytest.approx([12.0] * 3, abs=1e-3)


def test_errors_of_single_pixels_average_out_and_gradual_ones_do_not():
    index = torch.arange(64)
    originals = (60 + index[:, None] + index).expand(1, 3, 64, 64)
    hole = discs(1, 64)
    grain = torch.where((index[:, None] + index) % 2 == 0, 40, -40)
    depth = torch.stack([-F.max_pool2d(-hole.float(), 2 * k + 1, 1, k) for k in range(1, 9)])
    gradual = (5 * depth.sum(dim=0)).int()  # 0 at the edge, 40 from eight pixels on
    found = []
    for error in (grain, gradual):
        results = torch.where(hole, originals + error, originals)[:, None]
        made = output(originals.byte(), hole, results.byte())
        found.append({name: seam(made)[name].values.item() for name in ("seam", *COARSE)})
    fine, smooth = found
    assert fine["seam"] > 10 and fine["seam_8x"] == pytest.approx(1, abs=0.05)
    assert smooth["seam"] == pytest.approx(1, abs=0.05) and smooth["seam_8x"] > 1.3


def test_the_original_has_a_coarse_seam_of_one_and_two_results_have_their_mean():
    originals, holes = noise(3, 3, 32, 32), discs(3, 32)
    other = torch.where(holes, noise(3, 3, 32, 32, seed=1) // 2, originals)
    both = seam(output(originals, holes, torch.stack([originals, other], dim=1)))
    alone = seam(output(originals, holes, other[:, None]))
    for name in COARSE:
        assert_close(both[name].values, (1 + alone[name].values) / 2)


def test_a_hole_thinner_than_half_a_cell_has_no_coarse_seam():
    holes = torch.zeros(1, 1, 16, 16, dtype=torch.bool)
    holes[..., 5] = True
    found = seam(output(noise(1, 3, 16, 16), holes, noise(1, 1, 3, 16, 16, seed=1)))
    assert found["seam_2x"].values.isfinite().all()
    assert found["seam_4x"].values.isnan().all() and found["seam_8x"].values.isnan().all()


def test_flat_images_have_no_ratio():
    flat = constant(9, 1, 3, 8, 8)
    found = seam(output(flat, boxes(1, 8), flat[:, None]))
    assert found["seam"].values.isnan().all()
    assert found["seam"].numerator.item() == found["seam"].denominator.item() == 0


# --- sharpness ---


def checks(amplitude, side=16):
    index = torch.arange(side)
    return torch.where((index[:, None] + index) % 2 == 0, amplitude, -amplitude)


def test_the_energy_of_a_chessboard_by_hand():
    """A window has five pixels of one sign and four of the other, so its mean is a ninth."""
    holes = boxes(6, 16)
    energy = detail_energy((100.0 + checks(9)).expand(6, 3, 16, 16), holes)
    assert energy.tolist() == pytest.approx([0.0] + [64.0] * 5, rel=1e-5)


def test_half_the_contrast_is_a_quarter_of_the_energy_and_a_wrong_colour_none():
    holes = boxes(3, 16)[1:]
    originals = (100 + checks(20)).byte().expand(2, 3, 16, 16)
    for change, expected in ((checks(10), 1 / 4), (checks(20) + 50, 1.0), (checks(0), 0.0)):
        results = torch.where(holes, (100 + change).byte(), originals)[:, None]
        found = sharpness(output(originals, holes, results))["sharpness"].values
        assert found.tolist() == pytest.approx([expected] * 2, rel=1e-5)
        both = torch.cat([results, originals[:, None]], dim=1)
        found = sharpness(output(originals, holes, both))["sharpness"].values
        assert found.tolist() == pytest.approx([(1 + expected) / 2] * 2, rel=1e-5)


def test_a_hole_without_a_whole_window_has_no_sharpness():
    holes = boxes(1, 16)  # 2 x 2 pixels
    found = sharpness(output(noise(1, 3, 16, 16), holes, noise(1, 1, 3, 16, 16, seed=1)))
    assert found["sharpness"].values.isnan().all()


# --- diversity ---


def test_mean_difference_in_the_hole_and_its_ratio_to_that_of_independent_samples():
    holes = boxes(2, 8)
    same = constant(50, 2, 3, 8, 8)
    results = torch.stack([same, torch.where(holes, same + 6, same)], dim=1)
    independent = torch.stack([same, same + 24], dim=1)  # outside the hole, too
    found = diversity(output(same, holes, results, independent=independent))
    assert found["diversity"].values.tolist() == [6, 6]
    assert found["rho"].values.tolist() == [0.25, 0.25]
    numbers = 3 * holes.sum(dim=(1, 2, 3))
    assert found["rho"].denominator.tolist() == (24 * numbers).tolist(), "larger holes weigh more"


@pytest.mark.parametrize(("variants", "names"), [(1, set()), (2, {"diversity"})])
def test_what_cannot_be_measured_is_left_out(variants, names):
    results = constant(0, 1, variants, 3, 8, 8)
    assert set(diversity(output(results[:, 0], boxes(1, 8), results))) == names
