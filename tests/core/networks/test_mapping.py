"""The mapping network: latents to codes, labels, and the mean code."""

import pytest
import torch

from diverse_inpainting.core.networks import Generator, GeneratorConfig
from diverse_inpainting.core.networks.mapping import MappingNetwork, normalize_second_moment
from tolerances import assert_close

CONFIG = GeneratorConfig(
    resolution=32, z_dim=6, w_dim=10, channel_base=128, channel_max=8, mapping_depth=3
)
LABELLED = GeneratorConfig(
    resolution=32, z_dim=6, w_dim=10, channel_base=128, channel_max=8, num_classes=3
)


@pytest.fixture
def z(generator):
    return torch.randn(5, 6, generator=generator, dtype=torch.float64)


def test_normalisation(z):
    assert_close(normalize_second_moment(z).square().mean(dim=1), torch.ones(5).double(), 1e-6)
    assert not normalize_second_moment(torch.zeros(1, 4)).any()


def test_shape_and_scale_invariance(z):
    mapping = MappingNetwork(CONFIG).double()
    w = mapping(z)
    assert w.shape == (5, 10)
    assert_close(mapping(3 * z), w, 1e-6)
    assert (mapping(-z) - w).abs().max() > 0.01


def test_samples_do_not_mix(z):
    mapping = MappingNetwork(CONFIG).double()
    assert_close(torch.cat([mapping(row[None]) for row in z]), mapping(z))


def test_depth_and_width_follow_the_configuration(z):
    layers = MappingNetwork(CONFIG).layers
    assert [tuple(layer.weight.shape) for layer in layers] == [(10, 6), (10, 10), (10, 10)]
    assert len(MappingNetwork(LABELLED).layers) == 8
    assert MappingNetwork(LABELLED).layers[0].weight.shape == (10, 16)


def test_labels(z):
    mapping = MappingNetwork(LABELLED).double()
    labels = torch.eye(3, dtype=torch.float64)[[0, 1, 2, 0, 1]]
    one, other = mapping(z, labels), mapping(z, labels.roll(1, 0))
    assert (one - other).abs().amax(dim=1).min() > 1e-3


def test_without_labels_each_latent_has_a_class_of_its_own():
    """All are about equally likely, and independent of what else the first number says."""
    z = torch.randn(6000, 6, generator=torch.Generator().manual_seed(1))
    mapping = MappingNetwork(LABELLED)
    classes = mapping.classes_of(z)
    assert torch.equal(classes.sum(dim=1), torch.ones(6000))
    assert_close(mapping(z), mapping(z, classes))
    for part in (z[:, 0] > 0, z[:, 0] <= 0, z[:, 0].abs() > 1):
        frequencies = classes[part].mean(dim=0)
        assert (frequencies - 1 / 3).abs().max() < 0.04
    assert torch.equal(mapping.classes_of(z[7:9]), classes[7:9])


def test_w_avg_is_the_mean_of_fixed_samples():
    network = Generator(CONFIG)
    assert not network.w_avg.any()
    network.set_w_avg()
    first = network.w_avg.clone()
    torch.rand(1)  # the global generator has no say
    network.set_w_avg()
    assert torch.equal(network.w_avg, first)

    z = torch.randn(10_000, 6, generator=torch.Generator().manual_seed(0))
    assert_close(first, network.mapping(z).mean(dim=0).detach(), 1e-5)
    network.set_w_avg(seed=1)
    assert not torch.equal(network.w_avg, first)
    assert (network.w_avg - first).abs().max() < 0.1 * network.mapping(z).std()
    assert torch.equal(network.state_dict()["mapping.w_avg"], network.w_avg)


def test_broadcast():
    w = torch.randn(2, 10)
    ws = Generator(CONFIG).broadcast(w)
    assert ws.shape == (2, 8, 10)
    assert all(torch.equal(ws[:, i], w) for i in range(8))
