"""`train`: from photographs to a model, stopping, going on, and wrong use."""

import dataclasses
import json
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch

from answers import noise, refused, save
from diverse_inpainting.core.checkpoint import read_checkpoint, write_checkpoint
from diverse_inpainting.training import commands

RECIPE = """
title = "noise, 32x32"
license = "CC0"

[model.generator]
resolution = 32
z_dim = 16
w_dim = 16
channel_base = 256
channel_max = 16
mapping_depth = 2

[model.discriminator]
resolution = 32
channel_base = 256
channel_max = 16

[model.encoder]
kind = "small"
resolution = 32
w_dim = 16
width = 8
max_width = 16
depths = [1, 1, 1, 1]

[model.mixer]
num_layers = 8
w_dim = 16

[model.skip_encoder]
resolution = 32
stem_width = 8
widths = [8, 8, 8]
layers_per_block = 1
"""
STAGE = """
[{name}]
total_images = 16
batch_size = 8
r1_gamma = 0.5
r1_every = 2
ema_half_life = 100
log_every = 8
"""


@pytest.fixture
def recipe(tmp_path):
    """A recipe, and a folder of pictures, that train in no time."""
    stages = (STAGE.format(name=name) for name in ("prior", "stage1", "stage2"))
    (tmp_path / "tiny.toml").write_text(RECIPE + "".join(stages))
    for k in range(9):
        save(tmp_path / "pictures" / f"{k}.png", np.roll(noise(32, 32), k, axis=1))
    yield "tiny.toml"
    torch.set_flush_denormal(False)  # training sets it for the process; other tests do not want it


def test_three_commands_from_photographs_to_a_model(run, recipe, tmp_path):
    common = ("--config", recipe, "--out", "run", "--device", "cpu")
    prior = run("train", "prior", *common, "--data", "pictures")
    assert prior.code == 0, prior.err
    names = ("discriminator", "prior")
    wrote = "".join(f"wrote run/prior/{name}.safetensors\n" for name in names)
    assert prior.out == f"finished at 16 of 16 images\n{wrote}"
    lines = prior.err.splitlines()
    assert [line.split(" images")[0] for line in lines] == ["8/16", "16/16"]
    assert "images/s" in lines[0] and " left" in lines[0] and "d_loss" in lines[0]
    assert run("train", "stage1", *common, "--data", "pictures").code == 0
    stage2 = run("train", "stage2", *common)
    assert stage2.code == 0, stage2.err
    assert "wrote run/stage2/model.safetensors" in stage2.out
    assert json.loads((tmp_path / "run" / "stage2" / "recipe.json").read_text())["name"] == "tiny"
    card = json.loads(run("info", "run/stage2/model.safetensors", "--json").out)
    assert card["training"]["images"] == {"prior": 16, "stage1": 16, "stage2": 16}
    assert card["title"] == "noise, 32x32" and "discriminator" not in card["parts"]
    save(tmp_path / "a.png", noise(32, 32, 4))
    model = ("--model", "run/stage2/model.safetensors")
    assert run("inpaint", "a.png", "--out", "out", "--variants", 2, *model).code == 0


def test_stage1_takes_a_model_whose_discriminator_lies_beside_it(
    run, recipe, tmp_path, monkeypatch
):
    common = ("--config", recipe, "--out", "run", "--set", "stage1.total_images=8")
    assert run("train", "prior", *common, "--data", "pictures").code == 0
    generator = read_checkpoint("run/prior/prior.safetensors", ("generator",))
    write_checkpoint("alone.safetensors", generator)
    answer = run("train", "stage1", *common, "--prior", "alone.safetensors")
    assert refused(answer) and "which holds generator" in answer.err
    beside = tmp_path / "run" / "prior" / "discriminator.safetensors"
    monkeypatch.setattr(commands, "BUNDLED_DISCRIMINATOR", beside)
    answer = run("train", "stage1", *common, "--prior", "alone.safetensors")
    assert answer.code == 0, answer.err
    whole, half = (read_checkpoint(path) for path in ("run/prior/prior.safetensors", beside))
    write_checkpoint(beside, dataclasses.replace(half, generator_id="0" * 64))
    assert refused(run("train", "stage1", *common, "--prior", "alone.safetensors"))
    assert half.generator_id == whole.generator_id


def test_a_run_goes_on_and_other_inputs_are_refused(run, recipe):
    common = ("train", "prior", "--config", recipe, "--data", "pictures", "--out", "run")
    assert run(*common).out.startswith("finished at 16 of 16")
    longer = run(*common, "--set", "prior.total_images=24", "--set", "prior.log_every=4")
    assert longer.out.startswith("finished at 24 of 24") and longer.err.count(" left") == 1
    assert refused(run(*common, "--set", "prior.seed=1"))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("prior", "--config", "absent", "--data", "pictures"), "bundled recipe"),
        (("prior", "--config", "tiny.toml", "--data", "absent"), "a folder or zip of pictures"),
        (
            ("prior", "--config", "tiny.toml", "--data", "pictures", "--set", "prior.sneed=1"),
            "sneed",
        ),
        (("prior", "--config", "tiny.toml", "--data", "pictures", "--set", "prior.seed"), "TOML"),
        (("stage1", "--config", "tiny.toml"), "run/prior/prior.safetensors"),
        (("stage1", "--config", "demo64-cpu", "--prior", "TINY"), "64 pixels"),
        (("stage1", "--config", "tiny.toml", "--prior", "tiny.toml"), "tiny.toml"),
        (("stage2", "--config", "tiny.toml"), "run/stage1/stage1.safetensors"),
    ],
)
def test_wrong_training_is_one_sentence(run, recipe, tiny_checkpoint, arguments, words):
    arguments = [str(tiny_checkpoint) if part == "TINY" else part for part in arguments]
    answer = run("train", *arguments, "--out", "run")
    assert refused(answer) and words in answer.err, answer


def test_sigterm_saves_and_the_same_command_goes_on(recipe, tmp_path, run):
    common = ("train", "prior", "--config", recipe, "--data", "pictures", "--out", "run")
    command = [sys.executable, "-m", "diverse_inpainting", *common, "--threads", "1"]
    process = subprocess.Popen(
        [*command, "--set", "prior.total_images=10_000_000"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert "images/s" in process.stderr.readline()
        process.send_signal(signal.SIGTERM)
        started = time.monotonic()
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 0, err
    assert time.monotonic() - started < 30
    assert out.startswith("stopped; the same command goes on at ")
    assert (tmp_path / "run" / "prior" / "state.pt").is_file()
    seen = json.loads((tmp_path / "run" / "prior" / "log.jsonl").read_text().splitlines()[-1])
    total = seen["nimg"] + 32
    assert run(*common, "--set", f"prior.total_images={total}").out.startswith("finished at ")
