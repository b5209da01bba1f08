"""Saved states: round trips, damaged files, a full disk, which ones stay."""

import os
import pickle
import resource
import shutil

import pytest
import torch

from diverse_inpainting.core.errors import CheckpointError, ConfigError
from diverse_inpainting.training.checkpointing import load_state, save_state
from diverse_inpainting.training.stages import TrainingError
from toy_trainer import Line, assert_same, go, state_of


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
    (tmp_path / "states").mkdir()
    path = tmp_path / "states/1.pt"
    save_state(path, {"nimg": 1, "a": torch.zeros(1000)})
    if kind == "code":
        torch.save({"nimg": _Exploit()}, path)
    else:
        path.write_bytes({"truncated": path.read_bytes()[:900], "text": b"hello"}.get(kind, b""))
    with pytest.raises(CheckpointError, match=r"1\.pt"):
        load_state(path)
    with pytest.raises(CheckpointError, match=r"1\.pt"):
        go(Line(), tmp_path)
    assert not (tmp_path / "exploited").exists()


def test_a_failed_save_leaves_the_old_state(tmp_path):
    path = tmp_path / "state.pt"
    save_state(path, {"nimg": 1})
    with pytest.raises((pickle.PicklingError, AttributeError)):
        save_state(path, {"nimg": lambda: 2})
    assert load_state(path) == {"nimg": 1}


@pytest.fixture
def small_disk():
    """Call it to let no file grow beyond so many bytes from then on."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda num_bytes: resource.setrlimit(resource.RLIMIT_FSIZE, (num_bytes, before[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_is_one_sentence_and_the_earlier_state_goes_on(tmp_path, small_disk):
    ballast = torch.nn.Linear(1000, 100)
    trainer, again = Line(save_every=8), Line()
    for each in (trainer, again):
        each.modules["ballast"] = ballast
    trainer.spoil[12] = [lambda *_: small_disk(200_000)]
    with pytest.raises(TrainingError) as caught:
        go(trainer, tmp_path)
    small_disk(resource.RLIM_INFINITY)
    assert caught.value.got == f"File too large ({tmp_path / 'states/000000016.pt'})"
    assert f"{tmp_path / 'states/000000008.pt'} is the last good" in caught.value.remedy
    assert [path.name for path in (tmp_path / "states").iterdir()] == ["000000008.pt"]
    assert trainer.exports == [8]
    assert go(again, tmp_path) == 40
    assert again.steps[0] == 8


def test_the_newest_states_stay_and_some_for_good(tmp_path):
    class Exporting(Line):
        def export(self, folder, nimg):
            (folder / "model.safetensors").unlink(missing_ok=True)
            (folder / "model.safetensors").write_text(f"{nimg}")

    go(Exporting(save_every=8, keep_every=12, keep_last=3), tmp_path)
    assert sorted(path.stem for path in (tmp_path / "states").iterdir()) == [
        *("000000032", "000000036", "000000040")
    ]
    kept = sorted((tmp_path / "kept").iterdir())
    assert [path.name for path in kept] == ["000000012", "000000024", "000000036"]
    for path in kept:
        assert load_state(path / f"{path.name}.pt")["nimg"] == int(path.name)
        assert (path / "model.safetensors").read_text() == str(int(path.name))


def test_a_kept_state_can_be_gone_back_to(tmp_path):
    go(Line(save_every=8, keep_every=16), tmp_path)
    whole = state_of(tmp_path)
    shutil.rmtree(tmp_path / "states")
    (tmp_path / "states").mkdir()
    shutil.copy(tmp_path / "kept/000000016/000000016.pt", tmp_path / "states")
    again = Line()
    go(again, tmp_path)
    assert again.steps[0] == 16
    assert_same(state_of(tmp_path), whole)


def test_exports_without_a_state_are_not_replaced(tmp_path):
    """Somebody removed the states of a finished run, or they are of an older version."""
    (tmp_path / "prior.safetensors").write_bytes(b"hours of work")
    trainer = Line()
    with pytest.raises(ConfigError, match=r"prior\.safetensors, which would be replaced"):
        go(trainer, tmp_path)
    assert trainer.steps == []
