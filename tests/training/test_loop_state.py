"""The loop: exact resume, stopping by signal, by a bad loss, and what a folder holds."""

import dataclasses
import json
import os
import pickle
import signal
import subprocess
import sys
import time

import pytest
import torch
from PIL import Image
from torch import nn

from diverse_inpainting.core.checkpoint import read_checkpoint
from diverse_inpainting.core.errors import CheckpointError, ConfigError
from diverse_inpainting.training.config import DataConfig, PriorConfig, Recipe
from diverse_inpainting.training.data import Photographs
from diverse_inpainting.training.loop import TrainingError, run
from diverse_inpainting.training.prior import PriorTrainer
from diverse_inpainting.training.recipe_file import load_recipe
from diverse_inpainting.training.saving import load_state, save_state

FINGERPRINT = {"recipe": "tiny", "seed": 3}
BATCH = 4


class Line:
    """The smallest trainer: fits y = 2 x with Adam, on numbers drawn by position.

    Without `momentum` it takes plain steps: torch.optim imports a compiler, which takes seconds.
    """

    def __init__(self, total_images=40, momentum=True, **intervals):
        self.config = PriorConfig(
            total_images=total_images,
            batch_size=BATCH,
            r1_gamma=0.0,
            r1_every=1,
            ema_half_life=1,
            **{"log_every": 8, "grid_every": 1000, "save_every": 1000, **intervals},
        )
        self.net = nn.Linear(1, 1)
        nn.init.zeros_(self.net.weight)
        nn.init.zeros_(self.net.bias)
        self.modules = {"net": self.net}
        self.optimizers = {}
        if momentum:
            self.optimizers["net"] = torch.optim.Adam(self.net.parameters(), lr=0.05)
        self.steps, self.exports, self.spoil = [], [], {}

    def step(self, nimg):
        self.steps.append(nimg)
        x = torch.rand(BATCH, 1, generator=torch.Generator().manual_seed(nimg))
        loss = (self.net(x) - 2 * x).square().mean()
        parameters = list(self.net.parameters())
        for parameter, gradient in zip(
            parameters, torch.autograd.grad(loss, parameters), strict=True
        ):
            parameter.grad = gradient
            if not self.optimizers:
                parameter.data.sub_(0.05 * gradient)
        for optimizer in self.optimizers.values():
            optimizer.step()
        scalars = {"line_loss": loss, "constant": torch.tensor(nimg / 4.0)}
        for action in self.spoil.get(nimg, ()):
            action(self, scalars)
        return scalars

    def grid(self):
        return Image.new("RGB", (2, 2))

    def alarms(self):
        return {"slope": self.net.weight.item()}

    def export(self, folder, nimg):
        self.exports.append(nimg)


def give_nan(_, scalars):
    scalars["line_loss"] = torch.tensor(float("nan"))


def spoil_weights(trainer, _):
    with torch.no_grad():
        trainer.net.weight.fill_(float("inf"))


def stop(*_):
    signal.raise_signal(signal.SIGTERM)


def crash(*_):
    raise RuntimeError("power cut")


def go(trainer, folder, fingerprint=FINGERPRINT):
    return run(trainer, folder, fingerprint, lambda progress: None)


def log_of(folder):
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


def assert_same(first, second):
    """Two nested states are equal bit for bit."""
    assert type(first) is type(second)
    if isinstance(first, torch.Tensor):
        assert first.dtype == second.dtype
        assert torch.equal(first, second)
    elif isinstance(first, dict):
        assert list(first) == list(second)
        for key in first:
            assert_same(first[key], second[key])
    elif isinstance(first, list | tuple):
        assert len(first) == len(second)
        for a, b in zip(first, second, strict=True):
            assert_same(a, b)
    else:
        assert first == second


