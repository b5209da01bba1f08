"""Boxes as holes, and squares of images around them."""

import torch
from hypothesis import strategies as st

from diverse_inpainting.core.crops import fit_crop


def hole_box(height, width, rows, columns):
    mask = torch.zeros(1, height, width)
    mask[:, slice(*rows), slice(*columns)] = 1.0
    return mask


def whole(height, width):
    return fit_crop(torch.ones(1, height, width), "picture", 0.0)


@st.composite
def images_with_holes(draw):
    """A size, a box inside it and a crop of either mode."""
    height, width = draw(st.integers(1, 90)), draw(st.integers(1, 90))
    top, left = draw(st.integers(0, height - 1)), draw(st.integers(0, width - 1))
    bottom, right = draw(st.integers(top + 1, height)), draw(st.integers(left + 1, width))
    mode, margin = draw(st.sampled_from(("picture", "hole"))), draw(st.floats(0.0, 2.0))
    hole = hole_box(height, width, (top, bottom), (left, right))
    return hole, fit_crop(hole, mode, margin)
