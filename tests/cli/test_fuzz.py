"""Hostile files: no traceback, no hang, nothing that acts on a terminal, no write outside OUT."""

import pytest

from fuzzing import make_sound, run

FEW = 300


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
