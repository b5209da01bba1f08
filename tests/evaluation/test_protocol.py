"""Which images and masks are measured on, and how they are written out."""

import numpy as np
import pytest
import torch
from PIL import Image

from diverse_inpainting.core.errors import InputError
from diverse_inpainting.core.masks import sample_hole_masks
from diverse_inpainting.evaluation.protocol import make_pairs, write_pairs


@pytest.fixture
def data(tmp_path):
    """Seven images of one colour each, two of them in a folder."""
    for i, name in enumerate(["a", "b", "c", "d", "e", "f/a", "f/b"]):
        path = tmp_path / "data" / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (32, 32), (10 * i, 0, 0)).save(path)
    return tmp_path / "data"


def test_names_images_and_masks(data):
    pairs = make_pairs(data, 16, "mat-large", 3)
    assert pairs.names == ("a", "b", "c", "d", "e", "f_a", "f_b")
    assert pairs.originals.shape == (7, 3, 16, 16) and pairs.originals.dtype == torch.uint8
    assert pairs.originals[:, 0, 0, 0].tolist() == [0, 10, 20, 30, 40, 50, 60]
    assert torch.equal(pairs.holes, sample_hole_masks("mat-large", 7, 16, 3) > 0)


def test_an_image_keeps_its_mask_whatever_the_count(data):
    whole, part = make_pairs(data, 16, "paper", 0), make_pairs(data, 16, "paper", 0, count=3)
    assert part.names == ("a", "c", "e"), "evenly spaced"
    chosen = [whole.names.index(name) for name in part.names]
    assert torch.equal(part.holes, whole.holes[chosen])
    assert torch.equal(part.originals, whole.originals[chosen])
    assert make_pairs(data, 16, "paper", 0, count=99).names == whole.names


def test_other_methods_find_images_and_masks_on_disk(data, tmp_path):
    pairs = make_pairs(data, 16, "paper", 0, count=3)
    for _ in range(2):  # a second run of the same evaluation is welcome
        write_pairs(pairs, tmp_path / "pairs")
    for name, original, hole in zip(pairs.names, pairs.originals, pairs.holes, strict=True):
        image = Image.open(tmp_path / "pairs" / "pictures" / f"{name}.png")
        mask = Image.open(tmp_path / "pairs" / "masks" / f"{name}.png")
        assert np.array_equal(np.array(image), original.movedim(0, -1).numpy())
        assert np.array_equal(np.array(mask), 255 * hole[0].numpy())
    with pytest.raises(InputError, match="such as c"):
        write_pairs(make_pairs(data, 16, "paper", 0, count=4), tmp_path / "pairs")
    with pytest.raises(InputError, match="masks to be empty"):
        write_pairs(make_pairs(data, 16, "paper", 1, count=3), tmp_path / "pairs")


def test_names_that_differ_only_in_case_are_refused(data):
    Image.new("RGB", (32, 32)).save(data / "B.jpg")
    with pytest.raises(InputError, match=r"B twice|b twice"):
        make_pairs(data, 16, "paper", 0)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((8, "paper", 0), "resolution"),
        ((48, "paper", 0), "power of two"),
        ((16, "papier", 0), "did you mean 'paper'"),
        ((16, "paper", 0, 2), "at least 3 images"),
    ],
)
def test_unusable_protocols(data, arguments, words):
    with pytest.raises(InputError, match=f"(?i){words}"):
        make_pairs(data, *arguments)
