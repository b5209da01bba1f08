"""What `evaluate` asks of features, on stand-ins for the networks."""

import pytest
import torch

from diverse_inpainting.evaluation import c2st
from diverse_inpainting.evaluation.extractors import Extractor
from diverse_inpainting.evaluation.feature_cache import FeatureCache
from diverse_inpainting.evaluation.feature_metrics import (
    inception_metrics,
    lpips_diversity,
    memorisation,
    two_sample_test,
)
from diverse_inpainting.evaluation.lpips_distance import PairDistance
from diverse_inpainting.evaluation.provenance import Provenance
from diverse_inpainting.evaluation.types import Evaluated
from tolerances import assert_close

STAND_IN = Provenance(name="stand-in", weights_sha256="12ab", treatment="none")
COLOURS = Extractor(STAND_IN, num_features=3, compute=lambda p: p.double().mean(dim=(2, 3)))


def noise(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)


def evaluated(n, V=2, **changes):
    """Noise in the left half of noise."""
    originals, drawn = noise(n, 3, 16, 16), noise(n, V, 3, 16, 16, seed=1)
    holes = torch.zeros(n, 1, 16, 16, dtype=torch.bool)
    holes[..., :8] = True
    parts = {
        "method": "noise",
        "names": tuple(str(i) for i in range(n)),
        "originals": originals,
        "holes": holes,
        "results": torch.where(holes[:, None], drawn, originals[:, None]),
    }
    return Evaluated(**{**parts, **changes})


@pytest.fixture
def cache(tmp_path):
    return FeatureCache(tmp_path / "features.sqlite")


def test_inception_metrics_of_the_original(cache):
    originals = noise(8, 3, 16, 16)
    same = evaluated(8, results=originals[:, None])
    (metric,) = inception_metrics(COLOURS, cache).sets
    values = {name: estimate.value for name, estimate in metric([same])[0].items()}
    assert values.pop("fid") == pytest.approx(0, abs=1e-6)
    assert values == {"u_ids": 0.5, "p_ids": 0.0}


def test_the_first_result_is_measured(cache):
    """Its colour is the original's; the second one's is 50 levels brighter."""
    originals = noise(8, 3, 16, 16) // 2
    results = torch.stack([originals, originals + 50], dim=1)
    (metric,) = inception_metrics(COLOURS, cache).sets
    same = evaluated(8, originals=originals, results=results)
    assert metric([same])[0]["fid"].value == pytest.approx(0, abs=1e-6)
    brighter = evaluated(8, originals=originals, results=results.flip(1))
    assert metric([brighter])[0]["fid"].value == pytest.approx(3 * 50**2, rel=1e-4)


def test_other_pictures_have_no_pairs(cache):
    (metric,) = inception_metrics(COLOURS, cache, suffix="_imagenet").sets
    (found,) = metric([evaluated(8, is_paired=False)])
    assert found.keys() == {"fid_imagenet", "u_ids_imagenet"}


def test_a_single_picture_has_no_distribution(cache):
    (metric,) = inception_metrics(COLOURS, cache).sets
    assert metric([evaluated(1)]) == [{}]


def test_too_few_pictures_are_warned_of_once(cache, caplog):
    (metric,) = inception_metrics(COLOURS, cache).sets
    metric([evaluated(n) for n in (3, 2, 3)])
    (record,) = caplog.records
    assert "U-IDS and P-IDS mean nothing here: 3 pictures for 3 features" in record.message


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


def test_lpips_diversity_is_between_two_results():
    def distance(a, b):
        return (a.float() - b.float()).abs().mean(dim=(1, 2, 3))

    suite = lpips_diversity(PairDistance(STAND_IN, distance))
    (metric,) = suite.picture
    some = evaluated(5)
    expected = distance(some.results[:, 0], some.results[:, 1])
    assert_close(metric(some)["lpips_diversity"].values, expected, 1e-5)
    assert metric(evaluated(5, V=1)) == {}
    assert suite.facts["lpips"]["compared"] == "two full composites"


def test_a_fill_from_the_training_set_is_near():
    """Two of twenty fills are training pictures; the others are as new as the originals."""
    training = noise(30, 3, 16, 16, seed=2)
    some = evaluated(20, V=1)
    pasted = torch.where(some.holes[:2], training[4:6], some.originals[:2])
    results = torch.cat([pasted, some.results[2:, 0]])[:, None]
    (metric,) = memorisation(training).picture
    values = metric(evaluated(20, results=results))
    assert values["neighbour_distance"].values[:2].tolist() == pytest.approx([0, 0], abs=1e-6)
    assert values["near_training"].values[:2].tolist() == [1, 1]
    assert values["near_training"].values[2:].mean() < 0.3
    assert values["neighbour_ratio"].values[2:].mean() == pytest.approx(1, abs=0.1)


def test_thin_holes_are_left_out():
    holes = torch.zeros(4, 1, 64, 64, dtype=torch.bool)
    holes[:2, ..., :8] = True
    holes[2:, ..., 1] = True
    originals = noise(4, 3, 64, 64)
    some = evaluated(4, originals=originals, holes=holes, results=originals[:, None])
    (metric,) = memorisation(noise(3, 3, 64, 64, seed=2)).picture
    for values in metric(some).values():
        assert values.denominator[:2].gt(0).all()
        assert values.numerator[2:].tolist() == values.denominator[2:].tolist() == [0, 0]


def test_originals_that_were_trained_on_are_left_out_with_a_warning(caplog):
    """Of six originals two are in the training set, one of them as its mirror image."""
    some = evaluated(6)
    mine = some.originals
    training = torch.cat([noise(30, 3, 16, 16, seed=2), mine[3:4], mine[5:].flip(3)])
    (metric,) = memorisation(training).picture
    for values in metric(some).values():
        assert values.values.isnan().tolist() == [False, False, False, True, False, True]
        assert values.values[[0, 1, 2, 4]].isfinite().all()
    metric(some)
    assert [record.args for record in caplog.records] == [(2, 6)]


def test_the_classifier_answers_for_each_picture(monkeypatch):
    monkeypatch.setattr(c2st, "_MIN_STEPS", 1)
    monkeypatch.setattr(c2st, "_EPOCHS", 1)
    (metric,) = two_sample_test(30, seed=0, device=torch.device("cpu")).picture
    values = metric(evaluated(30))["told_apart"].values
    assert values.shape == (30,)
    assert set(values.tolist()) <= {0.0, 0.5, 1.0}
    few = two_sample_test(29, seed=0, device=torch.device("cpu"))
    assert not few.picture and "30 pictures" in few.facts["two_sample"]["left_out"]
