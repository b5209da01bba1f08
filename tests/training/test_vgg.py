"""VGG16's features: what goes in, what comes out, and which files are taken."""

import dataclasses

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import save_file

from diverse_inpainting.core.errors import CheckpointError, ConfigError
from diverse_inpainting.training import vgg
from diverse_inpainting.training.config import PerceptualConfig
from diverse_inpainting.training.perceptual import VGG16Term
from diverse_inpainting.training.vgg import LAYERS, VGG16Features, load_vgg16
from tolerances import assert_close

BLUE, GREEN, RED = 103.939, 116.779, 123.68


def random_state(deepest):
    """Weights of all layers up to one, under torchvision's names, and what torchvision adds."""
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


def test_the_layers_have_torchvisions_numbers():
    assert LAYERS["relu1_1"] == ("features.0", 64)
    assert LAYERS["relu2_1"] == ("features.5", 128)
    assert LAYERS["relu4_3"] == ("features.21", 512)
    assert LAYERS["relu5_3"] == ("features.28", 512)


def test_relu4_3_is_ten_convolutions_and_three_poolings():
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
def test_pictures_go_in_as_0_to_255_with_the_mean_subtracted(order, first):
    """The first filter passes the first channel through: white gives 255 minus its mean."""
    state = random_state("relu1_1")
    state["features.0.weight"].zero_()[0, 0, 1, 1] = 1
    state["features.0.bias"].zero_()
    red = -torch.ones(1, 3, 4, 4)
    red[:, 0] = 1
    (features,) = VGG16Features(state, ["relu1_1"], order)(red)
    wanted = 255 - first if order == "rgb" else 0.0  # black minus the mean is cut off by the ReLU
    assert_close(features[0, 0], torch.full((4, 4), wanted), 1e-3)
    (features,) = VGG16Features(state, ["relu1_1"], order)(torch.ones(1, 3, 4, 4))
    assert_close(features[0, 0], torch.full((4, 4), 255 - first), 1e-3)


def test_the_term_is_the_weighted_sum_of_mean_squares_over_the_layers(shallow):
    config = PerceptualConfig(
        network="vgg16", weights=str(shallow), layers=("relu1_2", "relu2_1"), weight=0.25
    )
    term = VGG16Term(config)
    first, second = (
        [torch.zeros(1, 2, 2), torch.ones(4)],
        [torch.full((1, 2, 2), 3.0), -torch.ones(4)],
    )
    assert term(first, second).item() == pytest.approx(0.25 * (9 + 4))
    digest = term.facts["sha256"]
    assert len(digest) == 64
    assert term.facts == {"network": "vgg16", "sha256": digest, "layers": ["relu1_2", "relu2_1"]}
    images = torch.rand(2, 3, 8, 8, requires_grad=True)
    term(term.features(images), [m.detach() + 1 for m in term.features(images)]).backward()
    assert images.grad.abs().sum() > 0
    assert not any(p.requires_grad for p in term.parameters())


def test_safetensors_are_read_as_well(shallow, tmp_path):
    path = tmp_path / "vgg.safetensors"
    save_file(random_state("relu2_1"), path)
    images = torch.rand(1, 3, 8, 8)
    a, b = (load_vgg16(str(p), ["relu2_1"])[0](images)[0] for p in (shallow, path))
    assert torch.equal(a, b)


def test_a_known_file_decides_on_the_order_and_an_unknown_one_is_told(shallow, monkeypatch, caplog):
    images = torch.rand(1, 3, 8, 8)
    unknown, digest = load_vgg16(str(shallow), ["relu1_1"])
    assert "vgg.pth is no published file" in caplog.text
    monkeypatch.setitem(vgg._KNOWN_ORDERS, digest[:8], "rgb")
    known, _ = load_vgg16(str(shallow), ["relu1_1"])
    assert not torch.equal(known(images)[0], unknown(images)[0])
    assert caplog.text.count("no published file") == 1


@pytest.mark.parametrize("weights", ["", "absent.pth"])
def test_without_weights_both_ways_on_are_named(weights):
    with pytest.raises(ConfigError) as caught:
        load_vgg16(weights, ["relu4_3"])
    for way in ("vgg16_features-amdegroot-88682ab5.pth", '"download"', '"discriminator"'):
        assert way in str(caught.value)


def test_weights_for_another_input_are_refused(shallow, monkeypatch):
    _, digest = load_vgg16(str(shallow), ["relu1_1"])
    monkeypatch.setattr(vgg, "_FILE_NOT_TO_TAKE", digest[:8])
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


def test_a_download_is_asked_for_by_name(shallow, monkeypatch):
    published = dataclasses.replace(vgg.VGG16, title="asked for")
    monkeypatch.setattr(vgg, "VGG16", published)
    monkeypatch.setattr(vgg, "obtain", {published: shallow}.__getitem__)
    assert load_vgg16("download", ["relu1_1"])[1] == load_vgg16(str(shallow), ["relu1_1"])[1]
