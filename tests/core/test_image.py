"""Ranges and layouts of images."""

import pytest
import torch

from diverse_inpainting.core.errors import InputError
from diverse_inpainting.core.image import (
    image_to_bhwc,
    image_to_uint8,
    image_to_unit_bchw,
    network_to_uint8,
    network_to_unit,
    uint8_to_network,
    uint8_to_unit,
    unit_to_network,
)
from tolerances import assert_close

HEIGHT, WIDTH = 6, 5


def random_image(generator, *shape):
    return torch.rand(shape or (2, HEIGHT, WIDTH, 3), generator=generator)


def test_the_three_ranges_meet_in_the_same_numbers():
    levels = torch.arange(256, dtype=torch.uint8)
    # To the last bit, or trainings would part from those of earlier versions.
    assert torch.equal(uint8_to_network(levels), levels.float() / 127.5 - 1)
    assert torch.equal(uint8_to_unit(levels), (levels.double() / 255).float())
    assert torch.equal(network_to_uint8(uint8_to_network(levels)), levels)
    assert unit_to_network(torch.tensor([0.0, 0.25, 1.0])).tolist() == [-1.0, -0.5, 1.0]
    assert network_to_unit(torch.tensor([-3.0, -1.0, 0.0, 3.0])).tolist() == [0, 0, 0.5, 1]
    assert network_to_uint8(torch.tensor([-3.0, 0.0, 0.01, 3.0])).tolist() == [0, 128, 129, 255]


def test_layout_and_range(generator):
    image = random_image(generator)
    bchw = image_to_unit_bchw(image)
    assert bchw.shape == (2, 3, HEIGHT, WIDTH)
    assert bchw.dtype == torch.float32
    assert_close(bchw[1, 2, 3, 4], image[1, 3, 4, 2].double())


@pytest.mark.parametrize(
    ("shape", "bhwc_shape"),
    [
        ((4, 5), (1, 4, 5, 1)),
        ((1, 1), (1, 1, 1, 1)),
        ((4, 5, 1), (1, 4, 5, 1)),
        ((4, 5, 3), (1, 4, 5, 3)),
        ((4, 5, 4), (1, 4, 5, 4)),
        ((2, 4, 5, 1), (2, 4, 5, 1)),
        ((2, 4, 5, 4), (2, 4, 5, 4)),
    ],
)
def test_every_image_layout_becomes_bchw(generator, shape, bhwc_shape):
    image = random_image(generator, *shape)
    bchw = image.reshape(bhwc_shape).permute(0, 3, 1, 2)
    expected = bchw.repeat(1, 3, 1, 1) if bchw.shape[1] == 1 else bchw[:, :3]
    assert torch.equal(image_to_unit_bchw(image), expected)


def test_values_within_the_range_keep_their_bits(generator):
    image = torch.cat(
        [random_image(generator, 1, 8, 8, 3), torch.arange(192).reshape(1, 8, 8, 3) / 255]
    )
    assert torch.equal(image_to_unit_bchw(image).permute(0, 2, 3, 1), image)


def test_uint8_is_divided_exactly():
    levels = torch.arange(256, dtype=torch.uint8).reshape(16, 16)
    expected = torch.arange(256).reshape(16, 16).double().div(255).float()
    assert torch.equal(image_to_unit_bchw(levels)[0, 0], expected)


def test_a_slight_overshoot_is_cut_off():
    image = torch.tensor([[-0.009, 1.009]])
    assert image_to_unit_bchw(image)[0, 0].tolist() == [[0.0, 1.0]]


def test_half_precision_and_strided_images(generator):
    image = random_image(generator, 2, WIDTH, HEIGHT, 3).transpose(1, 2).half()
    assert torch.equal(image_to_unit_bchw(image).permute(0, 2, 3, 1), image.float())


def test_eight_bit_levels_survive_the_round_trip():
    levels = torch.arange(256, dtype=torch.uint8).reshape(1, 16, 16, 1).expand(-1, -1, -1, 3)
    bhwc = image_to_bhwc(unit_to_network(image_to_unit_bchw(levels)))
    assert torch.equal((bhwc * 255).round().to(torch.uint8), levels)
    assert bhwc.is_contiguous()


def test_image_to_bhwc_clamps_what_the_network_overshoots():
    bchw = torch.tensor([-3.0, -1.0, 0.0, 1.0, 3.0]).reshape(1, 1, 1, 5).expand(-1, 3, -1, -1)
    assert image_to_bhwc(bchw)[0, 0, :, 0].tolist() == [0.0, 0.0, 0.5, 1.0, 1.0]
    assert bchw[0, 0, 0, 0] == -3.0


def test_image_to_uint8_takes_the_nearest_level():
    values = torch.tensor([-0.004, 0.0, 0.49 / 255, 0.51 / 255, 254.6 / 255, 1.0, 1.005])
    assert image_to_uint8(values).tolist() == [0, 0, 0, 1, 255, 255, 255]
    levels = torch.arange(256, dtype=torch.uint8)
    assert torch.equal(image_to_uint8(levels), levels)
    assert torch.equal(image_to_uint8(levels / 255), levels)
    assert torch.equal(image_to_uint8((levels / 255).double()), levels)


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (torch.zeros(3, 8, 8), r"\(3, 8, 8\)"),
        (torch.zeros(2, 8, 8, 2), "1, 3 or 4 channels"),
        (torch.zeros(8), "an image of shape"),
        (torch.zeros(0, 4, 4, 3), "empty shape"),
        (torch.full((4, 4, 3), float("nan")), "NaN"),
        (torch.full((4, 4, 3), float("inf")), "NaN or infinite"),
        (torch.full((4, 4, 3), -1.0), "values from -1 to -1"),
        (torch.full((4, 4, 3), 1.02), "Divide by 255"),
        (torch.zeros(4, 4, 3, dtype=torch.int64), "int64"),
        ([[0.0]], "torch tensor"),
    ],
)
def test_unusable_images_are_refused(image, message):
    with pytest.raises(InputError, match=message):
        image_to_unit_bchw(image)
