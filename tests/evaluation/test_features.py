"""Feature networks with random weights, against the libraries' own use of the same files, and
their cache. Tests that take `models` need the extra `metrics`.
"""

import sys

import pytest
import torch
from PIL import Image

from diverse_inpainting.core.errors import CheckpointError, InputError
from diverse_inpainting.core.pretrained import sha256_of
from diverse_inpainting.evaluation import features
from diverse_inpainting.evaluation.features import (
    FeatureCache,
    FeatureNetwork,
    fid_inception,
    imagenet_inception,
    import_library,
)
from diverse_inpainting.evaluation.images import Images
from diverse_inpainting.evaluation.lpips import lpips_distance
from tolerances import assert_close

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("build", "package"),
    [
        (fid_inception, "torch_fidelity"),
        (imagenet_inception, "torchvision"),
        (lpips_distance, "lpips"),
    ],
)
def test_a_missing_package_is_one_sentence(build, package, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(CheckpointError, match=r"diverse-inpainting\[metrics\]"):
        build(tmp_path / "weights.pth", CPU)


@pytest.fixture
def models(monkeypatch):
    """torchvision's networks; small batches, because each one is padded."""
    monkeypatch.setattr(features, "_BATCH", 2)
    try:
        for name in ("torch_fidelity", "lpips"):
            import_library(name)
        return import_library("torchvision.models")
    except CheckpointError as error:
        pytest.skip(f"needs the extra metrics: {error}")


@pytest.fixture
def images(generator):
    return torch.randint(0, 256, (3, 3, 40, 40), dtype=torch.uint8, generator=generator)


def save(network, path):
    torch.save(network.state_dict(), path)
    return path


def inception(models, **changes):
    """Inception-v3 whose random weights keep the size of what passes through."""
    torch.manual_seed(0)
    network = models.inception_v3(weights=None, init_weights=False, **changes)
    for layer in network.modules():
        if isinstance(layer, torch.nn.Conv2d):
            torch.nn.init.kaiming_normal_(layer.weight)
    return network.eval()


def test_the_fid_network_is_torch_fidelitys(models, images, tmp_path):
    weights = save(inception(models, num_classes=1008, aux_logits=False), tmp_path / "w.pth")
    library = import_library("torch_fidelity.feature_extractor_inceptionv3")
    own = library.FeatureExtractorInceptionV3(
        "inception-v3-compat", ["2048"], feature_extractor_weights_path=str(weights)
    )
    network = fid_inception(weights, CPU)
    found = network(images)
    assert found.shape == (3, network.num_features)
    assert found.std() > 0.01
    assert_close(found, own(images)[0])
    assert network.weights_sha256 == sha256_of(weights)


def test_the_imagenet_network_sees_what_the_source_showed_it(models, images, tmp_path):
    transforms = import_library("torchvision.transforms")
    network = inception(models)
    loaded = imagenet_inception(save(network, tmp_path / "w.pth"), CPU)
    shown = transforms.Compose(
        [
            transforms.Resize([256, 256]),
            transforms.Resize([299, 299]),
            transforms.ToTensor(),
            transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
        ]
    )
    seen = []
    network.avgpool.register_forward_hook(lambda *call: seen.append(call[2].flatten(1)))
    opened = [Image.fromarray(image) for image in images.movedim(1, -1).numpy()]
    with torch.inference_mode():
        network(torch.stack([shown(image) for image in opened]))
    found = loaded(images)
    assert found.std() > 0.01
    assert_close(found, seen[0])


@pytest.mark.parametrize("build", [fid_inception, imagenet_inception, lpips_distance])
def test_weights_of_another_network_are_refused(models, tmp_path, build):
    weights = save(models.squeezenet1_1(weights=None), tmp_path / "w.pth")
    with pytest.raises(CheckpointError, match="which do not fit"):
        build(weights, CPU)


# --- batches and the cache ---


class Cache(FeatureCache):
    """One that takes tensors."""

    def features(self, network, images):
        return super().features(network, Images.of(images))


class Counting:
    """Mean colours as features; notes how many images each call brings."""

    def __init__(self):
        self.calls = []

    def __call__(self, images):
        self.calls.append(len(images))
        return images.double().mean(dim=(2, 3))

    def network(self, **changes):
        fields = {"name": "mean", "weights_sha256": "", "treatment": "none", "compute": self}
        return FeatureNetwork(num_features=3, **{**fields, **changes})


@pytest.fixture
def many(generator):
    return torch.randint(0, 256, (70, 3, 4, 4), dtype=torch.uint8, generator=generator)


def test_features_come_in_equal_batches(many):
    counting = Counting()
    found = counting.network()(many)
    assert counting.calls == [32, 32, 32]
    assert found.dtype == torch.float32
    assert_close(found, many.double().mean(dim=(2, 3)), 1e-5)


def test_an_image_is_computed_once(many, tmp_path):
    counting = Counting()
    cache = Cache(tmp_path / "features.sqlite")
    first = cache.features(counting.network(), many[:40])
    counting.calls.clear()
    again = Cache(tmp_path / "features.sqlite")
    assert torch.equal(again.features(counting.network(), many[:40].flip(0)), first.flip(0))
    assert counting.calls == []
    assert len(again.features(counting.network(), many)) == 70
    assert counting.calls == [32]  # 30 were new


def test_equal_images_count_as_one(many, tmp_path):
    counting = Counting()
    twice = torch.cat([many[:32], many[:32]])
    found = Cache(tmp_path / "f").features(counting.network(), twice)
    assert counting.calls == [32]
    assert torch.equal(found[:32], found[32:])


@pytest.mark.parametrize(
    "facts", [{"name": "other"}, {"weights_sha256": "ab"}, {"treatment": "resized"}]
)
def test_another_network_shares_nothing(many, tmp_path, facts):
    counting = Counting()
    cache = Cache(tmp_path / "f")
    cache.features(counting.network(), many[:1])
    cache.features(counting.network(**facts), many[:1])
    assert len(counting.calls) == 2


def test_the_shape_belongs_to_an_image(tmp_path):
    """Equal bytes in another shape are another image."""
    counting = Counting()
    cache = Cache(tmp_path / "f")
    ramp = torch.arange(24, dtype=torch.uint8)
    cache.features(counting.network(), ramp.view(1, 3, 2, 4))
    found = cache.features(counting.network(), ramp.view(1, 3, 4, 2))
    assert len(counting.calls) == 2
    assert_close(found, torch.tensor([[3.5, 11.5, 19.5]]))


def test_what_was_computed_before_a_failure_is_kept(many, tmp_path, monkeypatch):
    monkeypatch.setattr("diverse_inpainting.evaluation.features._COMMIT_EVERY", 32)
    counting = Counting()

    def failing(batch):
        if len(counting.calls) == 1:
            raise KeyboardInterrupt
        return counting(batch)

    interrupted = counting.network(compute=failing)
    cache = Cache(tmp_path / "f")
    with pytest.raises(KeyboardInterrupt):
        cache.features(interrupted, many)
    counting.calls.clear()
    cache.features(counting.network(), many)
    assert counting.calls == [32, 32]


def test_a_file_that_is_no_cache(tmp_path):
    path = tmp_path / "features.sqlite"
    path.write_bytes(b"something else entirely, of a few bytes more than sixteen")
    with pytest.raises(InputError, match=r"features\.sqlite.*Delete it"):
        FeatureCache(path)
    with pytest.raises(InputError, match="another path"):
        FeatureCache(tmp_path / "absent" / "f")


def test_features_that_are_not_finite_are_refused(many):
    broken = Counting().network(compute=lambda images: images.float().mean(dim=(2, 3)) / 0)
    with pytest.raises(InputError, match="values of the features of mean are NaN"):
        broken(many)
