"""`train`: from photographs to a model, stopping, resuming, and wrong use."""

import dataclasses
import json
import os
import re
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from subprocess import PIPE

import numpy as np
import pytest
import torch

from answers import launch_two, noise, refused, save
from diverse_inpainting.core.checkpoint import (
    inspect_checkpoint,
    read_checkpoint,
    write_checkpoint,
)
from diverse_inpainting.core.image_digests import digest
from diverse_inpainting.training import init_from

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

[perceptual]
calibration_pairs = 16
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
COMPLETION = "diagnostics_images = 8\ngrid_images = 2\nrecalibration_batches = 2\n"

PRIOR = ("train", "prior", "--config", "tiny.toml", "--data", "images", "--out", "run")


@pytest.fixture
def recipe(tmp_path):
    """A recipe, and a folder of images, that train in no time."""
    stages = [STAGE.format(name="prior")]
    stages += [STAGE.format(name=name) + COMPLETION for name in ("stage1", "stage2")]
    (tmp_path / "tiny.toml").write_text(RECIPE + "".join(stages))
    for k in range(9):
        save(tmp_path / "images" / f"{k}.png", np.roll(noise(32, 32), k, axis=1))
    return "tiny.toml"


def test_three_commands_from_photographs_to_a_model(run, recipe, tmp_path):
    common = ("--config", recipe, "--out", "run", "--device", "cpu")
    prior = run("train", "prior", *common, "--data", "images")
    assert prior.code == 0, prior.err
    names = ("discriminator", "prior")
    wrote = "".join(f"Wrote run/prior/{name}.safetensors\n" for name in names)
    assert prior.out == f"Finished at 16 of 16 images.\n{wrote}"
    lines = prior.err.splitlines()
    assert [line.split(" images")[0] for line in lines] == ["8/16", "16/16"]
    assert "images/s" in lines[0] and " left" in lines[0] and "d_loss" in lines[0]
    assert run("train", "stage1", *common, "--data", "images").code == 0
    stage2 = run("train", "stage2", *common)
    assert stage2.code == 0, stage2.err
    assert "Wrote run/stage2/model.safetensors" in stage2.out
    assert json.loads((tmp_path / "run" / "stage2" / "recipe.json").read_text())["name"] == "tiny"
    card = json.loads(run("info", "run/stage2/model.safetensors", "--json").out)
    assert card["training"]["images"] == {"prior": 16, "stage1": 16, "stage2": 16}
    assert card["title"] == "noise, 32x32" and "discriminator" not in card["parts"]
    save(tmp_path / "a.png", noise(32, 32, 4))
    model = ("--model", "run/stage2/model.safetensors")
    assert run("inpaint", "a.png", "--out", "out", "--variants", 2, *model).code == 0


def test_the_model_knows_what_it_was_trained_on(run, recipe, tmp_path):
    """Through all stages and restarts, and again where a stage learns from other photographs."""
    for k in range(3):
        save(tmp_path / "more" / f"{k}.png", np.roll(noise(32, 32), k, axis=0))
    save(tmp_path / "val" / "4.png", np.roll(noise(32, 32), 4, axis=1))
    common = ("--config", recipe, "--device", "cpu")
    given = ("--data", "images", "--holdout", "val")
    assert run("train", "prior", *common, *given, "--out", "run").code == 0
    learned = {digest(p.read_bytes()) for p in (tmp_path / "images").iterdir() if p.stem != "4"}
    assert trained(tmp_path / "run" / "prior" / "prior.safetensors") == learned
    more = {digest(path.read_bytes()) for path in (tmp_path / "more").iterdir()}
    photographs = ("--data", "more", "--set", "stage1.train_on='photographs'")
    assert run("train", "stage1", *common, *photographs, "--out", "run").code == 0
    assert run("train", "stage2", *common, "--data", "val", "--out", "run").code == 0
    assert trained(tmp_path / "run" / "stage2" / "model.safetensors") == learned | more
    again = ("--restart-from", "run/stage1/stage1.safetensors", "--from")
    longer = ("--set", "stage1.total_images=24")
    prior = "run/prior/prior.safetensors"
    assert run("train", "stage1", *common, *again, prior, *longer, "--out", "two").code == 0
    assert trained(tmp_path / "two" / "stage1" / "stage1.safetensors") == learned | more
    grown = ("--restart-from", prior, "--set", "prior.total_images=24", "--data", "more")
    assert run("train", "prior", *common, *grown, "--out", "three").code == 0
    assert trained(tmp_path / "three" / "prior" / "prior.safetensors") == learned | more
    other = run("train", "prior", *common, "--data", "images", "--out", "run")
    assert other.code == 2 and "another holdout" in other.err


