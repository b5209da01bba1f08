"""The plan of a training, and its memory against what real steps save."""

import dataclasses
import re
import tomllib

import pytest
import torch

import tiny_model
from diverse_inpainting.core.checkpoint import read_checkpoint
from diverse_inpainting.training import feature_network
from diverse_inpainting.training.config import DataConfig
from diverse_inpainting.training.data import Photographs
from diverse_inpainting.training.dry_run import describe_training
from diverse_inpainting.training.memory import estimate_memory
from diverse_inpainting.training.prior import PriorTrainer
from diverse_inpainting.training.recipe_file import load_recipe
from diverse_inpainting.training.stage1 import Stage1Trainer
from diverse_inpainting.training.stage2 import Stage2Trainer

CPU = torch.device("cpu")
STAGES = ("prior", "stage1", "stage2")
CASES = [*((stage, "none") for stage in STAGES), ("prior", "efficientnet-lite0")]


def tiny(*overrides):
    # Not auto: weights cast to bfloat16 are saved whatever the size of the batch.
    keys = ("batch_size=4", "micro_batch=0", "precision='float32'")
    settings = [f"{s}.{key}" for s in STAGES for key in keys]
    settings.append("prior.features_from=0")
    recipe = load_recipe("demo64-cpu", (*settings, "prior.features='none'", *overrides))
    return dataclasses.replace(recipe, model=tiny_model.config())


@pytest.fixture
def trainer_of(tiny_checkpoint, small_measurements):
    def build(stage, recipe):
        if stage == "prior":
            drawn = torch.Generator().manual_seed(0)
            pictures = torch.randint(0, 256, (4, 3, 32, 32), dtype=torch.uint8, generator=drawn)
            return PriorTrainer(recipe, Photographs(pictures, DataConfig(), 0), CPU)
        if stage == "stage1":
            prior = read_checkpoint(tiny_checkpoint, ("generator", "discriminator"))
            return Stage1Trainer(recipe, prior, None, CPU)
        parts = ("generator", "discriminator", "encoder", "mixer")
        return Stage2Trainer(recipe, read_checkpoint(tiny_checkpoint, parts), None, CPU)

    return build


def networks_of(trainer):
    """Return all networks that a trainer holds."""
    networks = [*getattr(trainer, "networks", {}).values(), *trainer.modules.values()]
    if isinstance(trainer, PriorTrainer):
        return networks if trainer.critic is None else [*networks, *trainer.critic._network]
    return [*networks, trainer.perceptual]


@pytest.mark.parametrize(("stage", "features"), CASES)
def test_activations_are_what_autograd_saves_in_a_real_step(stage, features, trainer_of):
    recipe = tiny(
        *("stage1.adversarial_ramp=0", "stage1.discriminator_warmup=0"),
        f"prior.features='{features}'",
    )
    trainer = trainer_of(stage, recipe)
    known = {p.data_ptr() for network in networks_of(trainer) for p in network.parameters()}
    sizes, held = {}, []

    def keep(tensor):
        held.append(tensor)
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in known:
            sizes[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        trainer.step(0)  # its R1 term included
    estimated = estimate_memory(recipe, stage, CPU).activations
    assert estimated == pytest.approx(sum(sizes.values()), rel=0.1)


@pytest.mark.parametrize(("stage", "features"), CASES)
def test_weights_are_what_a_trainer_holds_after_a_step(stage, features, trainer_of):
    """Weights, moving averages and Adam's moments, and two gradients for whatever has moments."""
    recipe = tiny(f"prior.features='{features}'")
    trainer = trainer_of(stage, recipe)
    trainer.step(0)
    held = {id(p): p.numel() for network in networks_of(trainer) for p in network.parameters()}
    moments = sum(
        2 * value["exp_avg"].numel()
        for optimizer in trainer.optimizers.values()
        for value in optimizer.state.values()
    )
    assert estimate_memory(recipe, stage, CPU).weights == 4 * (sum(held.values()) + 2 * moments)


def test_activations_grow_with_what_a_process_computes_at_once():
    whole = estimate_memory(tiny("prior.batch_size=16"), "prior", CPU)
    half = estimate_memory(tiny("prior.batch_size=16"), "prior", CPU, num_processes=2)
    cut = estimate_memory(tiny("prior.batch_size=16", "prior.micro_batch=4"), "prior", CPU)
    assert half.activations == pytest.approx(whole.activations / 2, rel=0.05)
    threads = min(torch.get_num_threads(), 4)
    assert cut.activations == pytest.approx(whole.activations * threads / 4, rel=0.05)
    assert whole.weights == half.weights == cut.weights


def test_the_paper_s_setting_takes_tens_of_gigabytes_at_most():
    """Stage 1 of the paper ran on GPUs of its time; VGG16 counts among the frozen networks."""
    memory = estimate_memory(load_recipe("ffhq256"), "stage1", CPU)
    assert 200e6 < memory.parameters["encoder"] < 215e6
    assert 5 * 2**30 < memory.total < 40 * 2**30
    assert memory.parameters["perceptual"] < 15e6


def test_the_critic_is_counted_without_its_file(monkeypatch):
    monkeypatch.setattr(feature_network, "_PACKAGE", "absent")
    critic = "prior.features='efficientnet-lite0'"
    whole, half = (
        estimate_memory(tiny(critic, f"prior.precision='{precision}'"), "prior", CPU)
        for precision in ("float32", "bfloat16")
    )
    assert whole.learning == ("generator", "discriminator", "critic")
    assert half.activations < 0.7 * whole.activations


def test_the_plan_is_a_recipe_and_says_what_learns():
    rate = ("stage1.learning_rate=5e-4", "stage1.final_fraction=0.1")
    lines = list(describe_training(tiny("stage1.seed=7", *rate), "stage1", CPU))
    recipe = tomllib.loads("\n".join(lines))
    assert recipe["stage1"]["seed"] == 7 and recipe["model"]["encoder"]["kind"] == "small"
    text = "\n".join(lines)
    assert re.search(r"#   encoder +[\d,]+ learns\n", text)
    assert re.search(r"#   generator +[\d,]+ frozen\n", text)
    rates = [float(line.split()[2]) for line in lines if "=" in line and "%" in line]
    assert len(rates) == 11 and rates == sorted(rates, reverse=True)
    assert rates[0] == pytest.approx(5e-4) and rates[-1] == pytest.approx(5e-5)
