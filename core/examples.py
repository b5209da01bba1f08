"""Bundled photographs of cats and holes for them: what demo, examples and first steps start from.

The licence is in the folder of the pictures.
"""

from pathlib import Path

import torch
from torch import Tensor

from .checks import check_choice
from .image_files import read_image
from .masks import sample_hole_masks

_FOLDER = Path(__file__).with_name("weights") / "pictures"

EXAMPLES = {
    "grey longhair": _FOLDER / "flickr_cat_000010.jpg",
    "tabby and white": _FOLDER / "pixabay_cat_000336.jpg",
    "tortoiseshell": _FOLDER / "pixabay_cat_001530.jpg",
    "grey shorthair": _FOLDER / "pixabay_cat_002642.jpg",
    "siamese": _FOLDER / "pixabay_cat_003671.jpg",
}
"""Files by name; names are permanent, because workflows store them."""

PHOTOGRAPH = EXAMPLES["grey longhair"]
"""Of the demo."""

EXAMPLE_MASKS = ("strokes", "box", "half")
"""A painted stroke over both eyes and a cheek, a box over the muzzle, the right half."""

# Chosen by eye on the first example: nose, mouth and ears stay.
_KIND, _SEED, _INDEX, _HOLE_RANGE = "paper", 7, 1, (0.2, 0.35)
_BOXES = {"box": (0.45, 0.88, 0.28, 0.72), "half": (0.0, 1.0, 0.5, 1.0)}  # top, bottom, left, right


def example_image(name: str) -> Tensor:
    """Return an example, [1, H, W, 3] float32 in [0, 1]; it is square.

    Raises:
        InputError: unknown name.
    """
    check_choice(name, "picture", EXAMPLES)
    return read_image(EXAMPLES[name]).image


def example_mask(kind: str, side: int) -> Tensor:
    """Return a hole mask for a square example, [1, side, side] float32, 1 = fill.

    Args:
        kind: one of `EXAMPLE_MASKS`.
        side: in pixels.

    Raises:
        InputError: unknown kind.
    """
    check_choice(kind, "mask", EXAMPLE_MASKS)
    if kind == "strokes":
        return sample_hole_masks(_KIND, 1, side, _SEED, _HOLE_RANGE, first=_INDEX)[:, 0]
    top, bottom, left, right = (round(side * place) for place in _BOXES[kind])
    mask = torch.zeros(1, side, side)
    mask[:, top:bottom, left:right] = 1.0
    return mask


def demo_input() -> tuple[Tensor, Tensor]:
    """Return the demo's photograph [1, H, W, 3] in [0, 1] and its hole mask [1, H, W], 1 = fill."""
    image = read_image(PHOTOGRAPH).image
    return image, example_mask("strokes", image.shape[1])
