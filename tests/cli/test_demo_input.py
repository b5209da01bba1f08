"""The demonstration's picture and hole, and the examination that must notice broken promises."""

import hashlib

import numpy as np
import pytest
import torch
from PIL import Image

from diverse_inpainting.cli.demo import PHOTOGRAPH, demo_input, examine


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


def test_the_hole_is_the_one_that_was_looked_at():
    image, hole = demo_input()
    assert image.shape == (1, 256, 256, 3) and hole.shape == (1, 256, 256)
    assert set(hole.unique().tolist()) == {0.0, 1.0}
    assert round(float(hole.mean()), 3) == 0.301
    digest = hashlib.sha256(hole.to(torch.uint8).numpy().tobytes()).hexdigest()
    assert digest.startswith("bd9cf52d952bd069")


def test_five_pictures_are_bundled_with_their_licence():
    assert len(list(PHOTOGRAPH.parent.glob("*.jpg"))) == 5
    text = (PHOTOGRAPH.parent / "LICENSE-pictures.txt").read_text("ascii")
    assert "CC BY-NC 4.0" in text and all(p.name in text for p in PHOTOGRAPH.parent.glob("*.jpg"))


def test_good_results_pass(results):
    hole, _, write = results
    found = examine(PHOTOGRAPH, hole, write())
    assert found.num_valid == int((hole == 0).sum())
    assert found.num_changed == (0, 0) and found.differences == (4.0,)
    assert found.keeps_valid_pixels and found.all_differ


def test_one_level_in_one_channel_of_one_pixel_outside_is_noticed(results):
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
