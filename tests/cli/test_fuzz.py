"""Hostile files: no traceback, no hang, nothing that acts on a terminal, no write outside OUT."""

import sys
import time

import pytest

import fuzzing
from fuzzing import faults, make_sound, run

FEW = 200


@pytest.fixture(scope="module")
def sound(tiny_checkpoint, tmp_path_factory):
    return make_sound(tmp_path_factory.mktemp("sound"), tiny_checkpoint)


def faulty(results):
    return [(kind, number, faults) for kind, number, faults in results if faults]


def test_a_few_hostile_files(sound):
    assert faulty(run(FEW, 0, sound)) == []


@pytest.mark.slow
def test_thousands_of_hostile_files(sound, request):
    assert faulty(run(request.config.getoption("--fuzz-cases"), 0, sound, first=FEW)) == []


def shout():
    sys.stdout.write("\x1b[31m" + "x" * 30_000)


def stray():
    open("elsewhere.txt", "w").close()


def compute():
    while True:
        pass


def wait():
    time.sleep(600)


def stop():
    raise KeyError


@pytest.mark.parametrize(
    ("act", "found"),
    [
        (shout, {"escape", "endless line"}),
        (stray, {"outside"}),
        (compute, {"hang"}),
        (wait, {"hang"}),
        (stop, {"traceback"}),
        (sys.exit, set()),
    ],
)
def test_each_fault_is_seen(tmp_path, monkeypatch, act, found):
    monkeypatch.setattr(fuzzing, "_main", act)
    monkeypatch.setattr(fuzzing, "LIMIT_S", 0.5)
    monkeypatch.setattr(fuzzing, "WAITING_LIMIT_S", 2.0)
    assert set(faults([], tmp_path)) == found
