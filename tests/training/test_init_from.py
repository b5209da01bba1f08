"""Restarting from half-precision weights alone, and progressive growing."""

import dataclasses
import json

import numpy as np
import pytest
import torch
from PIL import Image

import tiny_model
from diverse_inpainting.core.checkpoint import (
    Checkpoint,
    generator_id_of,
    inspect_checkpoint,
    read_checkpoint,
    resolve_source,
    write_checkpoint,
)
from diverse_inpainting.core.errors import CheckpointError, ConfigError
from diverse_inpainting.core.networks import (
    Discriminator,
    DiscriminatorConfig,
    Generator,
    GeneratorConfig,
    build,
)
from diverse_inpainting.core.ops import upsample2d
from diverse_inpainting.training import completion
from diverse_inpainting.training import run as training_run
from diverse_inpainting.training.init_from import (
    BUNDLED_DISCRIMINATOR,
    grow,
    plan_restart,
    read_source,
)
from diverse_inpainting.training.recipe_file import load_recipe
from diverse_inpainting.training.stages import STAGES

SEEN = {"prior": 3000, "stage1": 200, "stage2": 40}


@pytest.fixture
def recipe():
    """One batch more than what has been seen, at a learning rate of zero."""
    recipe = load_recipe("demo64-cpu", tiny_model.SMALL_MEASUREMENTS)
    changes = {"batch_size": 4, "micro_batch": 0, "learning_rate": 0.0}
    for name, seen in SEEN.items():
        recipe = recipe.with_stage(name, total_images=seen + 4, **changes)
    recipe = recipe.with_stage("prior", projected_network="none")
    for name in ("stage1", "stage2"):
        recipe = recipe.with_stage(name, discriminator_learning_rate=0.0)
    return dataclasses.replace(recipe, model=tiny_model.config())


def store(path, whole, parts, **changes):
    """Write some parts of a checkpoint in half precision."""
    left_out = {part: None for part in whole.parts[1:] if part not in parts}
    chosen = {k: v for k, v in whole.tensors.items() if k.split(".")[0] in parts}
    config = dataclasses.replace(whole.config, **left_out)
    checkpoint = dataclasses.replace(whole, tensors=chosen, config=config, **changes)
    write_checkpoint(path, checkpoint, torch.float16)


@pytest.fixture
def pair(tiny_checkpoint, tmp_path):
    """A model without discriminator, and that of its prior beside it."""
    whole = read_checkpoint(tiny_checkpoint)
    training = {"stage": "stage2", "images": SEEN}
    parts = [part for part in whole.parts if part != "discriminator"]
    store(tmp_path / "model.safetensors", whole, parts, training=training)
    prior = {"stage": "prior", "images": {"prior": 3000}}
    store(tmp_path / "discriminator.safetensors", whole, ["discriminator"], training=prior)
    return tmp_path / "model.safetensors"


@pytest.fixture
def photographs(tmp_path):
    (tmp_path / "photographs").mkdir()
    noise = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), np.uint8)
    for k in range(3):
        Image.fromarray(noise[k]).save(tmp_path / "photographs" / f"{k}.png")
    return tmp_path / "photographs"


def go(recipe, stage, out, **options):
    options = training_run.TrainOptions(stage=stage, recipe=recipe, out=out, **options)
    return training_run.train(options, torch.device("cpu"), lambda progress: None)


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_continues_with_the_weights_of_a_file(stage, recipe, pair, photographs, tmp_path):
    """At a learning rate of zero what comes out is what went in, moving averages included."""
    data = photographs if stage == "prior" else None
    finished = go(recipe, stage, tmp_path / "run", restart_from=pair, data=data)
    assert finished.nimg == SEEN[stage] + 4
    written = read_checkpoint(tmp_path / "run" / stage / f"{stage}.safetensors")
    assert written.training["images"][stage] == SEEN[stage] + 4
    discriminator = read_checkpoint(pair.with_name("discriminator.safetensors"))
    given = read_checkpoint(pair).tensors | discriminator.tensors
    compared = [key for key in written.tensors if not key.endswith(("avg", "mean", "var", "ked"))]
    assert len(compared) > 50
    for key in compared:
        assert torch.equal(written.tensors[key], given[key]), key


