"""Nearest training images inside the hole: does a method paste what it has memorised?

Legend: n images of side R, T training images, S side of the coarse images that are compared.
Images are [n, 3, R, R] uint8.
"""

import functools
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from ..core.printable import get_logger
from .images import Images
from .types import ImageValues, Method, MetricSuite

_log = get_logger(__name__)

COARSE_SIDE = 32
"""S: insensitive to shifts of a few pixels; smaller images keep their own side."""

CLOSE_PERCENTILE = 5.0
"""A fill is `near_training` if it is nearer to a training image than this percentile of the
originals, which were not trained on; so 0.05 is what real images have."""

_EQUAL = 0.5 / 255  # root mean square: rounding to 8 bits explains no more


def memorisation(training: Images) -> MetricSuite:
    """Return how near fills, and the originals in the same holes, are to training images.

    neighbour_distance: of the fills, see `nearest_neighbours`. neighbour_ratio: mean distance of
    the fills over that of the originals; 1 if as new as a real image. near_training: fraction of
    fills below `CLOSE_PERCENTILE` of the originals. A blurred fill is near to many images, so
    compare with the mean-colour baseline. Left out are holes too thin to be compared and, with a
    warning, originals that the training images contain.
    """

    @functools.lru_cache(maxsize=1)  # all methods have the same two sets
    def distance_of_originals(originals: Images, holes: Images) -> Tensor:
        distance = nearest_neighbours(originals, holes, training).distance
        num_equal = int((distance < _EQUAL).sum())
        if num_equal:
            _log.warning(
                "%d of %d images are among the training images: their neighbours are left out, "
                "and no other metric can be trusted for a model that has seen them",
                num_equal,
                len(originals),
            )
        return distance.where(distance >= _EQUAL, torch.nan)

    def measure(method: Method) -> dict[str, ImageValues]:
        real = distance_of_originals(method.originals, method.holes)
        measured = ~real.isnan()
        found = nearest_neighbours(method.first_results, method.holes, training)
        fills = found.distance.where(measured, 0.0)
        near = (fills < real.nanquantile(CLOSE_PERCENTILE / 100)) & measured
        return {
            "neighbour_distance": ImageValues(fills, measured.double()),
            "neighbour_ratio": ImageValues(fills, real.nan_to_num()),
            "near_training": ImageValues(near.double(), measured.double()),
        }

    facts = {"pictures": len(training), "side": COARSE_SIDE, "percentile": CLOSE_PERCENTILE}
    return MetricSuite(per_method=(measure,), facts={"neighbours": facts})


class Neighbours(NamedTuple):
    """The nearest training image of each of n images, inside the hole."""

    distance: Tensor
    """[n] float64: root mean square difference in [0, 1]; NaN where the hole is too thin."""
    index: Tensor
    """[n] int64: position in the training set."""
    mirrored: Tensor
    """[n] bool: whether the training image's mirror image is the nearest."""


def nearest_neighbours(images: Images, hole_mask: Images, training: Images) -> Neighbours:
    """Return, for each image, the training image that is nearest inside its hole.

    1. All images are averaged down to S x S; a coarse pixel counts if the hole covers all of it,
       so that nothing outside the hole has any influence.
    2. d_it^2 = mean over counted pixels and channels of (x_i - t)^2, values in [0, 1]; every
       training image is compared as it is and mirrored.

    Args:
        images: n of them.
        hole_mask: [n, 1, R, R], 1 = fill.
        training: T of them, at least 1.
    """
    holes = torch.cat([_coarse(part.double()) for part in hole_mask.chunks()])
    inside = (holes > 1 - 1e-9).double().flatten(1)  # [n, S*S]
    count = inside.sum(dim=1)
    coarse = torch.cat([_coarse(part.double() / 255) for part in images.chunks()])
    best, index = _scan(coarse.flatten(2), inside, training)
    distance = (best.clamp(min=0) / (3 * count)).sqrt()  # 0 / 0 = NaN where nothing counts
    return Neighbours(distance, index // 2, index % 2 == 1)


def _scan(x: Tensor, inside: Tensor, training: Images) -> tuple[Tensor, Tensor]:
    """The least squared distance [n] and 2 * (training index) + (1 if mirrored)."""
    best = x.new_full([len(x)], torch.inf)
    index = torch.zeros(len(x), dtype=torch.int64)
    x = x * inside[:, None]
    own = x.square().sum(dim=(1, 2))
    start = 0
    for images in training.chunks():
        coarse = _coarse(images.double() / 255)
        for mirrored, t in enumerate((coarse.flatten(2), coarse.flip(3).flatten(2))):
            cross = x.flatten(1) @ t.flatten(1).T
            squared = own[:, None] - 2 * cross + inside @ t.square().sum(dim=1).T
            least, at = squared.min(dim=1)
            index = torch.where(least < best, 2 * (at + start) + mirrored, index)
            best = best.minimum(least)
        start += len(images)
    return best, index


def _coarse(images: Tensor) -> Tensor:
    """Images [n, C, R, R] averaged down to [n, C, S, S]."""
    side = min(COARSE_SIDE, images.shape[-1])
    return F.interpolate(images, size=(side, side), mode="area")
