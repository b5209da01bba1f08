import math

import numpy as np
import pytest
import torch
from crop_samples import hole_box, images_with_holes, whole
from hypothesis import given, settings
from hypothesis import strategies as st

from diverse_inpainting.core.crops import fit_crop
from diverse_inpainting.core.errors import InputError
from diverse_inpainting.core.geometry import (
    erase,
    extract,
    place_completed,
)
from diverse_inpainting.core.image import image_to_unit_bchw, unit_to_network
from diverse_inpainting.core.square_crop import SquareCrop
from tolerances import assert_close

few = settings(max_examples=40, deadline=None, derandomize=True)


def random_image(batch, height, width, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(batch, 3, height, width, generator=generator)


@st.composite
def any_crops(draw):
    """A size and any square that meets the image."""
    height, width, side = (
        draw(st.integers(1, 40)),
        draw(st.integers(1, 40)),
        draw(st.integers(1, 60)),
    )
    top = draw(st.integers(1 - side, height - 1))
    return SquareCrop(top, draw(st.integers(1 - side, width - 1)), side, height, width)


@few
@given(any_crops(), st.integers(1, 24))
def test_a_placed_completion_fills_its_box_and_overshoots_nowhere(crop, resolution):
    completed = random_image(1, resolution, resolution)[0]
    placed = place_completed(completed, crop)
    assert (
        placed.shape == random_image(1, crop.height, crop.width)[(0, ..., *crop.image_area)].shape
    )
    for plane, whole_plane in zip(placed, completed, strict=True):
        assert whole_plane.min() <= plane.min() and plane.max() <= whole_plane.max()


@few
@given(any_crops())
def test_extract_and_place_undo_each_other_without_resizing(crop):
    image = random_image(1, crop.height, crop.width)
    erased, valid = extract(image, torch.ones_like(image[:, :1]), (crop,), crop.side)
    assert torch.equal(place_completed(erased[0], crop), image[(0, ..., *crop.image_area)])
    expected = torch.zeros(1, 1, crop.side, crop.side)
    expected[(0, 0, *crop.square_area)] = 1.0
    assert torch.equal(valid, expected)


@few
@given(images_with_holes(), st.integers(1, 32), st.integers(0, 99))
def test_erased_pixels_never_bleed(hole_and_crop, resolution, seed):
    hole, crop = hole_and_crop
    valid = 1.0 - hole[None]
    image = random_image(1, *hole.shape[1:])
    other = torch.where(valid > 0, image, random_image(1, *hole.shape[1:], seed + 1) * 1e6 - 5e5)
    first, second = (extract(one, valid, (crop,), resolution) for one in (image, other))
    assert first[0].numpy().tobytes() == second[0].numpy().tobytes()
    assert torch.equal(first[1], second[1])


@pytest.mark.parametrize("resolution", [4, 10, 25])
def test_erased_pixels_may_even_be_nan(resolution):
    image, valid = random_image(1, 10, 10), torch.ones(1, 1, 10, 10)
    valid[..., 3:6, 2:7] = 0.0
    broken = torch.where(valid > 0, image, math.nan)
    expected, _ = extract(image, valid, (whole(10, 10),), resolution)
    assert torch.equal(extract(broken, valid, (whole(10, 10),), resolution)[0], expected)


def test_a_square_image_of_side_r_is_taken_and_returned_bit_for_bit():
    image, completed = random_image(2, 16, 16), random_image(2, 16, 16, seed=1)
    valid = (random_image(2, 16, 16, seed=2)[:, :1] > 0.5).float()
    crops = (whole(16, 16),) * 2
    erased, small_valid = extract(image, valid, crops, 16)
    assert torch.equal(erased, image * valid)
    assert torch.equal(small_valid, valid)
    for index, crop in enumerate(crops):
        assert torch.equal(place_completed(completed[index], crop), completed[index])


def oracle(image, valid, resolution):
    """Resize with a triangle filter as wide as a pixel of the result, in float64, per pixel."""
    side = image.shape[-1]
    scale = side / resolution
    width = max(scale, 1.0)
    rows = np.zeros((resolution, side))
    for i in range(resolution):
        centre = (i + 0.5) * scale
        for j in range(side):
            rows[i, j] = max(0.0, 1.0 - abs(j + 0.5 - centre) / width)
        rows[i] /= rows[i].sum()
    weight = rows @ valid @ rows.T
    known = weight > 0.5
    mean = rows @ (image * valid) @ rows.T / np.where(known, weight, 1.0)
    return np.where(known, mean, 0.0), known


@pytest.mark.parametrize(("side", "resolution"), [(37, 16), (48, 8), (11, 16), (1, 4), (9, 1)])
def test_extract_is_the_mean_of_the_valid_pixels_only(side, resolution):
    image = random_image(1, side, side)
    valid = torch.ones(1, 1, side, side)
    valid[..., side // 3 : side // 2 + 1, side // 4 :] = 0.0 if side > 1 else 1.0
    erased, small_valid = extract(image, valid, (whole(side, side),), resolution)
    for channel in range(3):
        mean, known = oracle(
            image[0, channel].double().numpy(), valid[0, 0].double().numpy(), resolution
        )
        assert np.array_equal(small_valid[0, 0].numpy() > 0, known)
        assert_close(erased[0, channel], torch.from_numpy(mean))


def test_a_constant_image_stays_constant_up_to_the_hole_and_the_border():
    image = torch.full((1, 3, 30, 50), 0.7)
    valid = torch.ones(1, 1, 30, 50)
    valid[..., 10:20, 15:40] = 0.0
    erased, small_valid = extract(image, valid, (whole(30, 50),), 20)
    assert 0 < small_valid.mean() < 0.6
    assert_close(erased, 0.7 * small_valid.expand_as(erased))


def test_the_erased_share_survives_resizing():
    valid = torch.ones(1, 1, 96, 96)
    valid[..., 13:57, 21:80] = 0.0
    _, small_valid = extract(random_image(1, 96, 96), valid, (whole(96, 96),), 32)
    assert small_valid.mean().item() == pytest.approx(valid.mean().item(), abs=0.02)


def test_an_all_erased_image_gives_zeros():
    image = torch.full((1, 3, 10, 12), math.nan)
    for resolution in (4, 12, 30):
        erased, valid = extract(image, torch.zeros(1, 1, 10, 12), (whole(10, 12),), resolution)
        assert erased.abs().max() == 0.0
        assert valid.max() == 0.0


def test_each_image_of_a_batch_has_its_own_crop():
    image = random_image(2, 80, 100)
    holes = torch.stack(
        [hole_box(80, 100, (0, 20), (0, 20)), hole_box(80, 100, (60, 80), (80, 100))]
    )
    crops = tuple(fit_crop(hole, "hole", 0.0) for hole in holes)
    assert crops == (SquareCrop(0, 0, 64, 80, 100), SquareCrop(16, 36, 64, 80, 100))
    together, _ = extract(image, 1 - holes, crops, 16)
    for index in range(2):
        one = slice(index, index + 1)
        alone, _ = extract(image[one], 1 - holes[one], crops[one], 16)
        assert torch.equal(together[one], alone)


def test_pasting_shifts_nothing():
    # A ramp is what linear filters keep, half a pixel's shift would change it by 0.5 / 64.
    ramp = (torch.arange(16) + 0.5).div(16).expand(1, 3, 16, 16)
    result = place_completed(ramp[0], whole(64, 64))
    expected = (torch.arange(64) + 0.5).div(64)
    assert (result[0, 30, 12:52] - expected[12:52]).abs().max() < 1e-4


def test_erase_prepares_any_public_layout():
    image = random_image(2, 20, 30).movedim(1, -1)
    mask = torch.zeros(20, 30)
    mask[5:12, 8:20] = 0.9
    erased = erase(image, mask, 30)
    assert torch.equal(erased.original.movedim(1, -1), image)
    assert torch.equal(erased.hole_mask, mask.ceil().expand(2, 1, 20, 30))
    assert erased.erased.shape == (2, 3, 30, 30)
    area = (..., *erased.crops[0].square_area)
    assert torch.equal(erased.valid[area], (mask < 0.5).float().expand(2, 1, 20, 30))
    expected = unit_to_network(image_to_unit_bchw(image)) * (mask < 0.5)
    assert torch.equal(erased.erased[area], expected)
    assert erased.erased[:, :, :5].abs().max() == 0.0


@pytest.mark.parametrize("mode", ["picture", "hole"])
def test_one_image_with_many_masks_some_of_them_empty(mode):
    image, masks = torch.rand(1, 20, 30, 3), torch.zeros(3, 20, 30)
    masks[0, 2:5], masks[2, :, 7:9] = 1, 1
    erased = erase(image, masks, 30, crop_mode=mode)
    assert torch.equal(erased.original, image.movedim(-1, 1).expand(3, -1, -1, -1))
    assert torch.equal(erased.hole_mask[:, 0], masks)
    area = erased.crops[1].square_area
    assert erased.crops[1].side == 30
    assert erased.valid[(1, 0, *area)].min() == 1
    alone = erase(image, masks[2], 30, crop_mode=mode)
    assert torch.equal(erased.erased[2], alone.erased[0])


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (200, 3)])
def test_extreme_sizes(size):
    erased = erase(torch.rand(1, *size, 3), torch.ones(1, *size), 8, crop_mode="hole")
    assert erased.valid.max() == 0.0
    result = place_completed(torch.full((3, 8, 8), 0.25), erased.crops[0])
    assert result.shape == (3, *size)
    assert_close(result, torch.full_like(result, 0.25))


def test_shapes_that_disagree_are_refused():
    image, crops = torch.zeros(2, 3, 8, 8), (whole(8, 8),) * 2
    with pytest.raises(InputError, match="one crop of the same size"):
        extract(image, torch.ones(1, 1, 8, 8), crops, 4)
    with pytest.raises(InputError, match="one crop of the same size"):
        extract(image, torch.ones(2, 1, 8, 8), (whole(8, 9),) * 2, 4)


def test_erased_images_are_readable_as_text():
    hole = torch.zeros(1, 40, 60)
    hole[:, 10:30, 10:30] = 1
    text = str(erase(torch.rand(1, 40, 60, 3), hole, 16))
    assert text.startswith("erased: 1 image of 60 x 40 px, 17% to be filled\nsquare of ")
    assert text.count("\n") == 1
