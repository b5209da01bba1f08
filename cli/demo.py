"""The demonstration: a bundled photograph with a hole, and a look at what was promised of it.

Legend: V results, H x W pixels.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from torch import Tensor

from ..core.checkpoint import WEIGHTS_FOLDER
from ..core.image_files import read_image
from ..core.masks import sample_hole_masks

PICTURE = WEIGHTS_FOLDER / "pictures" / "flickr_cat_000010.jpg"

# Looked at: a brush stroke over both eyes and a cheek; nose, mouth and ears stay.
_MASK_KIND, _MASK_SEED, _MASK_INDEX, _HOLE_RANGE = "paper", 7, 1, (0.2, 0.35)


@dataclass(frozen=True)
class Findings:
    """What the files of the results show."""

    num_valid: int
    """Pixels outside the hole."""
    num_changed: tuple[int, ...]
    """For each result, the pixels outside the hole that differ from the photograph."""
    differences: tuple[float, ...]
    """For each pair of results, the mean difference inside the hole, in levels of 255."""

    @property
    def keeps_valid_pixels(self) -> bool:
        """Whether no result changed a pixel outside the hole."""
        return not any(self.num_changed)

    @property
    def all_differ(self) -> bool:
        """Whether every pair of results differs inside the hole."""
        return all(difference > 0 for difference in self.differences)


def demo_input() -> tuple[Tensor, Tensor]:
    """Return the photograph [1, H, W, 3] in [0, 1], and its hole mask [1, H, W], 1 = fill."""
    image = read_image(PICTURE).image
    masks = sample_hole_masks(
        _MASK_KIND, 1, image.shape[1], _MASK_SEED, _HOLE_RANGE, first=_MASK_INDEX
    )
    return image, masks[:, 0]


def examine(photograph: Path, hole_mask_hw: Tensor, results: Sequence[Path]) -> Findings:
    """Compare the 8-bit files of the results with that of the photograph, and with each other.

    Args:
        photograph: the file that was completed.
        hole_mask_hw: [H, W], 1 = fill.
        results: files of V pictures.
    """
    original = _levels(photograph)
    hole = hole_mask_hw.numpy() > 0
    pictures = [_levels(path) for path in results]
    num_changed = [int((p != original).any(axis=2)[~hole].sum()) for p in pictures]
    insides = [picture[hole] for picture in pictures]
    differences = [float(abs(a - b).mean()) for a, b in itertools.combinations(insides, 2)]
    return Findings(int((~hole).sum()), tuple(num_changed), tuple(differences))


def _levels(path: Path) -> np.ndarray:
    """[H, W, 3] int16 from 0 to 255."""
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB")).astype(np.int16)
