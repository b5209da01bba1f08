"""Mask files: what varies in a file is its mask, and what is ambiguous is refused."""

import logging

import numpy as np
import pytest
import torch
from PIL import Image

from diverse_inpainting.core.errors import InputError
from diverse_inpainting.core.mask_files import read_mask
from image_samples import random_pixels, save, unit

BOX = np.zeros((12, 12), dtype=bool)
BOX[3:7, 4:9] = True


def rgba(colour, alpha, hidden=(0, 0, 0)):
    """The colour inside the box, `hidden` elsewhere; alpha inside and elsewhere."""
    array = np.empty((12, 12, 4), dtype=np.uint8)
    array[..., :3], array[..., 3] = hidden, alpha[1]
    array[BOX, :3], array[BOX, 3] = colour, alpha[0]
    return Image.fromarray(array)


def is_box(mask):
    return torch.equal(mask[0], torch.from_numpy(BOX).float())


def test_a_mask_file_is_white_where_it_fills(tmp_path):
    array = np.array([[0, 128, 255]], dtype=np.uint8)
    for image in (Image.fromarray(array), Image.fromarray(array).convert("RGBA")):
        assert torch.equal(read_mask(save(tmp_path, image))[0], unit(array))


@pytest.mark.parametrize("colour", [(255, 255, 255), (220, 30, 30)])
@pytest.mark.parametrize("hidden", [(0, 0, 0), (255, 255, 255), (255, 0, 255)])
def test_strokes_on_an_empty_layer_are_filled(tmp_path, caplog, colour, hidden):
    path = save(tmp_path, rgba(colour, (255, 0), hidden))
    with caplog.at_level(logging.WARNING):
        assert is_box(read_mask(path))
    assert f"{path} was read as strokes on an empty layer: what is opaque is filled" in caplog.text


def test_faint_strokes_keep_their_strength(tmp_path):
    mask = read_mask(save(tmp_path, rgba((255, 255, 255), (102, 0))))
    assert torch.equal(mask[0], torch.from_numpy(BOX).float() * (102 / 255))


def test_a_picture_with_a_transparent_hole_is_filled_there(tmp_path, caplog):
    array = random_pixels(12, 12, 4)
    array[..., 3] = np.where(BOX, 0, 255)
    with caplog.at_level(logging.WARNING):
        assert is_box(read_mask(save(tmp_path, Image.fromarray(array))))
    assert not caplog.records


def test_opaque_and_evenly_transparent_masks_are_read_by_brightness(tmp_path):
    for opacity in (255, 128):
        image = rgba((255, 255, 255), (opacity, opacity))
        assert is_box(read_mask(save(tmp_path, image)))


@pytest.mark.parametrize(
    ("image", "reason"),
    [
        (rgba((0, 0, 0), (255, 0)), "black and transparent"),
        (rgba((0, 0, 0), (0, 255)), "black and transparent"),
    ],
)
def test_what_can_be_read_in_two_ways_is_refused(tmp_path, image, reason):
    with pytest.raises(InputError, match=f"{reason}.*two ways. Save it in black and white"):
        read_mask(save(tmp_path, image))


def test_black_and_white_with_transparency_is_refused(tmp_path):
    array = np.asarray(rgba((255, 255, 255), (255, 255))).copy()
    array[0, :, 3] = 0
    with pytest.raises(InputError, match="black and white, and transparent in parts"):
        read_mask(save(tmp_path, Image.fromarray(array)))


@pytest.mark.parametrize("label", [1, 38])
def test_labels_are_filled_however_dark(tmp_path, caplog, label):
    image = Image.fromarray(np.where(BOX, label, 0).astype(np.uint8))
    with caplog.at_level(logging.WARNING):
        assert is_box(read_mask(save(tmp_path, image)))
    assert "was read as a label mask: its lighter part is filled" in caplog.text


def test_labels_of_a_palette_are_read_by_their_colours(tmp_path):
    image = Image.fromarray(BOX.astype(np.uint8), mode="P")
    image.putpalette([0, 0, 0, 128, 0, 0])
    assert is_box(read_mask(save(tmp_path, image)))


def test_sixteen_bit_labels(tmp_path):
    image = Image.fromarray(BOX.astype(np.uint16))
    assert is_box(read_mask(save(tmp_path, image)))


@pytest.mark.parametrize(
    ("levels", "remedy"),
    [((0, 10, 60), "save the label to fill by itself"), ((90, 200, 255), "part to keep black")],
)
def test_masks_of_low_contrast_are_refused(tmp_path, levels, remedy):
    image = Image.fromarray(np.array([levels], dtype=np.uint8))
    with pytest.raises(InputError, match=remedy):
        read_mask(save(tmp_path, image))
