"""The sliced Wasserstein distance: known answers, and SciPy as oracle of its parts."""

import threading
import weakref

import numpy as np
import pytest
import torch
from scipy.ndimage import convolve
from scipy.stats import wasserstein_distance

from diverse_inpainting.evaluation import swd
from diverse_inpainting.evaluation.images import Images
from diverse_inpainting.evaluation.swd import laplacian_pyramid
from evaluation_samples import boxes, constant, method, noise, output


def sliced_wasserstein(first, others, seeds):
    return swd.sliced_wasserstein(Images.of(first), [Images.of(o) for o in others], seeds)


def smooth_images(n, side, seed=0):
    small = noise(n, 3, 4, 4, seed=seed).float()
    return torch.nn.functional.interpolate(small, size=side, mode="bilinear").byte() // 2 + 60


def test_equal_sets_are_at_distance_zero_and_noise_moves_them_apart():
    images = smooth_images(6, 32)
    grain = noise(6, 3, 32, 32, seed=1).float() / 255 - 0.5
    totals = []
    for strength in (0, 10, 40):
        changed = (images + strength * grain).round().byte()
        found = sliced_wasserstein(images, [changed], seeds=(0,))[0]
        assert set(found) == {32, 16}
        totals.append(sum(distances[0] for distances in found.values()))
    assert totals[0] == 0 and totals[0] < totals[1] < totals[2]


def test_patches_come_from_the_same_places_of_both_sets():
    images = noise(6, 3, 32, 32)
    nearly = images.clone()
    nearly[0, 0, 16, 16] ^= 1
    for distance, apart in zip(
        sliced_wasserstein(images, [nearly], (0,))[0].values(),
        sliced_wasserstein(images[:3], [images[3:]], (0,))[0].values(),
        strict=True,
    ):
        assert distance[0] < 0.01 * apart[0], "drawn apart, nearly equal sets would be as far"


def test_a_smooth_change_shows_at_the_coarse_level():
    images = noise(6, 3, 64, 64) // 2
    ramp = torch.linspace(0, 60, 64).byte()
    (found,) = sliced_wasserstein(images, [images + ramp], seeds=(0,))
    assert found[16][0] > 10 * found[64][0] > 0


def test_a_cast_of_the_whole_set_is_not_seen():
    images = smooth_images(4, 16)
    (found,) = sliced_wasserstein(images, [images + 30], seeds=(0,))
    assert found[16][0] < 0.1


def test_seeds_give_the_mean_and_its_range():
    images = noise(2, 3, 32, 32)
    made = output(images, boxes(2, 32), 255 - images[:, None] // 3)
    (found,) = swd.swd([method(made)])
    assert set(found) == {"swd", "swd_16", "swd_32"}
    (runs,) = sliced_wasserstein(images, [255 - images // 3], (0, 1, 2))
    assert found["swd_16"].value == pytest.approx(np.mean(runs[16]))
    assert (found["swd_16"].low, found["swd_16"].high) == (min(runs[16]), max(runs[16]))
    assert found["swd"].value == pytest.approx((found["swd_16"].value + found["swd_32"].value) / 2)
    assert len(set(runs[16])) == 3


def test_the_pyramid_against_scipy():
    """As the authors describe it: reduce and enlarge with a mirrored 5x5 binomial filter."""
    binomial = np.outer([1, 4, 6, 4, 1], [1, 4, 6, 4, 1]) / 256
    image = noise(1, 3, 32, 32).float()
    fine, coarse = (level[0].numpy() for level in laplacian_pyramid(image))
    for channel, wanted_fine, wanted_coarse in zip(image[0].numpy(), fine, coarse, strict=True):
        small = convolve(channel, binomial, mode="mirror")[::2, ::2]
        spread = np.zeros_like(channel)
        spread[::2, ::2] = small
        enlarged = convolve(spread, 4 * binomial, mode="mirror")
        np.testing.assert_allclose(wanted_coarse, small, atol=1e-3)
        np.testing.assert_allclose(wanted_fine, channel - enlarged, atol=1e-3)


def test_the_distance_against_scipy():
    first, second = noise(3, 3, 16, 16), noise(3, 3, 16, 16, seed=1) // 2
    patches = [swd._patches(Images.of(images), 0, (0,))[0] for images in (first, second)]
    for values in patches:
        channels = values.unflatten(1, (3, 49))
        assert channels.mean(dim=(0, 2)).abs().max() < 1e-5
        assert (channels.std(dim=(0, 2), correction=0) - 1).abs().max() < 1e-5
    directions = torch.cat(list(swd._directions(0, 16)))
    assert directions.shape == (512, 147)
    assert (directions.norm(dim=1) - 1).abs().max() < 1e-5
    projections = ((directions @ values.T).numpy() for values in patches)
    expected = np.mean([wasserstein_distance(a, b) for a, b in zip(*projections, strict=True)])
    found = sliced_wasserstein(first, [second], (0,))[0][16][0]
    assert found == pytest.approx(1000 * expected, rel=1e-5)


def test_sets_without_any_variation_do_not_divide_by_zero():
    flat = constant(7, 2, 3, 16, 16)
    assert sliced_wasserstein(flat, [flat + 1], (0,)) == [{16: [0.0]}]


def test_methods_measured_together_have_the_values_that_each_has_alone():
    """The second is the original; the last one is compared with fewer originals."""
    images, holes = noise(4, 3, 16, 16), boxes(4, 16)
    results = (noise(4, 1, 3, 16, 16, seed=1), images[:, None], images.flip(0)[:, None] // 2)
    methods = [method(output(images, holes, result)) for result in results]
    methods.append(methods[0].at(torch.arange(3)))
    together = swd.swd(methods)
    assert together == [swd.swd([alone])[0] for alone in methods]
    assert together[1]["swd"].value == 0
    assert len({found["swd"].value for found in together}) == 4


def test_neither_chunks_nor_groups_of_sets_change_a_value(monkeypatch):
    """Groups of one set, and images read two at a time."""
    images = noise(5, 3, 32, 32)
    others = [images.flip(0) // 2, noise(5, 3, 32, 32, seed=1), images]
    expected = sliced_wasserstein(images, others, (0, 1))
    monkeypatch.setattr(swd, "_PATCH_BYTES", 1)
    monkeypatch.setattr("diverse_inpainting.evaluation.images.CHUNK", 2)
    assert sliced_wasserstein(images, others, (0, 1)) == expected


@pytest.mark.parametrize("num_sets", [2, 3, 5])
def test_as_many_sets_of_patches_are_kept_as_the_limit_allows(monkeypatch, num_sets):
    """Of five sets and the originals; a group goes before the next one comes."""
    alive, most, returned, counting = set(), [], [], threading.Lock()
    patches = swd._patches

    def count(*arguments):
        made, key = patches(*arguments), object()
        with counting:
            alive.add(key)
            most.append(len(alive))
        weakref.finalize(made[0], alive.discard, key)
        return made

    monkeypatch.setattr(swd, "_patches", count)
    monkeypatch.setattr(swd, "return_freed_memory", lambda: returned.append(1))
    images = noise(2, 3, 16, 16)
    monkeypatch.setattr(swd, "_PATCH_BYTES", num_sets * 2 * 128 * 147 * 4)
    sliced_wasserstein(images, [noise(2, 3, 16, 16, seed=k) for k in range(5)], (0,))
    assert max(most) == num_sets
    assert len(returned) == -(-5 // (num_sets - 1))
