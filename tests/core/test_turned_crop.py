import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from diverse_inpainting.core.errors import InputError
from diverse_inpainting.core.geometry import extract, place_completed
from diverse_inpainting.core.square_crop import SquareCrop
from diverse_inpainting.core.turned_crop import TurnedCrop
from tolerances import PIXEL, assert_close

few = settings(max_examples=40, deadline=None, derandomize=True)


def random_image(height, width, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(3, height, width, generator=generator)


def smooth_image(height, width):
    y, x = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
    return torch.stack([0.5 + 0.4 * torch.sin(x / 19), 0.5 + 0.4 * torch.cos(y / 23), x / width])


@st.composite
def turned_crops(draw):
    height, width = draw(st.integers(1, 60)), draw(st.integers(1, 60))
    return TurnedCrop(
        draw(st.floats(0, width)),
        draw(st.floats(0, height)),
        draw(st.integers(1, 70)),
        draw(st.floats(-180, 180)),
        height,
        width,
    )


@pytest.mark.parametrize(("angle", "turns"), [(0.0, 0), (90.0, 1), (180.0, 2), (-90.0, 3)])
@pytest.mark.parametrize("side", [7, 10])
def test_quarter_turns_are_those_of_rot90(angle, turns, side):
    """Tilted clockwise by 90 degrees, content becomes upright by a turn anticlockwise."""
    image = random_image(20, 24)
    crop = TurnedCrop(6 + side / 2, 4 + side / 2, side, angle, 20, 24)
    square = torch.stack([crop.upright(plane) for plane in image[(slice(None), *crop.image_area)]])
    assert_close(square, image[:, 4 : 4 + side, 6 : 6 + side].rot90(turns, (1, 2)))
    back = torch.stack([crop.lay_back(plane) for plane in square])
    assert_close(back, image[:, 4 : 4 + side, 6 : 6 + side])


def test_without_a_turn_it_agrees_with_the_square_crop():
    image, valid = random_image(40, 50), (random_image(40, 50, 1)[:1] > 0.3).float()
    square, turned = SquareCrop(-3, 20, 34, 40, 50), TurnedCrop(37.0, 14.0, 34, 0.0, 40, 50)
    assert turned.image_area == square.image_area
    for resolution in (16, 34, 50):
        pairs = [extract(image[None], valid[None], (c,), resolution) for c in (square, turned)]
        assert torch.equal(pairs[0][1], pairs[1][1])
        assert_close(pairs[1][0], pairs[0][0])
        completed = random_image(resolution, resolution, 2)
        assert_close(place_completed(completed, turned), place_completed(completed, square))


@few
@given(turned_crops(), st.integers(1, 24), st.integers(0, 99))
def test_erased_pixels_never_bleed(crop, resolution, seed):
    image = random_image(crop.height, crop.width)[None]
    valid = (random_image(crop.height, crop.width, seed)[None, :1] > 0.4).float()
    for other in (torch.full_like(image, math.nan), image * 1e6 - 5e5):
        changed = torch.where(valid > 0, image, other)
        first, second = (extract(one, valid, (crop,), resolution) for one in (image, changed))
        assert first[0].numpy().tobytes() == second[0].numpy().tobytes()
        assert torch.equal(first[1], second[1])


@few
@given(turned_crops(), st.integers(1, 24))
def test_a_constant_stays_constant_and_the_box_has_its_size(crop, resolution):
    image = torch.full((1, 3, crop.height, crop.width), 0.25)
    erased, valid = extract(image, torch.ones_like(image[:, :1]), (crop,), resolution)
    assert_close(erased, 0.25 * valid.expand_as(erased))
    rows, columns = crop.image_area
    placed = place_completed(torch.full((3, resolution, resolution), 0.75), crop)
    assert placed.shape == (3, rows.stop - rows.start, columns.stop - columns.start)
    assert_close(placed, torch.full_like(placed, 0.75))
    assert crop.inset("cpu").shape == placed.shape[1:]


@pytest.mark.parametrize("angle", [-33.0, 12.5, 140.0])
@pytest.mark.parametrize("resolution", [64, 128])
def test_there_and_back_is_the_image_again(angle, resolution):
    image = smooth_image(200, 240)
    crop = TurnedCrop(117.3, 96.8, 96, angle, 200, 240)
    erased, valid = extract(image[None], torch.ones(1, 1, 200, 240), (crop,), resolution)
    assert valid.min() == 1
    inside = crop.inset("cpu") > 3
    original = image[(slice(None), *crop.image_area)]
    assert ((place_completed(erased[0], crop) - original)[:, inside]).abs().max() < PIXEL


def test_a_point_is_where_the_turn_puts_it():
    """A dot a quarter of the side right of the centre, turned clockwise by 30 degrees."""
    image = torch.zeros(1, 1, 101, 101)
    x, y = 50.5 + 20 * math.cos(math.pi / 6), 50.5 + 20 * math.sin(math.pi / 6)
    image[0, 0, int(y), int(x)] = 1
    crop = TurnedCrop(50.5, 50.5, 80, 30.0, 101, 101)
    square, _ = extract(image, torch.ones_like(image), (crop,), 80)
    assert divmod(int(square.flatten().argmax()), 80) in [
        (r, c) for r in (39, 40) for c in (59, 60)
    ]


def test_a_large_square_is_averaged_not_picked():
    stripes = (torch.arange(800) % 2).float().expand(800, 800)
    crop = TurnedCrop(400.0, 400.0, 512, 45.0, 800, 800)
    small, _ = extract(stripes[None, None], torch.ones(1, 1, 800, 800), (crop,), 16)
    assert_close(small, torch.full_like(small, 0.5), 0.02)


def test_bands_are_one_plane():
    plane = smooth_image(700, 700)[0]
    crop = TurnedCrop(350.0, 350.0, 600, 20.0, 700, 700)
    square = crop.upright(plane[crop.image_area])
    y, x = torch.meshgrid(*(torch.arange(600) + 0.5 - 300,) * 2, indexing="ij")
    turn = math.radians(20)
    x, y = x * math.cos(turn) - y * math.sin(turn), x * math.sin(turn) + y * math.cos(turn)
    grid = torch.stack([x / 350, y / 350], -1)[None]
    assert_close(square, F.grid_sample(plane[None, None], grid, align_corners=False)[0, 0], 1e-4)


@few
@given(turned_crops())
def test_inset_is_the_distance_to_the_sides(crop):
    rows, columns = crop.image_area
    turn = math.radians(crop.angle)
    y = (torch.arange(rows.start, rows.stop)[:, None] + 0.5 - crop.centre_y).double()
    x = (torch.arange(columns.start, columns.stop)[None] + 0.5 - crop.centre_x).double()
    u, v = x * math.cos(turn) + y * math.sin(turn), y * math.cos(turn) - x * math.sin(turn)
    expected = crop.side / 2 - torch.maximum(u.abs(), v.abs())
    assert_close(crop.inset("cpu").double(), expected, 1e-4)


@pytest.mark.parametrize(
    "change", [{"side": 0}, {"centre_x": -1.0}, {"centre_y": 9.0}, {"angle": math.nan}]
)
def test_a_crop_meets_its_image(change):
    fields = {"centre_x": 4.0, "centre_y": 4.0, "side": 3, "angle": 5.0, "height": 8, "width": 8}
    with pytest.raises(InputError, match="crop's"):
        TurnedCrop(**{**fields, **change})
