"""Close-ups of small holes: where they look, and how they are laid out."""

import numpy as np
import torch

from diverse_inpainting.core.close_ups import close_up, close_up_areas
from diverse_inpainting.core.contact_sheet import thumbnail

WHOLE = [(slice(0, 300), slice(0, 400))]


def mask_of(*boxes):
    mask = torch.zeros(300, 400)
    for rows, columns in boxes:
        mask[slice(*rows), slice(*columns)] = 1
    return mask


def test_large_holes_and_none_show_the_whole_image():
    for mask in (mask_of(), mask_of(((50, 160), (100, 210))), mask_of(((0, 300), (0, 400)))):
        assert close_up_areas(mask) == WHOLE


def test_a_small_hole_is_shown_with_its_surroundings():
    assert close_up_areas(mask_of(((100, 140), (200, 220)))) == [(slice(80, 160), slice(170, 250))]
    many = close_up_areas(mask_of(((100, 140), (300, 320)), ((0, 5), (0, 5))))
    assert many == [(slice(0, 64), slice(0, 64)), (slice(80, 160), slice(270, 350))]


def test_one_area_is_shrunk_to_a_cell_and_keeps_its_pixels_where_it_fits():
    image = torch.rand(600, 400, 3)
    part = image[10:110, 20:90]
    shown = np.asarray(close_up(image, [(slice(10, 110), slice(20, 90))]))
    assert np.array_equal(shown, (part * 255).round().to(torch.uint8).numpy())
    whole = [(slice(0, 600), slice(0, 400))]
    assert np.array_equal(np.asarray(close_up(image, whole)), np.asarray(thumbnail(image)))


def test_several_areas_stand_in_a_grid():
    image = torch.zeros(100, 1000, 3, dtype=torch.uint8)
    areas = [(slice(0, 50), slice(i * 200, i * 200 + 50)) for i in range(5)]
    for i, area in enumerate(areas):
        image[area] = 10 + 40 * i
    grid = np.asarray(close_up(image, areas))
    assert grid.shape == (2 * 85 - 2, 3 * 85 - 2, 3)
    centres = [grid[row * 85 + 40, column * 85 + 40, 0] for row in range(2) for column in range(3)]
    assert centres == [10, 50, 90, 130, 170, 255]