def trained(path):
    return inspect_checkpoint(path).trained_images


def read_all(terminal):
    """Read what a pseudo-terminal shows until the other side closes it."""
    chunks = []
    while True:
        try:
            chunk = os.read(terminal, 65536)
        except OSError:  # Linux
            chunk = b""
        if not chunk:
            os.close(terminal)
            return b"".join(chunks).decode()
        chunks.append(chunk)


def test_on_a_terminal_a_bar_shows_speed_and_time_left(run, recipe, monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    ours, theirs = os.openpty()
    with ThreadPoolExecutor(1) as pool:
        shown = pool.submit(read_all, ours)
        with open(theirs, "w") as terminal, monkeypatch.context() as patch:
            patch.setattr(sys, "stderr", terminal)
            assert run(*PRIOR, "--device", "cpu").code == 0
        text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.result())
    # The end alone is sure to be drawn: eight images may take less time than one refresh.
    assert re.search(r"16/16 images, \d+\.\d images/s, 0:00:00 left", text), text


def test_a_stage_names_the_checkpoint_that_it_misses(run, recipe):
    answer = run("train", "stage1", "--config", recipe, "--out", "run")
    assert refused(answer) and "does not exist. Train prior with the same --out" in answer.err


def test_stage1_takes_a_model_whose_discriminator_lies_beside_it(
    run, recipe, tmp_path, monkeypatch
):
    common = ("--config", recipe, "--out", "run", "--set", "stage1.total_images=8")
    assert run("train", "prior", *common, "--data", "images").code == 0
    generator = read_checkpoint("run/prior/prior.safetensors", ("generator",))
    write_checkpoint("alone.safetensors", generator)
    answer = run("train", "stage1", *common, "--from", "alone.safetensors")
    assert refused(answer) and "which contains generator" in answer.err
    beside = tmp_path / "run" / "prior" / "discriminator.safetensors"
    monkeypatch.setattr(init_from, "BUNDLED_DISCRIMINATOR", beside)
    answer = run("train", "stage1", *common, "--from", "alone.safetensors")
    assert answer.code == 0, answer.err
    whole, half = (read_checkpoint(path) for path in ("run/prior/prior.safetensors", beside))
    write_checkpoint(beside, dataclasses.replace(half, generator_id="0" * 64))
    assert refused(run("train", "stage1", *common, "--from", "alone.safetensors"))
    assert half.generator_id == whole.generator_id


def test_a_run_resumes_and_other_inputs_are_refused(run, recipe):
    common = ("train", "prior", "--config", recipe, "--data", "images", "--out", "run")
    assert run(*common).out.startswith("Finished at 16 of 16")
    longer = run(*common, "--set", "prior.total_images=24", "--set", "prior.log_every=4")
    assert longer.out.startswith("Finished at 24 of 24") and longer.err.count(" left") == 1
    assert refused(run(*common, "--set", "prior.seed=1"))


@pytest.mark.parametrize("stage", ["prior", "stage1", "stage2"])
def test_a_dry_run_needs_no_data_and_writes_nothing(run, recipe, tmp_path, stage):
    before = sorted(tmp_path.rglob("*"))
    command = ("train", stage, "--config", recipe, "--out", "run", "--device", "cpu")
    answer = run(*command, "--set", f"{stage}.batch_size=4", "--dry-run")
    assert answer.code == 0 and answer.err == ""
    assert "batch_size = 4\n" in answer.out and " trained\n" in answer.out
    missing = {"prior": "needs photographs", "stage1": "prior.saf", "stage2": "stage1.saf"}[stage]
    *_, title, sentence = answer.out.splitlines()
    assert title == "# it would not start yet:" and missing in sentence
    assert sorted(tmp_path.rglob("*")) == before


def test_a_dry_run_says_that_nothing_is_missing(run, recipe):
    answer = run(*PRIOR, "--dry-run", "--device", "cpu")
    assert answer.code == 0 and answer.out.endswith("# it can start\n")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("prior", "--data", "images"), "needs a recipe. Give one with --config"),
        (("prior", "--config", "absent", "--data", "images"), "bundled recipe"),
        (("prior", "--config", "tiny.toml", "--data", "absent"), "No such folder or zip file"),
        (
            ("prior", "--config", "tiny.toml", "--data", "images", "--set", "prior.sneed=1"),
            "sneed",
        ),
        (
            ("prior", "--config", "tiny.toml", "--data", "images", "--set", "prior.seed"),
            "TOML",
        ),
        (("stage1", "--config", "tiny.toml"), "run/prior/prior.safetensors, does not exist. Train"),
        (("stage1", "--config", "demo64-cpu", "--from", "TINY"), "64 pixels"),
        (("stage1", "--config", "tiny.toml", "--from", "tiny.toml"), "tiny.toml"),
        (("stage2", "--config", "tiny.toml"), "run/stage1/stage1.safetensors"),
    ],
)
def test_wrong_training_is_one_sentence(run, recipe, tiny_checkpoint, arguments, words):
    arguments = [str(tiny_checkpoint) if part == "TINY" else part for part in arguments]
    answer = run("train", *arguments, "--out", "run")
    assert refused(answer) and words in answer.err, answer


