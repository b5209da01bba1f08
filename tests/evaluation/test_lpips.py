"""LPIPS against the package's own; that test needs the extra `metrics`."""

import pytest
import torch

from diverse_inpainting.core.errors import CheckpointError
from diverse_inpainting.evaluation import features
from diverse_inpainting.evaluation.features import FeatureNetwork, import_library
from diverse_inpainting.evaluation.lpips import lpips_distance, lpips_diversity
from evaluation_samples import noise_output
from tolerances import assert_close

CPU = torch.device("cpu")


@pytest.fixture
def models(monkeypatch):
    """torchvision's networks; small batches, because each one is padded."""
    monkeypatch.setattr(features, "_BATCH", 2)
    try:
        import_library("lpips")
        return import_library("torchvision.models")
    except CheckpointError as error:
        pytest.skip(f"needs the extra metrics: {error}")


@pytest.fixture
def images(generator):
    return torch.randint(0, 256, (3, 3, 40, 40), dtype=torch.uint8, generator=generator)


def save(network, path):
    state = {k: v for k, v in network.state_dict().items() if k.startswith("features.")}
    torch.save(state, path)
    return path


@pytest.mark.parametrize(("kind", "trunk"), [("alex", "alexnet"), ("vgg", "vgg16")])
def test_lpips_is_the_packages_own(models, images, tmp_path, monkeypatch, kind, trunk):
    torch.manual_seed(0)
    network = getattr(models, trunk)(weights=None)
    distance = lpips_distance(save(network, tmp_path / "w.pth"), CPU)
    lpips = import_library("lpips")
    monkeypatch.setattr(lpips.pretrained_networks.tv, trunk, lambda pretrained: network)
    own = lpips.LPIPS(net=kind, verbose=False)
    other = images.flip(0).roll(1, dims=3)
    with torch.inference_mode():
        expected = own(images / 127.5 - 1, other / 127.5 - 1).flatten()
    assert expected.min() > 1e-4
    assert_close(distance(images, other)[:, 0], expected)
    assert distance(images, images).tolist() == [[0], [0], [0]]


def test_diversity_is_the_distance_of_two_results():
    def distance(a, b):
        return (a.float() - b.float()).abs().mean(dim=(1, 2, 3))[:, None]

    network = FeatureNetwork(
        name="stand-in", weights_sha256="12ab", treatment="none", num_features=1, compute=distance
    )
    suite = lpips_diversity(network)
    (metric,) = suite.per_image
    some = noise_output(5)
    expected = distance(some.results[:, 0], some.results[:, 1])[:, 0]
    assert_close(metric(some)["lpips_diversity"].values, expected, 1e-5)
    assert metric(noise_output(5, num_variants=1)) == {}
    assert suite.facts["lpips"]["compared"] == "two full composites"
