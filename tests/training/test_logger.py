"""The training log: means, resuming, TensorBoard, and warnings."""

import itertools
import time

import pytest

from diverse_inpainting.training.loop import run
from toy_trainer import FINGERPRINT, Line, crash, go, log_of


def test_the_log_holds_means_since_the_last_line(tmp_path):
    go(Line(total_images=20, log_every=8), tmp_path)
    lines = [line for line in log_of(tmp_path) if "constant" in line]
    assert [line["nimg"] for line in lines] == [8, 16, 20]
    assert [line["constant"] for line in lines] == [0.5, 2.5, 4.0]
    assert log_of(tmp_path)[-1]["diagnostics"].keys() == {"slope"}


def test_a_resumed_log_has_each_line_once(tmp_path):
    """What a crash left behind its last state is trained, and logged, again."""
    first = Line(save_every=16, log_every=4)
    first.spoil[28] = [crash]
    with pytest.raises(RuntimeError, match="power cut"):
        go(first, tmp_path)
    assert [line["nimg"] for line in log_of(tmp_path)] == [4, 8, 12, 16, 20, 24, 28]
    with open(tmp_path / "log.jsonl", "a") as file:
        file.write('{"nimg": 12, "line_')
    go(Line(save_every=16, log_every=4), tmp_path)
    numbers = [line["nimg"] for line in log_of(tmp_path) if "line_loss" in line]
    assert numbers == list(range(4, 44, 4))


def test_tensorboard_has_scalars_diagnostics_and_grids(tmp_path, monkeypatch):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    trainer = Line(save_every=16, log_every=8, grid_every=8)
    trainer.spoil[28] = [crash]
    with pytest.raises(RuntimeError, match="power cut"):
        go(trainer, tmp_path)
    # Files are read in order of their names: those of one second sort by a counter, 10 before 9.
    later = time.time() + 60
    monkeypatch.setattr(time, "time", lambda: later)
    go(Line(save_every=16, log_every=8, grid_every=16), tmp_path)
    events = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert [e.step for e in events.Scalars("constant")] == [8, 16, 24, 32, 40]
    assert [e.value for e in events.Scalars("constant")][:2] == [0.5, 2.5]
    assert {"images_per_s", "line_loss", "diagnostics/slope"} <= set(events.Tags()["scalars"])
    assert [e.step for e in events.Images("grid")] == [8, 16, 32, 40]


def test_each_line_has_speed_and_memory_beside_the_losses(tmp_path):
    seen = []
    run(Line(total_images=16, log_every=8), tmp_path, FINGERPRINT, seen.append)
    line = log_of(tmp_path)[0]
    assert list(line) == ["nimg", "images_per_s", "peak_memory_mib", "line_loss", "constant"]
    assert 50 < line["peak_memory_mib"] < 100_000
    assert set(seen[0].scalars) == {"line_loss", "constant"}


def test_the_slowest_training_has_a_speed(tmp_path, monkeypatch):
    """The time that a training took is computed from it."""
    clock = itertools.count(0, 10_000)
    monkeypatch.setattr(time, "perf_counter", lambda: next(clock))
    go(Line(total_images=8, log_every=8), tmp_path)
    assert log_of(tmp_path)[0]["images_per_s"] == 0.0008


def test_a_measure_outside_its_limits_is_a_warning(tmp_path, caplog):
    trainer = Line(total_images=8, grid_every=8)
    trainer.diagnostics = lambda: {"rho": 0.01, "swap_ratio": 0.1}
    go(trainer, tmp_path)
    assert "after 8 images: rho = 0.01: under 0.15 the random code is ignored" in caplog.text
    assert "swap_ratio" not in caplog.text
