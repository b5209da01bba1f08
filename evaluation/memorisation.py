"""Nearest training pictures inside the hole: does a method paste what it has memorised?

Legend: n pictures of side R, T training pictures, S side of the coarse pictures that are compared.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ..core.errors import InputError

COARSE_SIDE = 32
"""S: what a shift of a few pixels does not change; smaller pictures keep their own side."""

_CHUNK = 1024  # training pictures at once: 25 MB in float64


@dataclass(frozen=True, eq=False)
class Neighbours:
    """The nearest training picture of each of n pictures, inside the hole."""

    distance: Tensor
    """[n] float64: root mean square difference in [0, 1]; NaN where the hole is too thin."""
    index: Tensor
    """[n] int64: place in the training set."""
    mirrored: Tensor
    """[n] bool: whether the training picture's mirror image is the nearest."""


def nearest_neighbours(pictures: Tensor, hole_mask: Tensor, training: Tensor) -> Neighbours:
    """Return, for each picture, the training picture that is nearest inside its hole.

    1. All pictures are averaged down to S x S; a coarse pixel counts where the hole covers all of
       it, so that nothing outside the hole takes part.
    2. d_it^2 = mean over counted pixels and channels of (x_i - t)^2, values in [0, 1]; every
       training picture takes part twice, as it is and mirrored.

    Args:
        pictures: [n, 3, R, R] uint8.
        hole_mask: [n, 1, R, R], 1 = fill.
        training: [T, 3, R, R] uint8, T at least 1.

    Raises:
        InputError: shapes that differ, or no training picture.
    """
    _check(pictures, hole_mask, training)
    inside = (_coarse(hole_mask.double()) > 1 - 1e-9).double().flatten(1)  # [n, S*S]
    count = inside.sum(dim=1)
    best, index = _scan(_coarse(pictures.double() / 255).flatten(2), inside, training)
    distance = (best.clamp(min=0) / (3 * count)).sqrt()  # 0 / 0 = NaN where nothing counts
    return Neighbours(distance, index // 2, index % 2 == 1)


def _scan(x: Tensor, inside: Tensor, training: Tensor) -> tuple[Tensor, Tensor]:
    """The least squared distance [n] and 2 * (training index) + (1 if mirrored)."""
    best = torch.full([len(x)], torch.inf, dtype=x.dtype, device=x.device)
    index = torch.zeros(len(x), dtype=torch.int64, device=x.device)
    own = (x.square() * inside[:, None]).sum(dim=(1, 2))
    for start in range(0, len(training), _CHUNK):
        coarse = _coarse(training[start : start + _CHUNK].to(x.device).double() / 255)
        for mirrored in (0, 1):
            t = (coarse.flip(3) if mirrored else coarse).flatten(2)
            cross = (x * inside[:, None]).flatten(1) @ t.flatten(1).T
            squared = own[:, None] - 2 * cross + inside @ t.square().sum(dim=1).T
            least, at = squared.min(dim=1)
            nearer = least < best
            best = torch.where(nearer, least, best)
            index = torch.where(nearer, 2 * (at + start) + mirrored, index)
    return best, index


def _coarse(pictures: Tensor) -> Tensor:
    """Pictures [n, C, R, R] averaged down to [n, C, S, S]."""
    side = min(COARSE_SIDE, pictures.shape[-1])
    return F.interpolate(pictures, size=(side, side), mode="area")


def _check(pictures: Tensor, hole_mask: Tensor, training: Tensor) -> None:
    n, _, height, width = pictures.shape
    if hole_mask.shape != (n, 1, height, width) or training.shape[1:] != pictures.shape[1:]:
        raise InputError(
            f"masks [{n}, 1, {height}, {width}] and training pictures [T, 3, {height}, {width}]",
            f"{list(hole_mask.shape)} and {list(training.shape)}",
            "Bring all to one side, and give one mask per picture.",
        )
    if not len(training):
        raise InputError("at least one training picture", "none", "Check the training set's path.")
