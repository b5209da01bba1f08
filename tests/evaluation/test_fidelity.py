"""PSNR, SSIM and L1 against values computed by hand and with SciPy's filters."""

import math

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from diverse_inpainting.evaluation.fidelity import fidelity, ssim
from evaluation_samples import boxes, constant, evaluated, noise


def test_by_hand_on_erased_and_on_valid_pixels():
    holes = boxes(1, 8)
    originals = constant(100, 1, 3, 8, 8)
    raw = torch.where(holes, constant(110, 1, 3, 8, 8), constant(103, 1, 3, 8, 8))
    found = fidelity(evaluated(originals, holes, raw[:, None], raw=raw[:, None]))
    values = {name: metric.values.item() for name, metric in found.items()}
    assert values["erased_l1"] == pytest.approx(10)
    assert values["valid_l1"] == pytest.approx(3)
    assert values["erased_psnr"] == pytest.approx(20 * math.log10(255 / 10))
    assert values["valid_psnr"] == pytest.approx(20 * math.log10(255 / 3))
    c1 = (0.01 * 255) ** 2  # flat pictures differ in luminance only
    expected = (2 * 100 * 110 + c1) / (100**2 + 110**2 + c1)
    assert values["erased_ssim"] == pytest.approx(expected, abs=1e-4)


def test_equal_pictures_and_two_results():
    originals, holes = noise(3, 3, 8, 8), boxes(3, 8)
    inverted = 255 - originals
    found = fidelity(evaluated(originals, holes, torch.stack([originals, inverted], dim=1)))
    alone = fidelity(evaluated(originals, holes, inverted[:, None]))
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
    pictures = [torch.from_numpy(x)[None].float() for x in (first, second)]
    found = ssim(*pictures, torch.from_numpy(region > 0)[None, None])
    assert found.item() == pytest.approx(expected, abs=1e-5)


def test_what_lies_outside_the_region_has_no_influence():
    originals, holes = noise(2, 3, 16, 16), boxes(2, 16)
    other = torch.where(holes, originals, noise(2, 3, 16, 16, seed=1))
    found = fidelity(evaluated(originals, holes, other[:, None]))
    assert found["erased_ssim"].values.tolist() == pytest.approx([1.0, 1.0])
