"""The perceptual term: VGG16's or a discriminator's features, and the weight of their distance."""

import pytest
import torch

import tiny_model
from diverse_inpainting.core.networks import Discriminator, DiverseInpaintingModel, Generator
from diverse_inpainting.training.config import PerceptualConfig
from diverse_inpainting.training.perceptual import (
    DiscriminatorPerceptualLoss,
    VGG16PerceptualLoss,
    build_perceptual_loss,
)
from diverse_inpainting.training.vgg import LAYERS

SEED = 3


@pytest.fixture
def vgg_config(tmp_path):
    """Random weights of VGG16 up to the first pooling and the convolution after it."""
    generator = torch.Generator().manual_seed(0)
    state, in_channels = {}, 3
    for key, channels in list(LAYERS.values())[:3]:
        scale = (2 / (9 * in_channels)) ** 0.5
        weight = torch.randn(channels, in_channels, 3, 3, generator=generator) * scale
        state |= {f"{key}.weight": weight, f"{key}.bias": torch.zeros(channels)}
        in_channels = channels
    path = tmp_path / "vgg.pth"
    torch.save(state, path)
    return PerceptualConfig(
        network="vgg16", weights=str(path), layers=("relu1_2", "relu2_1"), weight=0.25
    )


@pytest.fixture(scope="module")
def generator():
    with torch.random.fork_rng():
        torch.manual_seed(1)
        return Generator(tiny_model.config().generator)


@pytest.fixture(scope="module")
def discriminator():
    with torch.random.fork_rng():
        torch.manual_seed(2)
        return Discriminator(tiny_model.config().discriminator)


def random_images(num, seed=0):
    return torch.rand(num, 3, 32, 32, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def sample(generator, num, seed):
    z = torch.randn(num, generator.config.z_dim, generator=torch.Generator().manual_seed(seed))
    return generator.synthesis(generator.broadcast(generator.mapping(z))).detach()


def model_of(generator, discriminator):
    return DiverseInpaintingModel(generator, discriminator=discriminator)


def calibrated(generator, discriminator, **changes):
    config = PerceptualConfig(**changes)
    return build_perceptual_loss(config, model_of(generator, discriminator), SEED)


MAPS = (
    [torch.zeros(1, 2, 2), torch.ones(4)],
    [torch.full((1, 2, 2), 3.0), -torch.ones(4)],
)
"""Two layers, whose mean squared distances are 9 and 4."""


def test_vgg16_sums_over_the_layers(vgg_config):
    loss = VGG16PerceptualLoss(vgg_config)
    assert loss(*MAPS).item() == pytest.approx(0.25 * (9 + 4))


def test_a_discriminator_averages_over_the_scales(discriminator):
    loss = DiscriminatorPerceptualLoss(discriminator, torch.float32)
    loss.weight.fill_(0.25)
    assert loss(*MAPS).item() == pytest.approx(0.25 * (9 + 4) / 2)


def test_the_facts_name_network_file_and_layers(vgg_config, generator, discriminator):
    loss = build_perceptual_loss(vgg_config, model_of(generator, discriminator), SEED)
    sha256 = loss.facts["sha256"]
    assert len(sha256) == 64
    assert loss.facts == {"network": "vgg16", "sha256": sha256, "layers": ["relu1_2", "relu2_1"]}
    assert loss.weight.item() == 0.25
    assert calibrated(generator, discriminator).facts == {"network": "discriminator"}


def test_gradients_reach_images_but_no_weights(vgg_config, discriminator):
    for loss in (
        VGG16PerceptualLoss(vgg_config),
        DiscriminatorPerceptualLoss(discriminator, torch.float32),
    ):
        images = random_images(2).requires_grad_()
        loss(loss.features(images), loss.features(random_images(2, seed=1))).backward()
        assert images.grad.abs().sum() > 0
        assert not any(p.requires_grad for p in loss.parameters())


def test_a_discriminators_features_are_normalised_at_three_scales(discriminator):
    maps = DiscriminatorPerceptualLoss(discriminator, torch.float32).features(random_images(2))
    assert [x.shape[2:] for x in maps] == [(16, 16), (8, 8), (4, 4)]
    for x, raw in zip(maps, discriminator.features(random_images(2)), strict=False):
        torch.testing.assert_close(x, torch.nn.functional.normalize(raw), atol=1e-4, rtol=0)


def test_the_discriminator_is_a_copy(discriminator):
    loss = DiscriminatorPerceptualLoss(discriminator, torch.float32)
    before = loss.features(random_images(1))
    with torch.no_grad():
        discriminator.from_rgb.weight.neg_()
    after = loss.features(random_images(1))
    with torch.no_grad():
        discriminator.from_rgb.weight.neg_()
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))


def test_calibration_makes_the_term_count_like_pixels(generator, discriminator):
    """Over pairs that it has not seen."""
    loss = calibrated(generator, discriminator, calibration_pairs=64)
    a, b = sample(generator, 128, seed=9).chunk(2)
    perceptual = loss(loss.features(a), loss.features(b))
    assert perceptual.item() == pytest.approx((a - b).square().mean().item(), rel=0.1)


def test_calibration_is_repeatable_and_takes_the_recipes_number_of_pairs(generator, discriminator):
    loss = calibrated(generator, discriminator, calibration_pairs=32)
    weight = loss.weight.clone()
    loss.calibrate(generator, SEED, 32)
    torch.testing.assert_close(loss.weight, weight)
    fewer = calibrated(generator, discriminator, calibration_pairs=16).weight
    assert not torch.equal(fewer, weight)


def test_half_precision_gives_a_similar_loss(generator, discriminator):
    """Feature maps lose bits; their normalisation and difference do not."""
    first, second = sample(generator, 8, seed=5).chunk(2)
    values = {}
    for dtype in (torch.float32, torch.bfloat16):
        loss = DiscriminatorPerceptualLoss(discriminator, dtype)
        maps = [loss.features(images) for images in (first, second)]
        assert {x.dtype for both in maps for x in both} == {torch.float32}
        values[dtype] = loss(*maps).item()
    assert values[torch.bfloat16] == pytest.approx(values[torch.float32], rel=0.02)
    assert values[torch.bfloat16] != values[torch.float32]
