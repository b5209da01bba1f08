"""Stages 1 and 2 on a tiny model: what learns, what stays, what is written, how they resume."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from einops import rearrange

import tiny_model
from completion_trainer import CPU, changed_modules, photographs, recipe, snapshot, trainer_of
from diverse_inpainting.core.checkpoint import Checkpoint, read_checkpoint
from diverse_inpainting.core.errors import CheckpointError
from diverse_inpainting.core.inpainter import Inpainter
from diverse_inpainting.training.checkpointing import States, load_state
from diverse_inpainting.training.completion import CompletionTrainer
from diverse_inpainting.training.diagnostics import measure_model
from diverse_inpainting.training.loop import run
from diverse_inpainting.training.stage1 import Stage1Trainer
from diverse_inpainting.training.stage2 import Stage2Trainer


@pytest.fixture(scope="module")
def prior(tiny_checkpoint) -> Checkpoint:
    return read_checkpoint(tiny_checkpoint, ("generator", "discriminator"))


@pytest.fixture(scope="module")
def stage1_folder(prior, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("stage1")
    run(trainer_of("stage1", prior), folder, {}, lambda progress: None)
    return folder


@pytest.fixture(scope="module")
def stage2_folder(inputs, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("stage2")
    run(trainer_of("stage2", inputs["stage2"]), folder, {}, lambda progress: None)
    return folder


@pytest.fixture(scope="module")
def inputs(prior, stage1_folder) -> dict[str, Checkpoint]:
    return {"stage1": prior, "stage2": read_checkpoint(stage1_folder / "stage1.safetensors")}


def test_stage1_trains_encoder_mixer_and_discriminator_only(inputs):
    trainer = trainer_of("stage1", inputs["stage1"])
    before = snapshot(trainer)
    trainer.step(8)
    assert changed_modules(before, snapshot(trainer)) == {
        *("encoder", "mixer", "encoder_ema", "mixer_ema", "discriminator")
    }


def test_stage2_trains_skip_encoder_and_discriminator_only(inputs):
    trainer = trainer_of("stage2", inputs["stage2"])
    before = snapshot(trainer)
    trainer.step(8)
    assert changed_modules(before, snapshot(trainer)) == {
        *("skip_encoder", "skip_encoder_ema", "discriminator")
    }


def test_a_stage_may_have_groups_of_its_own_size(inputs):
    """Two processes can then share a batch of 8 whose discriminator has seen groups of 8."""
    small = recipe().with_stage("stage1", stddev_group_size=2)
    groups = {
        name: Stage1Trainer(chosen, inputs["stage1"], None, CPU).discriminator.config
        for name, chosen in (("own", recipe()), ("small", small))
    }
    assert groups["own"].stddev_group_size == 4
    assert groups["small"] == dataclasses.replace(groups["own"], stddev_group_size=2)
    assert inputs["stage1"].config.discriminator == groups["own"], "as the checkpoint says"


def test_the_mixer_has_a_learning_rate_multiplier(inputs):
    """Adam's first step is as long as the learning rate, whatever the gradient."""

    def moved(multiplier):
        changed = recipe().with_stage("stage1", mixer_lr_multiplier=multiplier)
        trainer = Stage1Trainer(changed, inputs["stage1"], None, CPU)
        before = snapshot(trainer)
        trainer.step(8)
        after = snapshot(trainer)
        return {
            part: max(
                float((after[key] - before[key]).abs().max())
                for key in before
                if key.startswith(part + "/")
            )
            for part in ("encoder", "mixer")
        }

    whole, quarter = moved(1.0), moved(0.25)
    assert quarter["mixer"] == pytest.approx(whole["mixer"] / 4, rel=1e-3)
    assert quarter["encoder"] == pytest.approx(whole["encoder"], rel=1e-3)


def shown_to_d(trainer: CompletionTrainer, nimg: int) -> list[torch.Tensor]:
    """Step, and return what the discriminator was shown, call by call."""
    seen, discriminate = [], trainer._discriminate

    def remember(images):
        seen.append(images.detach())
        return discriminate(images)

    trainer._discriminate = remember
    trainer.step(nimg)
    return seen


