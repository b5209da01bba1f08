"""Holes that solvers find hard, by name: functions of height and width to [h, w] bool."""

import torch

from diverse_inpainting.core.masks import sample_hole_masks


def _grid(height, width):
    return torch.arange(height)[:, None], torch.arange(width)[None]


def _box(height, width):
    row, column = _grid(height, width)
    return (row > 9) & (row < height - 20) & (column > 20) & (column < width - 9)


def _border(height, width):
    """All but one column: the hole has three borders of the image."""
    row, column = _grid(height, width)
    return (column > 0) & (row >= 0)


def _islands(period):
    """One valid pixel in each square."""

    def draw(height, width):
        row, column = _grid(height, width)
        return ~((row % period == period // 2) & (column % period == period // 2))

    return draw


def _one_valid_pixel(height, width):
    hole = torch.ones(height, width, dtype=torch.bool)
    hole[0, 0] = False
    return hole


def _one_pixel_holes(height, width):
    row, column = _grid(height, width)
    return (row % 3 == 1) & (column % 4 == 2)


def _checkerboard(height, width):
    row, column = _grid(height, width)
    return (row + column) % 2 == 0


def _thin_strokes(height, width):
    row, column = _grid(height, width)
    return ((row - column) % 9 == 0) | (row % 14 == 3)


def _rooms(height, width):
    """Two rooms that are joined by one pixel; only the lower one has a valid side."""
    row, column = _grid(height, width)
    wall = (row == height // 2) & (column != width // 3)
    below = (row > height // 2) & (column == width - 1)
    return ~(wall | below)


def _scattered(height, width):
    generator = torch.Generator().manual_seed(0)
    return torch.rand(height, width, generator=generator) < 0.97


def _scribbles(height, width):
    side = max(height, width)
    mask = sample_hole_masks("paper", 1, side, 1, (0.3, 0.7))[0, 0, :height, :width]
    return mask > 0


HOLES = {
    "box": _box,
    "border": _border,
    "islands 5": _islands(5),
    "islands 16": _islands(16),
    "one valid pixel": _one_valid_pixel,
    "one-pixel holes": _one_pixel_holes,
    "checkerboard": _checkerboard,
    "thin strokes": _thin_strokes,
    "rooms": _rooms,
    "scattered": _scattered,
    "scribbles": _scribbles,
}
