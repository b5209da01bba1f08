"""Image files: alpha as the hole, masks, names, and exact writing."""

import os

import numpy as np
import pytest
import torch
from PIL import Image

from diverse_inpainting.core.errors import InputError
from diverse_inpainting.core.image_files import (
    read_image,
    to_pil,
    write_png,
)
from image_samples import random_pixels, save, unit


def test_an_eight_bit_image_is_read_exactly(tmp_path):
    array = random_pixels()
    path = save(tmp_path, Image.fromarray(array))
    content = read_image(path)
    assert torch.equal(content.image, unit(array)[None])
    assert content.alpha is None
    assert content.hole_mask is None
    assert content.path == path


def test_every_level_survives_reading_and_writing(tmp_path):
    array = np.arange(256, dtype=np.uint8).reshape(16, 16, 1).repeat(3, axis=2)
    first = read_image(save(tmp_path, Image.fromarray(array))).image[0]
    write_png(tmp_path / "again.png", first)
    assert np.array_equal(np.asarray(Image.open(tmp_path / "again.png")), array)


@pytest.mark.parametrize(("mode", "channels"), [("RGBA", 4), ("LA", 2)])
def test_alpha_is_the_hole(tmp_path, mode, channels):
    array = random_pixels(channels=channels)
    array[0, 0, -1], array[1, 1, -1] = 0, 255
    path = save(tmp_path, Image.fromarray(array, mode=mode))
    content = read_image(path)
    assert torch.equal(content.alpha, unit(array[..., -1])[None])
    assert torch.equal(content.hole_mask, 1 - content.alpha)
    # The colour under transparent pixels is kept: a mask made elsewhere may want it.
    assert torch.equal(content.image[0, ..., 0], unit(array[..., 0]))


def test_what_is_no_file_is_named(tmp_path):
    with pytest.raises(InputError, match="No such file"):
        read_image(tmp_path / "absent.png")
    with pytest.raises(InputError, match="is a folder"):
        read_image(str(tmp_path))


def test_write_png_rounds_to_the_nearest_level(tmp_path):
    path = tmp_path / "out.png"
    values = torch.tensor([0.0, 0.49 / 255, 0.51 / 255, 254.6 / 255, 1.0, 1.005]).reshape(1, 6, 1)
    write_png(path, values)
    assert np.asarray(Image.open(path)).tolist() == [[0, 0, 1, 255, 255, 255]]


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_write_png_takes_uint8_and_every_channel_count(tmp_path, channels):
    array = random_pixels(channels=channels)
    write_png(tmp_path / "out.PNG", torch.from_numpy(array))
    assert np.array_equal(np.asarray(Image.open(tmp_path / "out.PNG")), array.squeeze())


def test_write_png_replaces_a_file_and_leaves_nothing_else(tmp_path):
    path = tmp_path / "out.png"
    path.write_bytes(b"old")
    write_png(path, torch.zeros(4, 4, 3))
    assert [entry.name for entry in tmp_path.iterdir()] == ["out.png"]
    assert Image.open(path).size == (4, 4)


def test_write_png_takes_pillow_images_and_text(tmp_path):
    image = Image.fromarray(random_pixels())
    write_png(tmp_path / "out.png", image, {"made by": "a test"})
    with Image.open(tmp_path / "out.png") as written:
        assert written.text == {"made by": "a test"}
        assert np.array_equal(np.asarray(written), np.asarray(image))


def test_a_failed_write_keeps_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "out.png"
    path.write_bytes(b"old")

    def full_disk(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full_disk)
    with pytest.raises(InputError, match="No space left on device"):
        write_png(path, torch.zeros(4, 4, 3))
    assert path.read_bytes() == b"old"
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize(
    ("name", "image", "message"),
    [
        ("out.jpg", torch.zeros(4, 4, 3), "ends in .png"),
        ("absent/out.png", torch.zeros(4, 4, 3), "folder exists"),
        ("out.png", torch.zeros(1, 4, 4, 3), r"\(1, 4, 4, 3\)"),
        ("out.png", torch.zeros(4, 4, 2), "1, 3 or 4 channels"),
        ("out.png", torch.full((4, 4, 3), 2.0), "values from 2 to 2"),
        ("out.png", torch.full((4, 4, 3), float("nan")), "NaN"),
    ],
)
def test_write_png_refuses_what_it_cannot_write(tmp_path, name, image, message):
    with pytest.raises(InputError, match=message):
        write_png(tmp_path / name, image)
    assert not list(tmp_path.iterdir())


def test_to_pil_keeps_levels():
    array = random_pixels()
    assert np.array_equal(np.asarray(to_pil(unit(array))), array)
    assert to_pil(torch.zeros(4, 6)).size == (6, 4)
    image = Image.new("L", (3, 3))
    assert to_pil(image) is image