@pytest.mark.parametrize("stage", ["stage1", "stage2"])
def test_d_sees_each_path_and_the_generated_images_in_separate_calls(stage, inputs):
    trainer = trainer_of(stage, inputs[stage], micro_batch=4, real_fraction=0.5)
    fake_g, fake_r, real = shown_to_d(trainer, 4)
    batch = trainer.batches.generated(4, 4)
    assert torch.equal(real, batch.image)
    assert not torch.equal(fake_g, fake_r)
    for fake in (fake_g, fake_r):
        assert torch.equal(fake * batch.valid, batch.erased)
        assert not torch.equal(fake, batch.image)


@pytest.mark.parametrize("stage", ["stage1", "stage2"])
def test_photographs_are_the_only_images_where_the_recipe_says_so(stage, inputs):
    trainer = trainer_of(stage, inputs[stage], micro_batch=4, train_on="photographs")
    fake, real = shown_to_d(trainer, 4)
    assert torch.equal(real, photographs().batch(4, 4))
    valid = trainer.batches.generated(4, 4).valid
    assert torch.equal(fake * valid, real * valid)


@pytest.mark.parametrize("kind", ["fc", "none"])
def test_other_ways_of_mixing_train_and_open(kind, inputs, tmp_path):
    plain = recipe(total_images=4, train_on="photographs")
    mixer = dataclasses.replace(plain.model.mixer, kind=kind)
    changed = dataclasses.replace(plain, model=dataclasses.replace(plain.model, mixer=mixer))
    trainer = Stage1Trainer(changed, inputs["stage1"], photographs(), CPU)
    assert "gate_extreme" not in trainer.step(0)
    trainer.export(tmp_path, 4)
    model = Inpainter.load(tmp_path / "stage1.safetensors", device="cpu", precision="float32")
    assert (measure_model(model, 8)["rho"] == 0) == (kind == "none")
    first = read_checkpoint(tmp_path / "stage1.safetensors")
    Stage2Trainer(changed, first, photographs(), CPU).step(0)


def test_frozen_parts_are_the_same_bits_after_a_whole_run(inputs, stage1_folder, stage2_folder):
    """Buffers included: noise and w_avg."""
    folders = {"stage1": stage1_folder, "stage2": stage2_folder}
    frozen = {"stage1": {"generator"}, "stage2": {"generator", "encoder", "mixer"}}
    for stage, folder in folders.items():
        before = inputs[stage].tensors
        after = read_checkpoint(folder / f"{stage}.safetensors").tensors
        changed = {key.split(".")[0] for key in before if not torch.equal(before[key], after[key])}
        assert changed == {"discriminator"}
        assert {key.split(".")[0] for key in before} == frozen[stage] | changed


def test_during_its_warm_up_only_the_discriminator_learns_from_the_adversarial_loss(inputs):
    def step(**changes):
        trainer = trainer_of("stage1", inputs["stage1"], **changes)
        before = snapshot(trainer)
        trainer.step(4)
        return before, snapshot(trainer)

    before, ignored = step(discriminator_warmup=4)
    _, without = step(lambda_a=0.0)
    _, counted = step(discriminator_warmup=0)
    assert "discriminator" in changed_modules(before, ignored)
    encoder = [key for key in before if key.startswith("encoder/")]
    assert all(torch.equal(ignored[key], without[key]) for key in encoder)
    assert any(not torch.equal(ignored[key], counted[key]) for key in encoder)


def test_each_stage_calibrates_the_perceptual_term_again(inputs):
    """Stage 2 starts with another discriminator, which the weight of stage 1 does not fit."""
    for stage, checkpoint in inputs.items():
        trainer = trainer_of(stage, checkpoint)
        weight = trainer.perceptual.weight.clone()
        trainer.perceptual.weight.fill_(1)
        pairs = trainer.recipe.perceptual.calibration_pairs
        trainer.perceptual.calibrate(trainer.generator, trainer.config.seed, pairs)
        torch.testing.assert_close(trainer.perceptual.weight, weight)