def test_the_same_command_resumes_a_restarted_run(recipe, pair, photographs, tmp_path):
    options = {"restart_from": pair, "data": photographs}
    go(recipe, "prior", tmp_path / "run", **options)
    go(recipe.with_stage("prior", total_images=3008), "prior", tmp_path / "run", **options)
    lines = (tmp_path / "run/prior/log.jsonl").read_text().splitlines()
    assert [json.loads(line)["nimg"] for line in lines] == [3004, 3008]
    with pytest.raises(ConfigError, match="another restart"):
        go(recipe, "prior", tmp_path / "run", data=photographs)


def plan(recipe, stage, path, source=None):
    stage = STAGES[stage]
    return plan_restart(path, read_source(source or path, stage, recipe), stage, recipe)


def test_a_discriminator_of_photographs_warms_up_again(recipe, pair, tiny_checkpoint, caplog):
    assert plan(recipe, "stage1", pair).discriminator_since == 200
    assert "its warm-up starts again" in caplog.text
    caplog.clear()
    assert plan(recipe, "stage1", tiny_checkpoint).discriminator_since == 0, (
        "it has seen completions"
    )
    assert not caplog.text


def test_the_warm_up_is_counted_from_the_restart(recipe, pair, tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(completion, "adversarial_factor", lambda c, nimg: asked.append(nimg) or 0.0)
    go(recipe, "stage1", tmp_path / "run", restart_from=pair)
    assert asked == [0]


def test_an_encoder_of_another_generator_goes_on_when_asked_to(
    recipe, pair, tiny_checkpoint, tmp_path, caplog
):
    other = tmp_path / "other.safetensors"
    whole = read_checkpoint(tiny_checkpoint)
    store(other, whole, ["generator", "discriminator"], generator_id="0" * 64)
    restart = plan(recipe, "stage1", pair, source=other)
    assert "was trained for another generator" in caplog.text
    assert restart.first == 200
    assert set(restart.checkpoint.parts) == {"encoder", "mixer"}


def with_side(recipe, side):
    """The recipe for another resolution."""
    model = recipe.model
    generator, discriminator = (
        dataclasses.replace(part, resolution=side)
        for part in (model.generator, model.discriminator)
    )
    model = dataclasses.replace(
        model,
        generator=generator,
        discriminator=discriminator,
        encoder=None,
        mixer=None,
        skip_encoder=None,
    )
    return dataclasses.replace(recipe, model=model)


def test_a_prior_grows(recipe, pair, photographs, tmp_path):
    """At a learning rate of zero: the smaller one's images, upsampled; the count continues."""
    finished = go(
        with_side(recipe, 64), "prior", tmp_path / "run", restart_from=pair, data=photographs
    )
    assert finished.nimg == SEEN["prior"] + 4
    grown = read_checkpoint(tmp_path / "run/prior/prior.safetensors").model().generator
    small = read_checkpoint(pair).model().generator
    w = small.mapping(torch.randn(2, 16))
    wanted = upsample2d(small.synthesis(small.broadcast(w)), small.synthesis.taps)
    torch.testing.assert_close(grown.synthesis(grown.broadcast(w)), wanted)


def test_a_prior_does_not_shrink(recipe, tiny_checkpoint, photographs, tmp_path):
    large = with_side(recipe, 64)
    built = build(large.model)
    built.generator.set_w_avg()
    tensors = dict(built.state_dict())
    whole = Checkpoint(
        config=large.model,
        tensors=tensors,
        generator_id=generator_id_of(tensors),
        training={"stage": "prior", "images": {"prior": 3000}},
    )
    write_checkpoint(tmp_path / "large.safetensors", whole)
    with pytest.raises(ConfigError, match=r"of 32 pixels .* got one of 64 pixels"):
        plan(recipe, "prior", tmp_path / "large.safetensors")


def test_the_learning_rate_of_g_rises_from_the_restart(recipe, pair, photographs, tmp_path):
    slow = recipe.with_stage("prior", learning_rate=0.002, generator_warmup=16)
    options = training_run.TrainOptions(
        stage="prior", recipe=slow, out=tmp_path, restart_from=pair, data=photographs
    )
    trainer, restart, _ = training_run._from_photographs(
        options, STAGES["prior"], torch.device("cpu"), training_run.ALONE
    )
    assert restart.first == 3000
    for nimg, wanted in ((3000, 0.0), (3004, 0.0005), (3016, 0.002), (3100, 0.002)):
        assert trainer._rate("generator", nimg) == pytest.approx(wanted)
        assert trainer._rate("discriminator", nimg) == 0.002


def test_the_bundled_pair_restarts_every_stage():
    bundled = inspect_checkpoint(resolve_source("cats"))
    images = bundled.training["images"]
    discriminator = inspect_checkpoint(BUNDLED_DISCRIMINATOR).config.discriminator
    larger = tuple(f"{stage}.total_images=10_000_000" for stage in STAGES)
    model = dataclasses.replace(bundled.config, discriminator=discriminator)
    recipe = dataclasses.replace(load_recipe("demo64-cpu", larger), model=model)
    for stage in STAGES:
        restart = plan(recipe, stage, resolve_source("cats"))
        assert restart.first == images[stage] > 0
        assert restart.discriminator_since == (0 if stage == "prior" else images[stage])


@pytest.mark.parametrize(
    ("stage", "change", "error", "words"),
    [
        ("stage1", {"total_images": 200}, ConfigError, "total_images above 200,"),
        ("stage1", {"width": 16}, ConfigError, "the encoder of the recipe demo64-cpu, with width"),
        ("stage2", {"model": "prior"}, CheckpointError, "encoder"),
        ("prior", {"model": "stage2"}, CheckpointError, "trained on photographs"),
    ],
)
def test_what_does_not_fit_is_refused(
    recipe, pair, tiny_checkpoint, tmp_path, stage, change, error, words
):
    path = pair
    if "total_images" in change:
        recipe = recipe.with_stage("stage1", **change)
    elif "width" in change:
        encoder = dataclasses.replace(recipe.model.encoder, **change)
        model = dataclasses.replace(recipe.model, encoder=encoder)
        recipe = dataclasses.replace(recipe, model=model)
    elif change["model"] == "prior":
        path = tmp_path / "prior.safetensors"
        store(path, read_checkpoint(tiny_checkpoint), ["generator", "discriminator"])
    else:
        path = tiny_checkpoint
    with pytest.raises(error, match=words):
        plan(recipe, stage, path)


SMALL = GeneratorConfig(
    resolution=32, z_dim=8, w_dim=8, channel_base=256, channel_max=16, mapping_depth=2
)
SMALL_D = DiscriminatorConfig(resolution=32, channel_base=256, channel_max=16)
LARGE_PX = 128


def test_a_grown_generator_starts_from_the_upsampled_image():
    torch.manual_seed(0)
    small, large = Generator(SMALL), Generator(dataclasses.replace(SMALL, resolution=LARGE_PX))
    for parameter in small.parameters():
        parameter.data.add_(torch.randn_like(parameter) * 0.1)
    grow(large, small.state_dict(), 32)
    w = small.mapping(torch.randn(2, 8))
    wanted = small.synthesis(small.broadcast(w))
    for _ in range(2):
        wanted = upsample2d(wanted, large.synthesis.taps)
    torch.testing.assert_close(large.synthesis(large.broadcast(w)), wanted)


def test_a_grown_generator_keeps_its_mapping_and_its_layers():
    small, large = Generator(SMALL), Generator(dataclasses.replace(SMALL, resolution=LARGE_PX))
    grow(large, small.state_dict(), 32)
    grown = large.state_dict()
    for name, value in small.state_dict().items():
        assert torch.equal(grown[name], value), name


def test_a_grown_discriminator_keeps_its_blocks_of_lower_resolution():
    torch.manual_seed(1)
    small = Discriminator(SMALL_D)
    large = Discriminator(dataclasses.replace(SMALL_D, resolution=LARGE_PX))
    own = {name: value.clone() for name, value in large.state_dict().items()}
    grow(large, small.state_dict(), 32)
    maps = torch.randn(4, 8, 32, 32)
    for old, new in zip(small.blocks, large.blocks[2:], strict=True):
        maps, same = new(maps), old(maps)
        assert torch.equal(maps, same)
    assert torch.equal(large.out.weight, small.out.weight)
    for name in ("from_rgb.weight", "blocks.0.conv0.weight", "blocks.1.skip.weight"):
        assert torch.equal(large.state_dict()[name], own[name])
