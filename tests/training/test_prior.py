"""The prior's trainer: what it learns, how it resumes, and its further losses."""

import dataclasses

import pytest
import torch

import tiny_model
from diverse_inpainting.core.checkpoint import read_checkpoint
from diverse_inpainting.core.errors import InputError
from diverse_inpainting.training.config import DataConfig, Recipe
from diverse_inpainting.training.data import Photographs
from diverse_inpainting.training.diversity_loss import pairwise_distances, thumbnails
from diverse_inpainting.training.prior import PriorTrainer
from diverse_inpainting.training.recipe_file import load_recipe
from toy_trainer import assert_same, go, log_of, state_of, stop

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
    for image in trainer.photographs._images:
        image.fill_(7)
    with pytest.raises(InputError, match=r"^All photographs are identical\. "):
        trainer.step(0)


def test_until_it_joins_the_projected_discriminator_changes_nothing():
    alone, waiting = make_trainer("none"), make_trainer(PROJECTED, projected_from=4)
    before = copy_of(waiting.projected_discriminator)
    assert set(alone.step(0)) == set(waiting.step(0))
    assert not changed(alone.generator, waiting.generator.state_dict())
    assert not changed(waiting.projected_discriminator, before)
    assert "projected_loss" in waiting.step(4)


def test_an_interrupted_run_with_projected_discriminator_resumes_exactly(tmp_path, set_threads):
    """The frozen projections are part of the state, and threads do not disturb the norms."""
    set_threads(2)
    go(make_trainer(PROJECTED), tmp_path / "whole")
    go(make_trainer(PROJECTED, total_images=4), tmp_path / "parts")
    torch.manual_seed(77)
    go(make_trainer(PROJECTED), tmp_path / "parts")
    assert_same(state_of(tmp_path / "parts"), state_of(tmp_path / "whole"))


PRIOR = """
total_images = 24
batch_size = 4
micro_batch = 2
learning_rate = 0.01
r1_gamma = 1.0
r1_every = 2
ema_half_life = 10
log_every = 8
precision = "float32"
"""


STAGE = "total_images = 8\nbatch_size = 4\nr1_gamma = 1\nr1_every = 2\nema_half_life = 10\n"


MODEL = """
[model.generator]
resolution = 32
z_dim = 8
w_dim = 8
channel_base = 128
channel_max = 8
mapping_depth = 2
[model.discriminator]
resolution = 32
channel_base = 128
channel_max = 8
"""


@pytest.fixture
def recipe(tmp_path) -> Recipe:
    path = tmp_path / "tiny.toml"
    path.write_text(f"{MODEL}[prior]{PRIOR}[stage1]\n{STAGE}[stage2]\n{STAGE}", "utf-8")
    return load_recipe(str(path))


def prior_trainer(recipe: Recipe) -> PriorTrainer:
    drawn = torch.Generator().manual_seed(9)
    images = torch.randint(0, 256, (10, 3, 32, 32), generator=drawn, dtype=torch.uint8)
    return PriorTrainer(recipe, Photographs(images, DataConfig(), 1), torch.device("cpu"))


def test_an_interrupted_prior_equals_an_uninterrupted_one(recipe, tmp_path, monkeypatch):
    """Weights, optimisers, moving average and export, bit for bit on the CPU."""
    whole = prior_trainer(recipe)
    go(whole, tmp_path / "whole")

    first = prior_trainer(recipe)
    step = first.step
    monkeypatch.setattr(first, "step", lambda nimg: (stop() if nimg == 8 else None, step(nimg))[1])
    assert go(first, tmp_path / "parts") == 12
    torch.manual_seed(77)  # another process has another global generator
    second = prior_trainer(recipe)
    assert go(second, tmp_path / "parts") == 24

    state = state_of(tmp_path / "whole")
    assert_same(state_of(tmp_path / "parts"), state)
    assert set(state["modules"]) == {"generator", "discriminator", "generator_ema"}
    exports = [(tmp_path / part / "prior.safetensors").read_bytes() for part in ("whole", "parts")]
    assert exports[0] == exports[1]


def test_a_prior_without_noise_leaves_its_strengths_at_zero(recipe):
    quiet = recipe.with_stage("prior", noise=False)
    strengths = {}
    for name, chosen in (("quiet", quiet), ("noisy", recipe)):
        trainer = prior_trainer(chosen)
        trainer.step(0)
        values = trainer.generator.state_dict().items()
        strengths[name] = [float(v) for k, v in values if k.endswith("noise_strength")]
    assert not any(strengths["quiet"]) and all(strengths["noisy"])


def test_a_prior_learns_and_exports_its_average(recipe, tmp_path):
    trainer = prior_trainer(recipe)
    start = {k: v.clone() for k, v in trainer.generator.state_dict().items()}
    go(trainer, tmp_path)
    learned = [name for name, _ in trainer.generator.named_parameters()]
    still = [k for k in learned if torch.equal(trainer.generator.state_dict()[k], start[k])]
    assert not still
    checkpoint = read_checkpoint(tmp_path / "prior.safetensors")
    assert checkpoint.parts == ("generator", "discriminator")
    assert checkpoint.training["images"] == {"prior": 24}
    exported = checkpoint.model().generator
    average = trainer.generator_ema
    for name, parameter in average.named_parameters():
        assert torch.equal(exported.get_parameter(name), parameter)
    assert exported.w_avg.any()
    keys = {"g_loss", "d_loss", "r1", "d_gap", "images_per_s", "nimg"}
    assert keys <= set(log_of(tmp_path)[0])
