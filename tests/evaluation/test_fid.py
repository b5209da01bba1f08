"""The Frechet distance, U-IDS and P-IDS on features whose answers are known."""

import dataclasses

import numpy as np
import pytest
import scipy.linalg
import torch

from diverse_inpainting.evaluation.features import FeatureCache, FeatureNetwork
from diverse_inpainting.evaluation.fid import (
    discriminative_scores,
    frechet_distance,
    frechet_metric,
    inception_metrics,
)
from evaluation_samples import method, noise, noise_output


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


# --- U-IDS and P-IDS ---


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


def test_as_many_dimensions_as_images_part_any_two_sets():
    """Although the distributions are equal; hence the warning."""
    assert discriminative_scores(gaussian(10, 32), gaussian(10, 32, seed=1))[0] == 0.0


# --- the metrics on features ---


COLOURS = FeatureNetwork(
    name="stand-in",
    weights_sha256="12ab",
    treatment="none",
    num_features=3,
    compute=lambda images: images.double().mean(dim=(2, 3)),
)


@pytest.fixture
def cache(tmp_path):
    return FeatureCache(tmp_path / "features.sqlite")


def test_inception_metrics_of_the_original(cache):
    originals = noise(8, 3, 16, 16)
    same = method(noise_output(8, results=originals[:, None]))
    (metric,) = inception_metrics(COLOURS, cache).per_set
    values = {name: estimate.value for name, estimate in metric([same])[0].items()}
    assert values.pop("fid") == pytest.approx(0, abs=1e-6)
    assert values == {"u_ids": 0.5, "p_ids": 0.0}


def test_the_first_result_is_measured(cache):
    """Its colour is the original's; the second one's is 50/255 brighter."""
    originals = noise(8, 3, 16, 16) // 2
    results = torch.stack([originals, originals + 50], dim=1)
    (metric,) = inception_metrics(COLOURS, cache).per_set
    same = method(noise_output(8, originals=originals, results=results))
    assert metric([same])[0]["fid"].value == pytest.approx(0, abs=1e-6)
    brighter = method(noise_output(8, originals=originals, results=results.flip(1)))
    assert metric([brighter])[0]["fid"].value == pytest.approx(3 * 50**2, rel=1e-4)


def test_unpaired_images_have_no_pairs(cache):
    (metric,) = inception_metrics(COLOURS, cache, suffix="_imagenet").per_set
    (found,) = metric([dataclasses.replace(method(noise_output(8)), is_paired=False)])
    assert found.keys() == {"fid_imagenet", "u_ids_imagenet"}


def test_a_single_image_has_no_distribution(cache):
    (metric,) = inception_metrics(COLOURS, cache).per_set
    assert metric([method(noise_output(1))]) == [{}]


def test_too_few_images_are_warned_of_once(cache, caplog):
    (metric,) = inception_metrics(COLOURS, cache).per_set
    metric([method(noise_output(4))])
    assert not caplog.records
    metric([method(noise_output(n)) for n in (3, 2, 3)])
    (record,) = caplog.records
    assert "U-IDS and P-IDS are meaningless here: with 3 images and 3 features" in record.message


def test_the_report_says_where_features_come_from(cache):
    suite = inception_metrics(COLOURS, cache, suffix="_imagenet")
    facts = suite.facts["inception_imagenet"]
    assert "over 3 in a set" in facts.pop("pictures_needed")
    assert facts == {
        "name": "stand-in",
        "weights_sha256": "12ab",
        "treatment": "none",
        "num_features": 3,
    }


def test_processes_fill_the_cache_for_the_main_one(tmp_path):
    """What was measured image by image is not computed again for the sets."""
    seen = []

    def compute(images):
        seen.append(len(images))
        return images.double().mean(dim=(2, 3))

    network = dataclasses.replace(COLOURS, compute=compute)
    suite = inception_metrics(network, FeatureCache(tmp_path / "features.sqlite"))
    ((remember,), (measure,)) = suite.per_image, suite.per_set
    some = noise_output(8)
    assert remember(some) == {}
    num_batches = len(seen)
    assert num_batches == 2 and "fid" in measure([method(some)])[0]
    assert len(seen) == num_batches


def test_a_distance_on_another_network_says_what_it_is(cache):
    suite = frechet_metric(COLOURS, cache, "frechet_lite2")
    (metric,) = suite.per_set
    originals = noise(8, 3, 16, 16) // 2
    brighter = method(noise_output(8, originals=originals, results=originals[:, None] + 50))
    (found,) = metric([brighter])
    assert found.keys() == {"frechet_lite2"}
    assert found["frechet_lite2"].value == pytest.approx(3 * 50**2, rel=1e-4)
    assert metric([method(noise_output(1))]) == [{}]
    assert suite.facts["frechet_lite2"]["is"] == "not the FID"