@pytest.mark.parametrize(("stage", "views"), [("stage1", 2), ("stage2", 4)])
def test_the_grid_shows_each_stage_raw_and_composited(stage, views, inputs):
    """Columns: image, erased, then the views of path (g) and of four variants."""
    trainer = trainer_of(stage, inputs[stage])
    cells = rearrange(np.array(trainer.grid()), "(n h) (c w) k -> c n h w k", h=32, w=32)
    assert len(cells) == 2 + 5 * views
    valid = trainer.batches.generated(2**48, 2).valid[:, 0].bool().numpy()
    image, erased = cells[:2]
    assert np.array_equal(image[valid], erased[valid]) and set(erased[~valid].flat) == {128}
    for raw, composite in zip(cells[2::2], cells[3::2], strict=True):
        assert np.array_equal(composite[valid], image[valid])
        assert np.array_equal(composite[~valid], raw[~valid])
        assert not np.array_equal(raw[valid], image[valid])
    variants = cells[2 + 2 * views :: views]
    assert not np.array_equal(variants[0], variants[1])


@pytest.mark.parametrize("stage", ["stage1", "stage2"])
def test_resumed_training_equals_uninterrupted_training_bit_for_bit(
    stage, inputs, stage1_folder, stage2_folder, tmp_path
):
    class StopError(Exception):
        pass

    def interrupt(progress):
        if progress.nimg == 8:
            raise StopError

    interrupted = trainer_of(stage, inputs[stage], save_every=4)
    with pytest.raises(StopError):
        run(interrupted, tmp_path, {}, interrupt)
    assert run(trainer_of(stage, inputs[stage]), tmp_path, {}, lambda progress: None) == 16
    straight = {"stage1": stage1_folder, "stage2": stage2_folder}[stage]
    states = [load_state(States(folder).newest()) for folder in (straight, tmp_path)]
    numbers = [dict(_numbers(state)) for state in states]
    assert numbers[0].keys() == numbers[1].keys()
    assert all(torch.equal(value, numbers[1][key]) for key, value in numbers[0].items())


def _numbers(state, path=""):
    """Every tensor within nested dictionaries, by its path."""
    for key, value in state.items():
        if isinstance(value, torch.Tensor):
            yield f"{path}/{key}", value
        elif isinstance(value, dict):
            yield from _numbers(value, f"{path}/{key}")


def test_the_finished_model_loads_completes_and_records_its_training(prior, stage2_folder):
    model = Inpainter.load(stage2_folder / "model.safetensors", device="cpu", precision="float32")
    assert model.generator_id == prior.generator_id
    assert (model.license, model.title) == (prior.license, prior.title)
    assert model.training["images"] == tiny_model.TRAINING["images"] | {"stage1": 16, "stage2": 16}
    assert set(model.training["perceptual"]) == {"stage1", "stage2"}
    assert model.training["perceptual"]["stage2"]["network"] == "discriminator"
    assert model.training["recipe"] == {"stage1": "demo64-cpu", "stage2": "demo64-cpu"}
    for stage in ("stage1", "stage2"):
        measures = set(model.training["diagnostics"][stage])
        assert measures - {"skip_ratio"} == {"rho", "swap_ratio", "domain_gap_db", "valid_l1_p99"}
        assert ("skip_ratio" in measures) == (stage == "stage2")
    hole = torch.zeros(1, 32, 32)
    hole[:, 8:24, 8:24] = 1
    images = model.inpaint(torch.rand(1, 32, 32, 3), hole, 2).images
    assert images.isfinite().all()
    assert list((stage2_folder / "grids").glob("*.png"))


@pytest.mark.parametrize(("stage", "part"), [("stage1", "discriminator"), ("stage2", "encoder")])
def test_a_checkpoint_that_lacks_a_part_is_refused(stage, part, inputs):
    whole = inputs["stage2"]
    lacking = dataclasses.replace(
        whole,
        config=dataclasses.replace(whole.config, **{part: None}),
        tensors={k: v for k, v in whole.tensors.items() if not k.startswith(f"{part}.")},
    )
    with pytest.raises(CheckpointError, match=part):
        trainer_of(stage, lacking)
