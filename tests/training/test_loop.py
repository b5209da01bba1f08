"""The loop: exact resume, stopping by signal, by a bad loss, and what a folder holds."""

import json
import signal

import pytest
import torch

from diverse_inpainting.core.errors import ConfigError
from diverse_inpainting.training.loop import run
from diverse_inpainting.training.stages import TrainingError
from toy_trainer import FINGERPRINT, Line, assert_same, crash, go, state_of, stop


def give_nan(_, scalars):
    scalars["line_loss"] = torch.tensor(float("nan"))


def spoil_weights(trainer, _):
    with torch.no_grad():
        trainer.net.weight.fill_(float("inf"))


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
    assert state_of(tmp_path)["nimg"] == 44
    assert not list(tmp_path.rglob("*.tmp"))
    assert json.loads((tmp_path / "recipe.json").read_text()) == {"name": "line"}


def test_a_finished_run_stays_finished(tmp_path):
    go(Line(), tmp_path)
    before = state_of(tmp_path)
    again = Line()
    assert go(again, tmp_path) == 40
    assert again.steps == []
    assert_same(state_of(tmp_path), before)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_after_the_step_and_saves(tmp_path, number):
    handlers = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    trainer = Line()
    trainer.spoil[12] = [lambda *_: signal.raise_signal(number)]
    assert go(trainer, tmp_path) == 16
    assert state_of(tmp_path)["nimg"] == 16
    assert trainer.exports == [16]
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == handlers


def test_an_interrupted_run_goes_on_exactly(tmp_path):
    whole, first, second = Line(), Line(), Line()
    go(whole, tmp_path / "whole")
    first.spoil[12] = [stop]
    go(first, tmp_path / "parts")
    go(second, tmp_path / "parts")
    assert first.steps + second.steps == whole.steps
    assert_same(state_of(tmp_path / "parts"), state_of(tmp_path / "whole"))
    assert whole.net.weight.item() != 0


def test_a_crash_costs_the_steps_since_the_last_state(tmp_path):
    """What was half written then does no harm and is removed."""
    whole, first, second = Line(), Line(save_every=8), Line()
    go(whole, tmp_path / "whole")
    first.spoil[20] = [crash]
    with pytest.raises(RuntimeError, match="power cut"):
        go(first, tmp_path / "parts")
    leftovers = [
        tmp_path / "parts" / name
        for name in (
            "states/.000000020.pt.0123abcd.tmp",
            ".prior.safetensors.0123abcd.tmp",
            "kept/.8.0123abcd.tmp/a.pt",
        )
    ]
    leftovers[2].parent.mkdir()
    for path in leftovers:
        path.write_bytes(b"half a sta")
    go(second, tmp_path / "parts")
    assert second.steps[0] == 16
    assert_same(state_of(tmp_path / "parts"), state_of(tmp_path / "whole"))
    assert not any(path.exists() for path in leftovers)


@pytest.mark.parametrize(
    ("spoil", "intervals", "named"),
    [
        ({20: [give_nan]}, {}, "line_loss = nan in step 6, images 20 to 23"),
        ({20: [give_nan], 24: [give_nan]}, {"log_every": 1000}, "line_loss = nan in step 6, "),
        ({20: [give_nan, stop]}, {"log_every": 1000}, "line_loss = nan in step 6, images 20"),
        ({20: [spoil_weights, stop]}, {"log_every": 1000}, "net.weight after 24 images"),
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
    assert str(tmp_path / "states/000000016.pt") in caught.value.remedy
    state = state_of(tmp_path)
    assert state["nimg"] == 16
    assert state["modules"]["net"]["weight"].isfinite().all()
    assert trainer.exports == [16]


def test_a_grid_that_fails_costs_no_step_of_what_is_saved_beside_it(tmp_path):
    trainer = Line(save_every=8, grid_every=8)
    trainer.grid = crash
    with pytest.raises(RuntimeError, match="power cut"):
        go(trainer, tmp_path)
    assert state_of(tmp_path)["nimg"] == 8


def test_a_state_with_the_former_name_of_the_projected_discriminator_goes_on(tmp_path):
    def with_another(name, **settings):
        trainer = Line(**settings)
        trainer.modules[name] = torch.nn.Linear(1, 1)
        trainer.optimizers[name] = torch.optim.Adam(trainer.modules[name].parameters(), lr=0.5)
        return trainer

    first = with_another("critic", total_images=20)
    first.optimizers["critic"].param_groups[0]["lr"] = 0.25
    go(first, tmp_path)
    second = with_another("projected_discriminator")
    assert go(second, tmp_path) == 40
    assert second.steps[0] == 20
    assert_same(
        second.modules["projected_discriminator"].state_dict(), first.modules["critic"].state_dict()
    )
    assert second.optimizers["projected_discriminator"].param_groups[0]["lr"] == 0.25
    assert list(state_of(tmp_path)["modules"]) == ["net", "projected_discriminator"]


def test_another_recipe_in_the_same_folder_is_refused(tmp_path):
    go(Line(), tmp_path)
    before = (tmp_path / "states/000000040.pt").read_bytes()
    other = Line()
    with pytest.raises(ConfigError, match="was started with, got another seed"):
        go(other, tmp_path, {**FINGERPRINT, "seed": 4})
    assert other.steps == []
    assert (tmp_path / "states/000000040.pt").read_bytes() == before
