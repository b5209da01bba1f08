"""The discriminator: shapes, the minibatch standard deviation and its groups, labels."""

import dataclasses

import pytest
import torch

from diverse_inpainting.core.errors import InputError
from diverse_inpainting.core.networks import Discriminator, DiscriminatorConfig
from diverse_inpainting.core.networks.discriminator import ResidualBlock, minibatch_stddev
from tolerances import assert_close

CONFIG = DiscriminatorConfig(resolution=32, channel_base=128, channel_max=8)


def make(device, **changes):
    return Discriminator(dataclasses.replace(CONFIG, **changes)).double().to(device)


@pytest.fixture
def images(generator, device):
    return torch.randn(8, 3, 32, 32, generator=generator, dtype=torch.float64).to(device)


@pytest.mark.parametrize("resolution", [32, 64, 128, 256, 512, 1024])
def test_shapes_at_every_resolution(resolution):
    config = DiscriminatorConfig(resolution=resolution, channel_base=2048, channel_max=16)
    with torch.device("meta"):
        network = Discriminator(config)
        image = torch.zeros(2, 3, resolution, resolution)
        maps = network.features(image)
        logits = network(image)
    sides = [resolution // 2**i for i in range(1, len(maps) + 1)]
    assert [tuple(x.shape) for x in maps] == [(2, config.channels(s), s, s) for s in sides]
    assert sides[-1] == 4
    assert logits.shape == (2, 1)


def test_stddev_by_hand():
    """Two groups {0, 2} and {1, 3}; the deviation is averaged over channels and pixels."""
    x = torch.tensor([[1.0, 0.0], [5.0, 5.0], [3.0, 4.0], [5.0, 9.0]]).reshape(4, 2, 1, 1).double()
    actual = minibatch_stddev(x, 2, 1)
    assert actual.shape == (4, 3, 1, 1)
    assert torch.equal(actual[:, :2], x)
    # Deviations 1 and 2 in the first group, 0 and 2 in the second.
    expected = torch.tensor([1.5, 1.0, 1.5, 1.0]).double()
    assert_close(actual[:, 2, 0, 0], expected, 1e-4)  # 1e-8 in the root


def test_stddev_channels_divide_the_features():
    x = torch.zeros(2, 4, 1, 1, dtype=torch.float64)
    x[0, 0], x[0, 2] = 2.0, 8.0
    actual = minibatch_stddev(x, 2, 2)
    # Deviations 1, 0 of the first half and 4, 0 of the second.
    assert_close(actual[:, 4:, 0, 0], torch.tensor([[0.5, 2.0]] * 2).double(), 1e-3)


@pytest.mark.parametrize(("num", "group"), [(1, 4), (3, 4), (4, 4), (8, 4), (6, 3), (5, 1)])
def test_stddev_accepts_batches_that_its_groups_divide(num, group):
    assert minibatch_stddev(torch.ones(num, 2, 3, 3), group, 1).shape == (num, 3, 3, 3)


@pytest.mark.parametrize(("num", "group"), [(5, 4), (6, 4), (9, 2)])
def test_stddev_refuses_other_batches(num, group):
    with pytest.raises(InputError, match="divisible"):
        minibatch_stddev(torch.ones(num, 2, 3, 3), group, 1)


def test_stddev_of_equal_samples_has_a_finite_gradient():
    x = torch.ones(4, 2, 2, 2, requires_grad=True)
    minibatch_stddev(x, 4, 1).sum().backward()
    assert x.grad.isfinite().all()


def test_order_within_a_group_does_not_matter(images, device):
    """Groups of four among eight: {0, 2, 4, 6} and {1, 3, 5, 7}."""
    network = make(device)
    logits = network(images)
    order = torch.tensor([4, 7, 0, 5, 6, 1, 2, 3])
    assert_close(network(images[order]), logits[order])
    # Swapping across groups is another batch to both of them.
    across = torch.tensor([1, 0, 2, 3, 4, 5, 6, 7])
    assert (network(images[across]) - logits[across]).abs().max() > 1e-6


def test_a_group_hears_its_own_samples_only(images, device):
    network = make(device)
    logits = network(images)
    changed = images.clone()
    changed[2] = 0.0
    moved = (network(changed) - logits).abs().flatten() > 1e-9
    assert moved.tolist() == [True, False] * 4


def test_groups_of_one_are_independent(images, device):
    network = make(device, stddev_group_size=1)
    alone = torch.cat([network(image[None]) for image in images[:3]])
    assert_close(alone, network(images)[:3])


def test_residual_block_keeps_the_variance():
    """Both paths are scaled by sqrt(1/2)."""
    block = ResidualBlock(8, 16).double()
    x = torch.randn(2, 8, 8, 8, dtype=torch.float64)
    y = block(x)
    assert y.shape == (2, 16, 4, 4)
    plain = block.conv1(block.conv0(x)) + block.skip(x)
    assert_close(y, plain * 0.5**0.5)


def test_labels(images, device):
    network = make(device, num_classes=3, mapping_depth=2)
    labels = torch.eye(3, dtype=torch.float64, device=device)[[0, 1, 2, 0, 1, 2, 0, 1]]
    logits = network(images, labels)
    assert logits.shape == (8, 1)
    assert (network(images, labels.roll(1, 0)) - logits).abs().max() > 1e-6
    with pytest.raises(InputError, match="labels"):
        network(images)


def test_gradients_reach_every_parameter_and_the_image(images, device):
    network = make(device)
    images.requires_grad_()
    network(images).square().sum().backward()
    assert (images.grad.abs().amax(dim=(1, 2, 3)) > 0).all()
    assert not [name for name, p in network.named_parameters() if not p.grad.any()]


def test_bfloat16_images(images, device):
    network = make(device).float()
    exact, half = network(images.float()), network(images.bfloat16())
    assert half.dtype == torch.float32
    assert (half - exact).square().mean().sqrt() < 0.1 * exact.square().mean().sqrt()


def test_features_are_limited_where_a_discriminator_asks_for_it(images, device):
    """The limit holds before the sum with the shortcut, and shrinks with its gain."""
    free, limited = make(device), make(device, conv_clamp=0.4)
    with torch.no_grad():
        for name, parameter in free.named_parameters():
            if name.endswith("bias"):
                parameter.fill_(1.0)
    limited.load_state_dict(free.state_dict())
    seen = {}
    for name, layer in limited.named_modules():
        if name in ("from_rgb", "conv", "blocks.0.conv0", "blocks.0.conv1", "blocks.0.skip"):
            layer.register_forward_hook(
                lambda _, __, x, name=name: seen.update({name: x.abs().max().item()})
            )
    assert not torch.allclose(free(images), limited(images))
    assert seen["from_rgb"] == seen["conv"] == seen["blocks.0.conv0"] == 0.4
    assert seen["blocks.0.conv1"] == pytest.approx(0.4 * 0.5**0.5)
    assert seen["blocks.0.skip"] > 0.1


def test_a_label_may_be_embedded_without_further_layers(images, device):
    network = make(device, num_classes=3, mapping_depth=0)
    labels = torch.eye(3, dtype=torch.float64, device=device)[[0, 1, 2, 0, 1, 2, 0, 1]]
    assert not any(key.startswith("label_layers") for key in network.state_dict())
    assert network(images, labels).shape == (8, 1)
