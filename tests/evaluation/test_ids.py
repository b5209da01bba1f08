"""U-IDS and P-IDS where the answer is known."""

import numpy as np
import pytest

from diverse_inpainting.evaluation.ids import discriminative_scores, too_few_images


def gaussian(n, d, seed=0):
    return np.random.default_rng(seed).standard_normal([n, d])


def test_sets_that_a_plane_parts_score_zero():
    real = gaussian(50, 4)
    real[:, 1] += 8 * np.sign(real[:, 1])  # apart from each other, too: only one axis tells
    fake = gaussian(50, 4, seed=1)
    real[:, 0], fake[:, 0] = np.abs(real[:, 0]) + 1, -np.abs(fake[:, 0]) - 1
    scores = discriminative_scores(real, fake)
    assert scores == (0.0, 0.0)


def test_equal_sets_score_half_and_none():
    """Half of the images must be wrong; a fake never looks more real than its equal."""
    features = gaussian(80, 3)
    assert discriminative_scores(features, features) == (0.5, 0.0)


def test_pairs_are_rows():
    """In one dimension, with real to the right, P-IDS counts the fakes right of their originals."""
    real, fake = np.array([[1.0], [2], [3], [10]]), np.array([[2.0], [3], [4], [-10]])
    paired, turned = discriminative_scores(real, fake), discriminative_scores(real, fake[::-1])
    assert (paired[1], turned[1]) == (0.75, 0.25)
    assert paired[0] == turned[0]


def test_independent_samples_of_one_distribution_approach_half():
    scores = discriminative_scores(gaussian(2000, 4), gaussian(2000, 4, seed=1))
    assert scores == pytest.approx((0.5, 0.5), abs=0.04)


def test_too_few_images_are_said():
    """With 2n <= d + 1 a plane parts any two sets: zero, although the distributions are equal."""
    u_ids, _ = discriminative_scores(gaussian(10, 32), gaussian(10, 32, seed=1))
    assert u_ids == 0.0
    assert "10 images and 32 features" in too_few_images(10, 32)
    assert "32 images" in too_few_images(32, 32)
    assert too_few_images(33, 32) is None
