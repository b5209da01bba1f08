"""Rasterised shapes against their definition, pixel centre by pixel centre."""

import numpy as np

from diverse_inpainting.core.rasterise import Shapes, rasterise


def test_rasterise_matches_the_definition_of_the_shapes():
    side = 37
    rng = np.random.default_rng(0)
    angle, centre, size = rng.uniform(0, 3, 6), rng.uniform(-0.1, 1.1, (6, 2)), rng.uniform(0, 0.4)
    axis = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    across = np.stack([-axis[:, 1], axis[:, 0]], axis=1) * 0.07
    corners = [size * axis + across, across - size * axis, -size * axis - across]
    quads = np.stack([*corners, size * axis - across], axis=1) + centre[:, None]
    discs = rng.uniform(0.02, 0.2, (5, 3))
    x, y = np.meshgrid((np.arange(side) + 0.5) / side, (np.arange(side) + 0.5) / side)
    expected = np.zeros((side, side), dtype=bool)
    for (cx, cy), direction in zip(centre, axis, strict=True):
        along = (x - cx) * direction[0] + (y - cy) * direction[1]
        beside = (x - cx) * direction[1] - (y - cy) * direction[0]
        expected |= (abs(along) <= size) & (abs(beside) <= 0.07)
    for cx, cy, radius in discs:
        expected |= (x - cx) ** 2 + (y - cy) ** 2 <= radius**2
    assert np.array_equal(rasterise(Shapes(quads, discs), side), expected)


def test_rasterise_of_flat_shapes_fills_only_pixel_centres_on_the_line():
    for level, num_pixels in ((0.2, 0), (3.5 / 16, 10)):
        flat = np.array([[[0.2, level], [0.8, level], [0.8, level], [0.2, level]]])
        assert rasterise(Shapes(flat, np.empty((0, 3))), 16).sum() == num_pixels