@pytest.fixture
def start(recipe, tmp_path):
    """Start an endless training in a process of its own: a signal here would be another test's."""
    command = (sys.executable, "-m", "diverse_inpainting", *PRIOR, "--threads", "1")
    endless = ("--set", "prior.total_images=10_000_000")
    options = {"cwd": tmp_path, "stdout": PIPE, "stderr": PIPE, "text": True}
    started = []

    def begin(*arguments):
        started.append(subprocess.Popen([*command, *endless, *arguments], **options))
        return started[-1]

    yield begin
    for process in started:
        process.kill()
        process.communicate()


def freeze_in_a_save(process, states):
    """Stop a process while a half-written state lies beside a whole one."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if any(states.glob(".*.tmp")):
            process.send_signal(signal.SIGSTOP)
            os.waitpid(process.pid, os.WUNTRACED)
            if any(states.glob(".*.tmp")) and any(states.glob("*.pt")):
                return
            process.send_signal(signal.SIGCONT)
    pytest.fail(f"no save was seen: {process.poll()}")


@pytest.mark.slow
def test_kill_in_a_save_then_sigterm_then_the_end(start, tmp_path, run):
    """Each time the same command resumes from the newest whole state."""
    states = tmp_path / "run" / "prior" / "states"
    process = start("--set", "prior.save_every=8")
    freeze_in_a_save(process, states)
    process.kill()
    process.communicate()
    killed_at = max(int(path.stem) for path in states.glob("*.pt"))

    process = start()
    first = process.stderr.readline()
    assert f"{killed_at + 8}/10000000 images" in first
    assert not any(states.glob(".*.tmp"))
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert out.startswith("Stopped at ")
    assert out.splitlines()[0].endswith(" images. Rerun the same command to resume.")
    stopped_at = max(int(path.stem) for path in states.glob("*.pt"))
    assert stopped_at > killed_at
    ended = run(*PRIOR, "--set", f"prior.total_images={stopped_at + 8}")
    assert ended.out.startswith(f"Finished at {stopped_at + 8} of {stopped_at + 8}")
    written = json.loads((tmp_path / "run" / "prior" / "recipe.json").read_text())
    assert written["prior"]["total_images"] == stopped_at + 8


@pytest.mark.slow
def test_accelerate_launch_trains_one_model_with_two_processes(recipe, tmp_path, run):
    """The same batches as one process, so the same model but for the order of float32 sums."""
    exact = (*PRIOR, "--set", "prior.precision='float32'")
    assert run(*exact).code == 0
    done = launch_two((*exact, "--out", "two"), tmp_path)
    assert done.stdout.count("Finished at 16 of 16 images.\n") == 1
    assert done.stderr.count("16/16 images") == 1
    one, two = (
        read_checkpoint(tmp_path / out / "prior" / "prior.safetensors").tensors
        for out in ("run", "two")
    )
    for key, value in one.items():
        torch.testing.assert_close(two[key], value, rtol=1e-3, atol=1e-3)


def test_a_second_run_in_the_folder_is_refused_and_a_stale_lock_is_not(run, start, tmp_path):
    process = start("--device", "cpu")
    assert "images" in process.stderr.readline()
    answer = run(*PRIOR)
    assert refused(answer) and "Another run is training in run/prior. Wait for it" in answer.err
    process.kill()
    process.communicate()
    (tmp_path / "run" / "prior" / ".lock").touch()
    ended = run(*PRIOR, "--set", "prior.total_images=10_000_000", "--out", "other", "--dry-run")
    assert ended.code == 0
    newest = sorted((tmp_path / "run" / "prior" / "states").glob("*.pt"))
    total = int(newest[-1].stem) + 8 if newest else 16
    assert run(*PRIOR, "--set", f"prior.total_images={total}").code == 0
    assert not (tmp_path / "run" / "prior" / ".lock").exists()


def test_a_run_that_cannot_start_leaves_no_folder(run, recipe, tmp_path):
    assert refused(run("train", "prior", "--config", recipe, "--data", "absent", "--out", "a/b"))
    assert not (tmp_path / "a").exists()
