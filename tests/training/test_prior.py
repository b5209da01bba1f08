"""The prior's trainer with a projected discriminator and the diversity loss."""

import dataclasses

import pytest
import torch

import tiny_model
from diverse_inpainting.core.errors import InputError
from diverse_inpainting.training.config import DataConfig
from diverse_inpainting.training.data import Photographs
from diverse_inpainting.training.diversity_loss import pairwise_distances, thumbnails
from diverse_inpainting.training.prior import PriorTrainer
from diverse_inpainting.training.recipe_file import load_recipe
from toy_trainer import assert_same, go, state_of

PROJECTED = "efficientnet-lite0"
SETTINGS = {
    "batch_size": 4,
    "micro_batch": 2,
    "total_images": 8,
    "projected_from": 0,
    "diversity_images": 8,
}


def make_trainer(projected_network, **changes):
    recipe = dataclasses.replace(load_recipe("demo64-cpu"), model=tiny_model.config())
    settings = {**SETTINGS, "projected_network": projected_network, **changes}
    drawn = torch.Generator().manual_seed(1)
    images = torch.randint(0, 256, (6, 3, 32, 32), generator=drawn, dtype=torch.uint8)
    photographs = Photographs(images, DataConfig(), 1)
    return PriorTrainer(recipe.with_stage("prior", **settings), photographs, torch.device("cpu"))


def copy_of(module):
    return {name: value.clone() for name, value in module.state_dict().items()}


def changed(module, before):
    return {n for n, value in module.state_dict().items() if not torch.equal(value, before[n])}


def test_the_projected_discriminator_teaches_the_generator_beside_the_other():
    alone, both = make_trainer("none"), make_trainer(PROJECTED, diversity_weight=0.0)
    assert set(both.modules) - set(alone.modules) == {"projected_discriminator"}
    assert set(both.optimizers) - set(alone.optimizers) == {"projected_discriminator"}
    first, second = (trainer._gradients(0, 0).by_network for trainer in (alone, both))
    for a, b in zip(first["discriminator"], second["discriminator"], strict=True):
        torch.testing.assert_close(a, b)
    pairs = list(zip(first["generator"], second["generator"], strict=True))
    assert not all(torch.allclose(a, b) for a, b in pairs)


def test_a_step_logs_all_losses_and_updates_the_heads():
    trainer = make_trainer(PROJECTED)
    before = copy_of(trainer.projected_discriminator)
    scalars = trainer.step(0)
    projected = {"g_projected_loss", "g_diversity_loss", "projected_loss"}
    assert set(scalars) == {"g_loss", "d_loss", "d_gap", "r1", *projected}
    names = changed(trainer.projected_discriminator, before)
    assert all(name.startswith("heads.") for name in names)
    kinds = {name.rsplit(".", 1)[-1] for name in names}
    assert {"original", "bias", "_u"} <= kinds, "weights, and the estimate of their spectral norms"


def test_its_learning_rate_is_its_own_and_only_the_generator_warms_up():
    trainer = make_trainer(
        PROJECTED, learning_rate=0.25, projected_learning_rate=0.125, generator_warmup=16
    )
    trainer.step(4)
    rates = {name: o.param_groups[0]["lr"] for name, o in trainer.optimizers.items()}
    assert rates == {
        "generator": 0.25 * 4 / 16,
        "discriminator": 0.25,
        "projected_discriminator": 0.125,
    }


def test_the_diversity_loss_weighs_in():
    free, kept = (make_trainer(PROJECTED, diversity_weight=weight) for weight in (0.0, 1e3))
    kept._diversity_loss.reference = torch.full((5,), 1e3)
    first, second = free._gradients(0, 0), kept._gradients(0, 0)
    assert "g_diversity_loss" not in first.scalars
    assert second.scalars["g_diversity_loss"] > 1
    pairs = zip(first.by_network["generator"], second.by_network["generator"], strict=True)
    assert not all(torch.allclose(a, b) for a, b in pairs)


def test_samples_are_compared_with_as_many_photographs_as_the_recipe_says():
    trainer = make_trainer(PROJECTED, diversity_images=6)
    trainer.step(0)
    batches = [trainer.photographs.batch(start, 2) for start in range(0, 6, 2)]
    distances = [pairwise_distances([thumbnails(batch)], 4) for batch in batches]
    reference = trainer._diversity_loss.reference
    assert reference.shape == (5,)
    assert bool((reference > 0).all())
    torch.testing.assert_close(reference[0], torch.cat(distances).mean())


def test_identical_photographs_are_refused():
    trainer = make_trainer(PROJECTED)
    trainer.photographs.training.fill_(7)
    with pytest.raises(InputError, match=r"^All photographs are identical\. "):
        trainer.step(0)


def test_until_it_joins_the_projected_discriminator_changes_nothing():
    alone, waiting = make_trainer("none"), make_trainer(PROJECTED, projected_from=4)
    before = copy_of(waiting.projected_discriminator)
    assert set(alone.step(0)) == set(waiting.step(0))
    assert not changed(alone.generator, waiting.generator.state_dict())
    assert not changed(waiting.projected_discriminator, before)
    assert "projected_loss" in waiting.step(4)


@pytest.fixture
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("two_threads")
def test_an_interrupted_run_with_projected_discriminator_resumes_exactly(tmp_path):
    """The frozen projections are part of the state, and threads do not disturb the norms."""
    go(make_trainer(PROJECTED), tmp_path / "whole")
    go(make_trainer(PROJECTED, total_images=4), tmp_path / "parts")
    torch.manual_seed(77)
    go(make_trainer(PROJECTED), tmp_path / "parts")
    assert_same(state_of(tmp_path / "parts"), state_of(tmp_path / "whole"))
