"""One process of `scale`, without Ray."""

import os
import sys
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from answers import box, noise, save
from diverse_inpainting.cli.actor import Actor, Ledger, Order
from diverse_inpainting.cli.pairing import plan_jobs
from diverse_inpainting.cli.recorded import load_record
from diverse_inpainting.cli.settings import Settings, model_digest
from diverse_inpainting.cli.stores import Stores
from diverse_inpainting.core.errors import InputError
from diverse_inpainting.core.inpainter import Inpainter


@pytest.fixture
def ledger(monkeypatch):
    """A ledger as Ray hands it out, in this process."""
    monkeypatch.setitem(sys.modules, "ray", SimpleNamespace(get=lambda value: value))
    own = Ledger()
    remote = {
        name: SimpleNamespace(remote=getattr(own, name)) for name in ("begin", "end", "forget")
    }
    return SimpleNamespace(**remote)


@pytest.fixture
def order(tiny_checkpoint, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # and back again: an actor changes it
    return Order(
        model=str(tiny_checkpoint),
        digest=model_digest(
            Inpainter.load(str(tiny_checkpoint), device="cpu", precision="float32")
        ),
        model_name="tiny",
        device="cpu",
        precision="float32",
        download=False,
        settings=Settings(num_variants=2),
        overwrite=False,
        stores=Stores(tmp_path / "stores"),
        shared=(),
    )


@pytest.fixture
def batch(tmp_path):
    photos = [save(tmp_path / "in" / f"{name}.png", noise(32, 32)) for name in "ab"]
    mask = save(tmp_path / "m.png", box(32, 32))
    jobs = np.empty(2, dtype=object)
    jobs[:] = plan_jobs(photos, [mask], tmp_path / "out", 2).jobs
    return {"number": np.arange(2), "job": jobs}


def statuses(found):
    return [report.status for report in found["found"]]


def test_a_batch(order, ledger, batch, tmp_path):
    found = Actor(order, ledger)(batch)
    assert statuses(found) == ["done", "done"]
    assert list(found["number"]) == [0, 1]
    assert found["found"][0].to_dict()["results"] == [
        str(tmp_path / f"out/a-{k}.png") for k in (0, 1)
    ]
    assert found["found"][0].lines()[0].startswith("done: ")


def test_an_actor_computes_in_the_precision_of_its_order(order, ledger, batch, tmp_path):
    Actor(replace(order, precision="bfloat16"), ledger)(batch)
    assert load_record(tmp_path / "out" / "a-0.png")["made_by"]["precision"] == "bfloat16"


def test_what_a_dead_actor_had_done_is_reported_as_done(order, ledger, batch):
    first = Actor(order, ledger)(batch)
    assert statuses(Actor(order, ledger)(batch)) == statuses(first)
    ledger.forget.remote([0, 1])
    assert statuses(Actor(order, ledger)(batch)) == ["skipped", "skipped"]


def test_an_image_that_ends_its_processes_is_given_up(order, ledger, batch):
    for _ in range(3):
        ledger.begin.remote(1)
    found = Actor(order, ledger)(batch)
    assert statuses(found) == ["done", "failed"]
    assert "ended 3 times" in found["found"][1].to_dict()["error"]


def test_relative_paths_start_at_the_driver(order, ledger, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    os.chdir(tmp_path / "elsewhere")
    Actor(order, ledger)
    assert os.getcwd() == str(tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"shared": ("in/absent.png",)}, "in/absent.png is not there: it is not shared"),
        ({"shared": ("out/.diverse-inpainting-shared",)}, "out is not there"),
        ({"folder": "/absent"}, "No such file"),
        ({"model": "absent.safetensors"}, "absent.safetensors"),
        ({"version": "0.0"}, "version 0.0 and the same model"),
        ({"digest": "0"}, "the same model"),
        ({"device": "nonsense"}, "nonsense"),
    ],
)
def test_a_machine_that_differs_is_named(order, ledger, batch, change, message, tmp_path):
    if "shared" in change:
        change = {"shared": tuple(tmp_path / path for path in change["shared"])}
    (refusal, same) = Actor(replace(order, **change), ledger)(batch)["found"]
    assert isinstance(refusal, InputError) and refusal is same
    assert message in str(refusal)
    assert os.uname().nodename in str(refusal)
