"""Hole masks: layouts, levels, and which of them erase something."""

import logging

import pytest
import torch

from diverse_inpainting.core.errors import InputError
from diverse_inpainting.core.hole_masks import hole_mask_to_b1hw, num_hole_masks, valid_mask
from tolerances import assert_close

HEIGHT, WIDTH = 6, 5


def square_hole(*shape, dtype=torch.float32):
    mask = torch.zeros(shape, dtype=dtype)
    mask[..., 1:3, 1:3] = 1
    return mask


@pytest.mark.parametrize(
    "shape",
    [
        (HEIGHT, WIDTH),
        (2, HEIGHT, WIDTH),
        (2, 1, HEIGHT, WIDTH),
        (2, HEIGHT, WIDTH, 1),
        (1, HEIGHT, WIDTH),
        (1, 1, HEIGHT, WIDTH),
    ],
)
def test_every_mask_layout_becomes_b1hw(shape):
    mask = square_hole(HEIGHT, WIDTH)
    hole = hole_mask_to_b1hw(
        mask.expand(shape) if shape[-1] != 1 else mask.expand(shape[:-1])[..., None],
        2,
        HEIGHT,
        WIDTH,
    )
    assert torch.equal(hole, mask.expand(2, 1, HEIGHT, WIDTH))
    assert hole.dtype == torch.float32


@pytest.mark.parametrize(("dtype", "on"), [(torch.bool, 1), (torch.uint8, 1), (torch.uint8, 255)])
def test_binary_masks_of_other_types(dtype, on):
    mask = (square_hole(HEIGHT, WIDTH) * on).to(dtype)
    assert torch.equal(hole_mask_to_b1hw(mask, 1, HEIGHT, WIDTH)[0, 0], square_hole(HEIGHT, WIDTH))


@pytest.mark.parametrize("size", [(7, 1), (1, 7), (1, 1)])
def test_masks_of_images_one_pixel_wide(size):
    for shape in ((1, 1, *size), (1, *size, 1)):
        assert hole_mask_to_b1hw(torch.ones(shape), 1, *size).shape == (1, 1, *size)


def test_each_mask_stays_with_its_image():
    masks = torch.stack([square_hole(4, 4), 1 - square_hole(4, 4)])
    assert torch.equal(hole_mask_to_b1hw(masks, 2, 4, 4)[:, 0], masks)


def test_soft_masks_stay_soft_and_the_encoder_sees_a_threshold():
    mask = torch.tensor([[0.0, 0.49, 0.5, 0.51, 1.0]])
    hole = hole_mask_to_b1hw(mask, 1, 1, 5)
    assert_close(hole[0, 0], torch.tensor([[0.0, 0.4875, 0.5, 0.5125, 1.0]]))
    assert valid_mask(hole).flatten().tolist() == [1.0, 1.0, 0.0, 0.0, 0.0]
    assert valid_mask(hole).dtype == torch.float32


def test_a_mask_of_the_same_proportions_is_resized():
    mask = torch.zeros(10, 20)
    mask[:, 10:] = 1.0
    hole = hole_mask_to_b1hw(mask, 1, 30, 60)[0, 0]
    assert torch.equal(hole[:, :29], torch.zeros(30, 29))
    assert torch.equal(hole[:, 31:], torch.ones(30, 29))
    assert hole_mask_to_b1hw(mask, 1, 5, 10)[0, 0, :, 6:].min() == 1.0


def test_a_full_mask_of_another_size_stays_in_range():
    hole = hole_mask_to_b1hw(torch.ones(100, 101), 1, 37, 37)
    assert hole.max() <= 1.0
    assert hole.min() > 0.999


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (torch.zeros(1, 64, 64), "paint a mask"),
        (torch.zeros(8, 8), "erases nothing"),
        (torch.full((8, 8), 0.3), "0.3.*0.5 or more"),
        (torch.zeros(2, 8, 8), "None of the 2 hole masks erases anything: it is all zeros"),
        (torch.ones(8, 9), "9 x 8"),
        (torch.ones(3, 8, 8), "3 hole masks"),
        (torch.ones(2, 8, 8, 3), "Convert Image to Mask"),
        (torch.full((8, 8), float("nan")), "NaN"),
        (torch.full((8, 8), 255.0), "values from 255"),
        (torch.ones(8, 8, dtype=torch.int64), "int64"),
        (torch.ones(0, 8), "empty shape"),
        (None, "NoneType"),
    ],
)
def test_unusable_masks_are_refused(mask, message):
    with pytest.raises(InputError, match=message):
        hole_mask_to_b1hw(mask, 2, 8, 8)


def test_a_line_that_vanishes_in_resizing_is_refused():
    mask = torch.zeros(80, 80)
    mask[40, :] = 1.0
    with pytest.raises(InputError, match="8 x 8 pixels"):
        hole_mask_to_b1hw(mask, 1, 8, 8)


def test_a_64_px_image_may_have_an_empty_64_px_mask_message_of_its_own():
    with pytest.raises(InputError, match="erases nothing"):
        hole_mask_to_b1hw(torch.zeros(1, 64, 64), 1, 64, 64)


def test_black_that_is_not_0_touches_nothing(caplog):
    noisy = torch.full((8, 8), 16 / 255)  # the black and white of video
    noisy[2:5, 2:5] = 235 / 255
    with caplog.at_level(logging.WARNING):
        hole = hole_mask_to_b1hw(noisy, 1, 8, 8)
    expected = torch.zeros(8, 8)
    expected[2:5, 2:5] = 1
    assert torch.equal(hole[0, 0], expected)
    assert "86 % of its pixels, up to 0.06, were taken as 0" in caplog.text


def test_levels_are_stretched_without_a_step(caplog):
    levels = torch.arange(1001)[None] / 1000
    with caplog.at_level(logging.WARNING):
        hole = hole_mask_to_b1hw(levels, 1, 1, 1001)[0, 0, 0]
    assert hole[:101].max() < 1e-6
    assert hole[900:].min() > 1 - 1e-6
    assert hole.diff().max() < 0.0013
    assert hole[500] >= 0.5 > hole[499]
    assert "up to 0.10" in caplog.text


def test_a_mask_that_erases_nothing_leaves_its_image_alone(caplog):
    masks = torch.stack([square_hole(8, 8), torch.full((8, 8), 0.3)])
    with caplog.at_level(logging.WARNING):
        hole = hole_mask_to_b1hw(masks, 2, 8, 8)
    assert torch.equal(hole[0, 0], masks[0])
    assert hole[1].max() == 0
    assert "hole mask 1 of 2 erases nothing: its image stays as it is" in caplog.text


@pytest.mark.parametrize(
    ("shape", "num"), [((8, 9), 1), ((3, 8, 9), 3), ((4, 1, 8, 9), 4), ((2, 8, 9, 1), 2)]
)
def test_masks_are_counted_in_every_layout(shape, num):
    assert num_hole_masks(torch.ones(shape), 8, 9) == num