def test_runs_to_the_end_and_leaves_its_results(tmp_path):
    trainer = Line(total_images=42, grid_every=16, save_every=16)
    seen = []
    assert run(trainer, tmp_path, FINGERPRINT, seen.append) == 44, "the last step is a whole one"
    assert trainer.steps == list(range(0, 44, 4))
    assert trainer.exports == [16, 32, 44]
    names = sorted(path.name for path in (tmp_path / "grids").iterdir())
    assert names == ["000000016.png", "000000032.png", "000000044.png"]
    assert [progress.nimg for progress in seen] == [8, 16, 24, 32, 40, 44]
    assert seen[0].total_images == 42
    assert seen[0].seconds_left == pytest.approx(34 / seen[0].images_per_s)
    assert load_state(tmp_path / "state.pt")["nimg"] == 44
    assert not list(tmp_path.glob("*.partial"))


def test_the_log_holds_means_since_the_last_line(tmp_path):
    go(Line(total_images=20, log_every=8), tmp_path)
    lines = [line for line in log_of(tmp_path) if "constant" in line]
    assert [line["nimg"] for line in lines] == [8, 16, 20]
    assert [line["constant"] for line in lines] == [0.5, 2.5, 4.0]
    assert log_of(tmp_path)[-1]["alarms"].keys() == {"slope"}


def test_a_finished_run_stays_finished(tmp_path):
    go(Line(), tmp_path)
    before = load_state(tmp_path / "state.pt")
    again = Line()
    assert go(again, tmp_path) == 40
    assert again.steps == []
    assert_same(load_state(tmp_path / "state.pt"), before)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_after_the_step_and_saves(tmp_path, number):
    handlers = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    trainer = Line()
    trainer.spoil[12] = [lambda *_: signal.raise_signal(number)]
    assert go(trainer, tmp_path) == 16
    assert load_state(tmp_path / "state.pt")["nimg"] == 16
    assert trainer.exports == [16]
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == handlers


def test_an_interrupted_run_goes_on_exactly(tmp_path):
    whole, first, second = Line(), Line(), Line()
    go(whole, tmp_path / "whole")
    first.spoil[12] = [stop]
    go(first, tmp_path / "parts")
    go(second, tmp_path / "parts")
    assert first.steps + second.steps == whole.steps
    assert_same(load_state(tmp_path / "parts/state.pt"), load_state(tmp_path / "whole/state.pt"))
    assert whole.net.weight.item() != 0


def test_a_crash_costs_the_steps_since_the_last_state(tmp_path):
    """A half-written file beside the state does no harm."""
    whole, first, second = Line(), Line(save_every=8), Line()
    go(whole, tmp_path / "whole")
    first.spoil[20] = [crash]
    with pytest.raises(RuntimeError, match="power cut"):
        go(first, tmp_path / "parts")
    (tmp_path / "parts/state.partial").write_bytes(b"half a sta")
    go(second, tmp_path / "parts")
    assert second.steps[0] == 16
    assert_same(load_state(tmp_path / "parts/state.pt"), load_state(tmp_path / "whole/state.pt"))
    assert not (tmp_path / "parts/state.partial").exists()


@pytest.mark.parametrize(
    ("spoil", "intervals", "named"),
    [
        ({20: [give_nan]}, {}, "line_loss"),
        ({20: [give_nan]}, {"log_every": 1000}, "line_loss"),
        ({20: [give_nan, stop]}, {"log_every": 1000}, "line_loss"),
        ({20: [spoil_weights, stop]}, {"log_every": 1000}, "net.weight"),
    ],
    ids=["at_the_log", "at_the_save", "at_a_signal", "in_the_weights"],
)
def test_what_is_not_finite_stops_and_never_replaces_a_good_state(
    tmp_path, spoil, intervals, named
):
    trainer = Line(save_every=16, **intervals)
    trainer.spoil = spoil
    with pytest.raises(TrainingError) as caught:
        go(trainer, tmp_path)
    assert named in caught.value.got
    assert str(tmp_path / "state.pt") in caught.value.remedy
    state = load_state(tmp_path / "state.pt")
    assert state["nimg"] == 16
    assert state["modules"]["net"]["weight"].isfinite().all()
    assert trainer.exports == [16]


def test_another_recipe_in_the_same_folder_is_refused(tmp_path):
    go(Line(), tmp_path)
    before = (tmp_path / "state.pt").read_bytes()
    other = Line()
    with pytest.raises(ConfigError, match="begun with"):
        go(other, tmp_path, {**FINGERPRINT, "seed": 4})
    assert other.steps == []
    assert (tmp_path / "state.pt").read_bytes() == before


