"""The Frechet distance on features of known mean and covariance."""

import numpy as np
import pytest
import scipy.linalg

from diverse_inpainting.core.errors import InputError
from diverse_inpainting.evaluation.frechet import frechet_distance


def features_of(mean, root, n, seed=0):
    """n features whose sample mean and covariance are exactly mean and root^T root."""
    x = np.random.default_rng(seed).standard_normal([n, len(root)])
    x -= x.mean(axis=0)
    return x @ np.linalg.inv(np.linalg.cholesky(np.cov(x, rowvar=False)).T) @ root + mean


def test_gaussians_with_independent_coordinates():
    """|m - m'|^2 + sum (s - s')^2."""
    s, t = np.array([1.0, 2.0, 0.5]), np.array([3.0, 2.0, 0.0])
    real = features_of(np.array([0.0, 1.0, 2.0]), np.diag(s), 40)
    fake = features_of(np.array([1.0, 1.0, 0.0]), np.diag(t), 25, seed=1)
    assert frechet_distance(real, fake) == pytest.approx(1 + 4 + 4 + 0 + 0.25, rel=1e-12)


def test_against_the_matrix_square_root():
    rng = np.random.default_rng(2)
    a, b = rng.standard_normal([2, 6, 6])
    real, fake = features_of(np.zeros(6), a, 50), features_of(np.ones(6), b, 50, seed=1)
    product = scipy.linalg.sqrtm((a.T @ a) @ (b.T @ b)).real
    expected = 6 + np.trace(a.T @ a + b.T @ b - 2 * product)
    assert frechet_distance(real, fake) == pytest.approx(expected, rel=1e-9)


def test_fewer_features_than_dimensions():
    """The space that no feature reaches adds nothing: as if it were not there."""
    rng = np.random.default_rng(3)
    real, fake = rng.standard_normal([2, 9, 5])
    rotation, _ = np.linalg.qr(rng.standard_normal([30, 30]))
    assert frechet_distance(real @ rotation[:5], fake @ rotation[:5]) == pytest.approx(
        frechet_distance(real, fake), rel=1e-9
    )


@pytest.mark.parametrize("n", [5, 60])
def test_equal_sets_in_any_order(n):
    features = np.random.default_rng(4).standard_normal([n, 12]).astype(np.float32)
    assert frechet_distance(features, features[::-1]) == pytest.approx(0, abs=1e-9)


def test_large_features_keep_float64():
    """In float32 the means' difference of 1 would drown in features of a million."""
    real = np.random.default_rng(5).standard_normal([30, 4]) + 1e6
    assert frechet_distance(real, real + 1) == pytest.approx(4, rel=1e-6)


@pytest.mark.parametrize(
    ("real", "fake"),
    [
        (np.zeros([1, 3]), np.zeros([5, 3])),
        (np.zeros([5, 3]), np.zeros([5, 4])),
        (np.zeros([5]), np.zeros([5])),
        (np.zeros([5, 3]), np.full([5, 3], np.nan)),
    ],
    ids=["one feature", "dimensions", "no set", "NaN"],
)
def test_sets_that_cannot_be_compared(real, fake):
    with pytest.raises(InputError):
        frechet_distance(real, fake)
