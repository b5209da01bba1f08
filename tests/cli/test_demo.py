"""`demo`: its input, its nine files, and a check that notices broken promises."""

import itertools

import numpy as np
import pytest
from PIL import Image

from answers import pixels
from diverse_inpainting.cli import result_files
from diverse_inpainting.cli.demo import examine
from diverse_inpainting.core.examples import PHOTOGRAPH, demo_input
from diverse_inpainting.core.image_files import write_png


def check_demo(folder, number=8):
    """The promise, measured without the library's own reading and examining."""
    names = {f"{PHOTOGRAPH.stem}-{end}.png" for end in (*range(number), "sheet")}
    assert {path.name for path in folder.iterdir()} == names
    hole = demo_input()[1][0].numpy() > 0
    results = [pixels(folder / f"{PHOTOGRAPH.stem}-{k}.png") for k in range(number)]
    assert all(np.array_equal(result[~hole], pixels(PHOTOGRAPH)[~hole]) for result in results)
    for first, second in itertools.combinations(results, 2):
        assert (first != second).any(axis=2)[hole].any()


def test_demo_writes_nine_files_and_says_what_it_checked(run, tiny_checkpoint, tmp_path):
    answer = run("demo", "--model", tiny_checkpoint)
    assert answer.code == 0, answer.err
    check_demo(tmp_path / "demo-out")
    assert "changed pixels per result: 0, 0, 0, 0, 0, 0, 0, 0 (of 45841)\n" in answer.out
    assert "demo-out/" in answer.out and " s to load" in answer.out
    with Image.open(tmp_path / "demo-out" / f"{PHOTOGRAPH.stem}-sheet.png") as sheet:
        assert sheet.width > 5 * 256 and sheet.height > 2 * 256


def test_demo_with_the_bundled_model(run, tmp_path):
    answer = run("demo", "--out", "here", "--seed", 1)
    assert answer.code == 0, answer.err
    check_demo(tmp_path / "here")


def test_demo_repeats_bit_for_bit_and_seeds_differ(run, tiny_checkpoint, tmp_path):
    common = ("demo", "--model", tiny_checkpoint, "--variants", 2, "--out")
    for out, seed in (("a", 5), ("b", 5), ("c", 6)):
        assert run(*common, out, "--seed", seed).code == 0
    for k in range(2):
        a, b, c = ((tmp_path / f / f"{PHOTOGRAPH.stem}-{k}.png").read_bytes() for f in "abc")
        assert a == b != c


@pytest.mark.parametrize("fault", ["outside", "equal"])
def test_demo_fails_when_a_promise_is_broken(run, tiny_checkpoint, monkeypatch, fault):
    def write(path, file, image, weight, **options):
        hole = demo_input()[1][0].numpy() > 0
        changed = image.numpy().copy()
        if fault == "equal":
            changed[hole] = 128
        elif path.name.endswith("-1.png"):
            row, column = np.argwhere(~hole)[0]
            changed[row, column, 0] ^= 1
        write_png(path, Image.fromarray(changed))

    monkeypatch.setattr(result_files, "write_result", write)
    answer = run("demo", "--model", tiny_checkpoint, "--variants", 2)
    assert answer.code == 1 and answer.err.startswith("Check failed: results must differ inside")
    if fault == "outside":
        assert "per result: 0, 1 (of" in answer.out


@pytest.fixture
def results(tmp_path):
    """Two files that keep the photograph outside the hole and differ inside; as arrays, too."""
    _, hole = demo_input()
    original = np.asarray(Image.open(PHOTOGRAPH).convert("RGB"))
    arrays = [np.where(hole[0].numpy()[..., None] > 0, value, original) for value in (10, 14)]

    def write():
        paths = [tmp_path / f"{k}.png" for k in range(len(arrays))]
        for path, array in zip(paths, arrays, strict=True):
            Image.fromarray(array.astype(np.uint8)).save(path)
        return paths

    return hole[0], arrays, write


def test_good_results_pass(results):
    hole, _, write = results
    found = examine(PHOTOGRAPH, hole, write())
    assert found.num_valid == int((hole == 0).sum())
    assert found.num_changed == (0, 0) and found.differences == (4.0,)
    assert found.keeps_valid_pixels and found.all_differ


def test_one_bit_in_one_channel_of_one_pixel_outside_is_noticed(results):
    hole, arrays, write = results
    row, column = (hole == 0).nonzero()[17].tolist()
    arrays[1][row, column, 2] ^= 1
    found = examine(PHOTOGRAPH, hole, write())
    assert found.num_changed == (0, 1) and not found.keeps_valid_pixels and found.all_differ


def test_equal_results_are_noticed(results):
    hole, arrays, write = results
    arrays.append(arrays[0])
    found = examine(PHOTOGRAPH, hole, write())
    assert found.differences == (4.0, 0.0, 4.0)
    assert found.keeps_valid_pixels and not found.all_differ
