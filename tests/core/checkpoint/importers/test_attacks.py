"""Nothing in a hostile file runs, hangs or takes much memory, and each is refused by name."""

import pickle
import time
import tracemalloc

import pytest
import torch

import damaged_files
import foreign_files
import hostile_pickles
from damaged_files import KINDS, write_small
from diverse_inpainting.core.checkpoint.importers import RefusedFileError, import_file

LONGEST_S = 5
"""Of the processor's time: others may use the machine, too."""
FREE = 32 * 2**20
"""What a small file may cost; see `errors.Budget`."""


@pytest.fixture
def path(tmp_path):
    return tmp_path / "hostile.pt"


@pytest.fixture
def canary(tmp_path):
    """A file that appears if code from a file runs."""
    canary = tmp_path / "canary"
    yield canary
    assert not canary.exists()


def test_the_canary_sings(path, canary):
    """Python's own unpickler runs these files."""
    alive = canary.with_name("alive")
    content, _ = hostile_pickles.ATTACKS["os.system"](alive)
    pickle.loads(content)
    assert alive.exists()


@pytest.mark.parametrize("name", hostile_pickles.ATTACKS)
def test_a_hostile_file_is_refused_with_its_reason(name, path, canary):
    content, word = hostile_pickles.ATTACKS[name](canary)
    path.write_bytes(content)
    start = time.process_time()
    with pytest.raises(RefusedFileError) as caught:
        import_file(path)
    assert time.process_time() - start < LONGEST_S
    assert word in caught.value.problem
    assert len(str(caught.value)) < 1000


@pytest.mark.parametrize("name", hostile_pickles.ATTACKS)
def test_a_hostile_file_takes_little_memory(name, path, canary):
    content, _ = hostile_pickles.ATTACKS[name](canary)
    path.write_bytes(content)
    size = len(content)
    del content
    tracemalloc.start()
    try:
        with pytest.raises(RefusedFileError):
            import_file(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak <= max(FREE, 3 * size), f"{peak:,} bytes for {size:,}"


def test_source_in_a_pickle_is_left_alone(path, canary):
    """NVIDIA's loader runs it; here the file is converted without it."""
    golden = foreign_files.read_golden("nvidia_32")
    foreign_files.write_nvidia(path, golden, source=hostile_pickles.source(canary))
    assert str(canary).encode() in path.read_bytes()
    assert import_file(path).discriminator is not None


def test_source_in_a_tensorflow_pickle_is_left_alone(path, canary, monkeypatch):
    monkeypatch.setattr(foreign_files, "MODULE_SOURCE", hostile_pickles.source(canary))
    foreign_files.write_tensorflow(path, foreign_files.read_golden("tensorflow_32"))
    assert str(canary).encode() in path.read_bytes()
    assert import_file(path).discriminator is not None


def outcome(path):
    """Return whether a file is accepted; anything but an import or a refusal fails the test."""
    start = time.process_time()
    try:
        import_file(path)
        accepted = True
    except RefusedFileError:
        accepted = False
    assert time.process_time() - start < LONGEST_S
    return accepted


def cut_files(path, count, seed):
    for content in damaged_files.cut(path.read_bytes(), count, seed):
        path.write_bytes(content)
        assert not outcome(path)


def flip_bits(path, count, seed):
    """Return how many of the changed files are accepted."""
    accepted = 0
    for content in damaged_files.flipped(path.read_bytes(), count, seed):
        path.write_bytes(content)
        accepted += outcome(path)
    return accepted


@pytest.mark.parametrize("kind", KINDS)
def test_files_that_are_cut_are_refused(kind, path):
    write_small(kind, path)
    cut_files(path, 40, seed=1)


@pytest.mark.parametrize("kind", KINDS)
def test_flipped_bits_never_do_harm(kind, path):
    write_small(kind, path)
    assert flip_bits(path, 40, seed=2) < 40, "some flips hit the structure"


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_thousands_of_damaged_files(kind, path):
    write_small(kind, path)
    content = path.read_bytes()
    cut_files(path, 500, seed=3)
    path.write_bytes(content)
    assert flip_bits(path, 1500, seed=4) < 1500


def test_an_intact_file_of_each_container_is_accepted(path):
    for kind in KINDS:
        write_small(kind, path)
        assert outcome(path), kind


def test_values_that_are_no_numbers_are_passed_on(path):
    """The writer of checkpoints refuses them; the reader of foreign files only reads."""
    source = foreign_files.read_golden("psp_32").source
    source["decoder.to_rgb1.bias"] = torch.full((1, 3, 1, 1), float("nan"))
    foreign_files.write_torch(path, source)
    assert import_file(path).generator.tensors["synthesis.blocks.0.to_rgb.bias"].isnan().all()
