"""VGG16's features: what goes in, what comes out, and which files are accepted."""

import dataclasses

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import save_file

from diverse_inpainting.core.errors import CheckpointError, ConfigError
from diverse_inpainting.training import vgg
from diverse_inpainting.training.vgg import LAYERS, VGG16Features, load_vgg16
from tolerances import assert_close

BLUE, GREEN, RED = 103.939, 116.779, 123.68


def random_state(deepest):
    """Weights of all layers up to one, named as in torchvision, and one of its classifier."""
    generator = torch.Generator().manual_seed(0)
    state, before = {"classifier.0.bias": torch.zeros(1)}, 3
    for name, (key, channels) in LAYERS.items():
        scale = (2 / (9 * before)) ** 0.5
        weight = torch.randn(channels, before, 3, 3, generator=generator) * scale
        state |= {f"{key}.weight": weight, f"{key}.bias": torch.rand(channels, generator=generator)}
        before = channels
        if name == deepest:
            return state


@pytest.fixture
def shallow(tmp_path):
    """A file that ends after the first pooling."""
    path = tmp_path / "vgg.pth"
    torch.save(random_state("relu2_1"), path)
    return path


def test_layers_are_numbered_as_in_torchvision():
    assert LAYERS["relu1_1"] == ("features.0", 64)
    assert LAYERS["relu2_1"] == ("features.5", 128)
    assert LAYERS["relu4_3"] == ("features.21", 512)
    assert LAYERS["relu5_3"] == ("features.28", 512)


def test_relu4_3_comes_after_ten_convolutions_and_three_poolings():
    state = random_state("relu4_3")
    images = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(1)) * 2 - 1
    (features,) = VGG16Features(state, ["relu4_3"], "rgb")(images)
    x = images * 127.5 + 127.5 - torch.tensor([RED, GREEN, BLUE])[:, None, None]
    for index in (0, 2, "pool", 5, 7, "pool", 10, 12, 14, "pool", 17, 19, 21):
        if index == "pool":
            x = F.max_pool2d(x, 2)
        else:
            key = f"features.{index}"
            x = F.conv2d(x, state[f"{key}.weight"], state[f"{key}.bias"], padding=1).clamp(min=0)
    assert features.shape == (1, 512, 2, 2)
    scale = x.std()  # small features are differences of large sums
    assert_close(features / scale, x / scale, 1e-4)


@pytest.mark.parametrize(("order", "first"), [("rgb", RED), ("bgr", BLUE)])
def test_the_input_is_scaled_to_0_to_255_with_the_mean_subtracted(order, first):
    """The first filter passes the first channel on: white gives 255 minus its mean."""
    state = random_state("relu1_1")
    state["features.0.weight"].zero_()[0, 0, 1, 1] = 1
    state["features.0.bias"].zero_()
    red = -torch.ones(1, 3, 4, 4)
    red[:, 0] = 1
    (features,) = VGG16Features(state, ["relu1_1"], order)(red)
    expected = 255 - first if order == "rgb" else 0.0  # the ReLU cuts off black minus the mean
    assert_close(features[0, 0], torch.full((4, 4), expected), 1e-3)
    (features,) = VGG16Features(state, ["relu1_1"], order)(torch.ones(1, 3, 4, 4))
    assert_close(features[0, 0], torch.full((4, 4), 255 - first), 1e-3)


def test_safetensors_files_are_read_as_well(shallow, tmp_path):
    path = tmp_path / "vgg.safetensors"
    save_file(random_state("relu2_1"), path)
    images = torch.rand(1, 3, 8, 8)
    a, b = (load_vgg16(str(p), ["relu2_1"])[0](images)[0] for p in (shallow, path))
    assert torch.equal(a, b)


def test_a_known_file_determines_the_order_and_an_unknown_one_is_reported(
    shallow, monkeypatch, caplog
):
    images = torch.rand(1, 3, 8, 8)
    unknown, sha256 = load_vgg16(str(shallow), ["relu1_1"])
    assert "vgg.pth is not a published file" in caplog.text
    monkeypatch.setitem(vgg._KNOWN_ORDERS, sha256[:8], "rgb")
    known, _ = load_vgg16(str(shallow), ["relu1_1"])
    assert not torch.equal(known(images)[0], unknown(images)[0])
    assert caplog.text.count("not a published file") == 1


@pytest.mark.parametrize(
    ("weights", "problem"),
    [("", "The recipe names no VGG16 weights. "), ("absent.pth", "There is no file absent.pth. ")],
)
def test_without_weights_the_message_names_all_ways_out(weights, problem):
    with pytest.raises(ConfigError) as caught:
        load_vgg16(weights, ["relu4_3"])
    assert str(caught.value).startswith(problem)
    for way_out in ("vgg16_features-amdegroot-88682ab5.pth", '"download"', '"discriminator"'):
        assert way_out in str(caught.value)


def test_weights_for_another_input_are_refused(shallow, monkeypatch):
    _, sha256 = load_vgg16(str(shallow), ["relu1_1"])
    monkeypatch.setattr(vgg, "_TORCHVISION", sha256[:8])
    with pytest.raises(ConfigError, match="another input"):
        load_vgg16(str(shallow), ["relu1_1"])


def test_another_network_is_refused(shallow, tmp_path):
    with pytest.raises(CheckpointError, match="do not fit"):
        load_vgg16(str(shallow), ["relu2_2"])
    state = random_state("relu1_1")
    state["features.0.weight"] = state["features.0.weight"][:32]
    torch.save(state, tmp_path / "narrow.pth")
    with pytest.raises(CheckpointError, match="do not fit"):
        load_vgg16(str(tmp_path / "narrow.pth"), ["relu1_1"])


@pytest.mark.parametrize("layers", [(), ("relu1_3",), ("conv1_1", "relu4_3")])
def test_unknown_layers_are_refused(shallow, layers):
    with pytest.raises(ConfigError, match="relu4_3"):
        load_vgg16(str(shallow), layers)


def test_a_download_is_requested_by_name(shallow, monkeypatch):
    published = dataclasses.replace(vgg.VGG16, title="requested")
    monkeypatch.setattr(vgg, "VGG16", published)
    monkeypatch.setattr(vgg, "obtain", {published: shallow}.__getitem__)
    assert load_vgg16("download", ["relu1_1"])[1] == load_vgg16(str(shallow), ["relu1_1"])[1]