def test_state_round_trip(tmp_path):
    state = {"nimg": 3, "a": torch.arange(3), "nested": {"b": [torch.ones(2).bfloat16()]}}
    save_state(tmp_path / "state.pt", state)
    assert_same(load_state(tmp_path / "state.pt"), state)


class _Exploit:
    def __reduce__(self):
        return (os.mkdir, ("exploited",))


@pytest.mark.parametrize("kind", ["truncated", "text", "empty", "code"])
def test_unreadable_states_are_refused(tmp_path, monkeypatch, kind):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "state.pt"
    save_state(path, {"nimg": 1, "a": torch.zeros(1000)})
    if kind == "code":
        torch.save({"nimg": _Exploit()}, path)
    else:
        path.write_bytes({"truncated": path.read_bytes()[:900], "text": b"hello"}.get(kind, b""))
    with pytest.raises(CheckpointError, match=r"state\.pt"):
        load_state(path)
    with pytest.raises(CheckpointError, match=r"state\.pt"):
        go(Line(), tmp_path)
    assert not (tmp_path / "exploited").exists()


def test_a_failed_save_leaves_the_old_state(tmp_path):
    path = tmp_path / "state.pt"
    save_state(path, {"nimg": 1})
    with pytest.raises((pickle.PicklingError, AttributeError)):
        save_state(path, {"nimg": lambda: 2})
    assert load_state(path) == {"nimg": 1}


# A process of its own: a signal to the test's process would be another test's, too.
_SCRIPT = """
import importlib.util, sys
from pathlib import Path
spec = importlib.util.spec_from_file_location("conftest", sys.argv[1] + "/tests/conftest.py")
module = importlib.util.module_from_spec(spec)
sys.modules["conftest"] = module
spec.loader.exec_module(module)
line = module._load("line", Path(sys.argv[1]) / "tests/training/test_loop_state.py")
trainer = line.Line(total_images=10**9, momentum=False, log_every=400)
line.go(trainer, Path(sys.argv[2]))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows ends a process without SIGTERM")
def test_sigterm_from_outside_saves_and_exits_with_success(tmp_path, root):
    process = subprocess.Popen(
        [sys.executable, "-c", _SCRIPT, str(root), str(tmp_path)], stderr=subprocess.PIPE
    )
    deadline = time.monotonic() + 120
    while not (tmp_path / "log.jsonl").exists() and process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors.decode()
    nimg = load_state(tmp_path / "state.pt")["nimg"]
    assert nimg >= 400
    assert nimg % BATCH == 0
    resumed = Line(total_images=nimg + 8, momentum=False)
    go(resumed, tmp_path)
    assert resumed.steps == [nimg, nimg + 4]


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
    pictures = torch.randint(0, 256, (10, 3, 32, 32), generator=drawn, dtype=torch.uint8)
    return PriorTrainer(recipe, Photographs(pictures, DataConfig(), 1), torch.device("cpu"))


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

    state = load_state(tmp_path / "whole/state.pt")
    assert_same(load_state(tmp_path / "parts/state.pt"), state)
    assert set(state["modules"]) == {"generator", "discriminator", "generator_ema"}
    exports = [(tmp_path / part / "prior.safetensors").read_bytes() for part in ("whole", "parts")]
    assert exports[0] == exports[1]


def test_a_prior_without_noise_leaves_its_strengths_at_zero(recipe, tmp_path):
    quiet = dataclasses.replace(recipe, prior=dataclasses.replace(recipe.prior, noise=False))
    strengths = {}
    for name, chosen in (("quiet", quiet), ("noisy", recipe)):
        trainer = prior_trainer(chosen)
        go(trainer, tmp_path / name)
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
    exported = checkpoint.networks()["generator"]
    average = trainer.generator_ema
    for name, parameter in average.named_parameters():
        assert torch.equal(exported.get_parameter(name), parameter)
    assert exported.w_avg.any()
    keys = {"g_loss", "d_loss", "r1", "d_gap", "images_per_s", "nimg"}
    assert keys <= set(log_of(tmp_path)[0])
