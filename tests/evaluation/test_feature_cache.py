"""Features are computed once, in batches of one size, and survive on the disk."""

import pytest
import torch

from diverse_inpainting.core.errors import InputError
from diverse_inpainting.evaluation.extractors import Extractor
from diverse_inpainting.evaluation.feature_cache import FeatureCache
from diverse_inpainting.evaluation.provenance import Provenance
from tolerances import assert_close


class Counting:
    """Mean colours as features; it notes how many pictures each call brings."""

    def __init__(self):
        self.calls = []

    def __call__(self, pictures):
        self.calls.append(len(pictures))
        return pictures.double().mean(dim=(2, 3))

    def extractor(self, **facts):
        default = {"name": "mean", "weights_sha256": "", "treatment": "none"}
        return Extractor(Provenance(**{**default, **facts}), num_features=3, compute=self)


@pytest.fixture
def pictures(generator):
    return torch.randint(0, 256, (70, 3, 4, 4), dtype=torch.uint8, generator=generator)


def test_features_come_in_equal_batches(pictures):
    counting = Counting()
    features = counting.extractor().features(pictures)
    assert counting.calls == [32, 32, 32]
    assert features.dtype == torch.float32
    assert_close(features, pictures.double().mean(dim=(2, 3)), 1e-5)


def test_a_picture_is_computed_once(pictures, tmp_path):
    counting = Counting()
    cache = FeatureCache(tmp_path / "features.sqlite")
    first = cache.features(counting.extractor(), pictures[:40])
    counting.calls.clear()
    again = FeatureCache(tmp_path / "features.sqlite")
    assert torch.equal(again.features(counting.extractor(), pictures[:40].flip(0)), first.flip(0))
    assert counting.calls == []
    assert len(again.features(counting.extractor(), pictures)) == 70
    assert counting.calls == [32]  # 30 were new


def test_equal_pictures_count_as_one(pictures, tmp_path):
    counting = Counting()
    twice = torch.cat([pictures[:32], pictures[:32]])
    features = FeatureCache(tmp_path / "f").features(counting.extractor(), twice)
    assert counting.calls == [32]
    assert torch.equal(features[:32], features[32:])


@pytest.mark.parametrize(
    "facts", [{"name": "other"}, {"weights_sha256": "ab"}, {"treatment": "resized"}]
)
def test_another_extractor_shares_nothing(pictures, tmp_path, facts):
    counting = Counting()
    cache = FeatureCache(tmp_path / "f")
    cache.features(counting.extractor(), pictures[:1])
    cache.features(counting.extractor(**facts), pictures[:1])
    assert len(counting.calls) == 2


def test_the_shape_belongs_to_a_picture(tmp_path):
    """Equal bytes in another shape are another picture."""
    counting = Counting()
    cache = FeatureCache(tmp_path / "f")
    ramp = torch.arange(24, dtype=torch.uint8)
    cache.features(counting.extractor(), ramp.view(1, 3, 2, 4))
    features = cache.features(counting.extractor(), ramp.view(1, 3, 4, 2))
    assert len(counting.calls) == 2
    assert_close(features, torch.tensor([[3.5, 11.5, 19.5]]))


def test_what_was_computed_before_a_failure_is_kept(pictures, tmp_path, monkeypatch):
    monkeypatch.setattr("diverse_inpainting.evaluation.feature_cache._CHUNK", 32)
    counting = Counting()

    def failing(batch):
        if len(counting.calls) == 1:
            raise KeyboardInterrupt
        return counting(batch)

    interrupted = Extractor(counting.extractor().provenance, num_features=3, compute=failing)
    cache = FeatureCache(tmp_path / "f")
    with pytest.raises(KeyboardInterrupt):
        cache.features(interrupted, pictures)
    counting.calls.clear()
    cache.features(counting.extractor(), pictures)
    assert counting.calls == [32, 32]


def test_a_file_that_is_no_cache(tmp_path):
    path = tmp_path / "features.sqlite"
    path.write_bytes(b"something else entirely, of a few bytes more than sixteen")
    with pytest.raises(InputError, match=r"features\.sqlite.*Delete it"):
        FeatureCache(path)
    with pytest.raises(InputError, match="another place"):
        FeatureCache(tmp_path / "absent" / "f")
