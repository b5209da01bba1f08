"""Feature networks with random weights, against the libraries' own use of the same files.

All but the first test need the extra `metrics`.
"""

import sys

import pytest
import torch
from PIL import Image

from diverse_inpainting.core.errors import CheckpointError
from diverse_inpainting.core.pretrained import sha256_of
from diverse_inpainting.evaluation import provenance
from diverse_inpainting.evaluation.extractors import fid_inception, imagenet_inception
from diverse_inpainting.evaluation.libraries import import_library
from diverse_inpainting.evaluation.lpips_distance import lpips_distance
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
    """torchvision's networks; small batches, because each one is filled up."""
    monkeypatch.setattr(provenance, "_BATCH", 2)
    try:
        for name in ("torch_fidelity", "lpips"):
            import_library(name)
        return import_library("torchvision.models")
    except CheckpointError as error:
        pytest.skip(f"needs the extra metrics: {error}")


@pytest.fixture
def pictures(generator):
    return torch.randint(0, 256, (3, 3, 40, 40), dtype=torch.uint8, generator=generator)


def save(network, path, prefix=""):
    state = {k: v for k, v in network.state_dict().items() if k.startswith(prefix)}
    torch.save(state, path)
    return path


def inception(models, **changes):
    """Inception-v3 whose random weights keep the size of what passes through."""
    torch.manual_seed(0)
    network = models.inception_v3(weights=None, init_weights=False, **changes)
    for layer in network.modules():
        if isinstance(layer, torch.nn.Conv2d):
            torch.nn.init.kaiming_normal_(layer.weight)
    return network.eval()


def test_the_fid_network_is_torch_fidelitys(models, pictures, tmp_path):
    weights = save(inception(models, num_classes=1008, aux_logits=False), tmp_path / "w.pth")
    library = import_library("torch_fidelity.feature_extractor_inceptionv3")
    own = library.FeatureExtractorInceptionV3(
        "inception-v3-compat", ["2048"], feature_extractor_weights_path=str(weights)
    )
    extractor = fid_inception(weights, CPU)
    features = extractor.features(pictures)
    assert features.shape == (3, extractor.num_features)
    assert features.std() > 0.01
    assert_close(features, own(pictures)[0])
    assert extractor.provenance.weights_sha256 == sha256_of(weights)


def test_the_imagenet_network_sees_what_the_source_showed_it(models, pictures, tmp_path):
    transforms = import_library("torchvision.transforms")
    network = inception(models)
    extractor = imagenet_inception(save(network, tmp_path / "w.pth"), CPU)
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
    images = [Image.fromarray(p) for p in pictures.movedim(1, -1).numpy()]
    with torch.inference_mode():
        network(torch.stack([shown(image) for image in images]))
    features = extractor.features(pictures)
    assert features.std() > 0.01
    assert_close(features, seen[0])


@pytest.mark.parametrize(("kind", "trunk"), [("alex", "alexnet"), ("vgg", "vgg16")])
def test_lpips_is_the_packages_own(models, pictures, tmp_path, monkeypatch, kind, trunk):
    torch.manual_seed(0)
    network = getattr(models, trunk)(weights=None)
    distance = lpips_distance(save(network, tmp_path / "w.pth", "features."), CPU)
    lpips = import_library("lpips")
    monkeypatch.setattr(lpips.pretrained_networks.tv, trunk, lambda pretrained: network)
    own = lpips.LPIPS(net=kind, verbose=False)
    other = pictures.flip(0).roll(1, dims=3)
    with torch.inference_mode():
        expected = own(pictures / 127.5 - 1, other / 127.5 - 1).flatten()
    assert expected.min() > 1e-4
    assert_close(distance.distances(pictures, other), expected)
    assert distance.distances(pictures, pictures).tolist() == [0, 0, 0]


@pytest.mark.parametrize("build", [fid_inception, imagenet_inception, lpips_distance])
def test_weights_of_another_network_are_refused(models, tmp_path, build):
    weights = save(models.squeezenet1_1(weights=None), tmp_path / "w.pth")
    with pytest.raises(CheckpointError, match="which do not fit"):
        build(weights, CPU)
