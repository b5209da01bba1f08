"""Baselines of known quality, measured like the methods so that every number has a scale.

Legend: n images, R their side in pixels.
"""

import dataclasses

import torch
from torch import Tensor

from ..core.rng import rng_for
from .images import Images
from .types import Method, Pairs

NAMES = ("mean-colour", "other-photo", "original", "training-photos", "other-half")
"""All baselines; the last two are unrelated whole images, and an evaluation has one of them."""


def baselines(pairs: Pairs, seed: int, training: Images | None) -> list[Method]:
    """Return what the baselines make of the images, computed when it is read.

    mean-colour: the hole gets the mean colour of the image's valid pixels.
    other-photo: two results, two other photographs of the set pasted into the hole.
    original: nothing was erased.
    training-photos: random training images, one for each image if there are enough. Without
    training images other-half instead: one half of the set against the other.

    Args:
        pairs: images and holes.
        seed: selects the photographs.
        training: [m, 3, R, R] uint8, or None.
    """
    return [
        pairs.completed("mean-colour", _mean_colours(pairs)),
        pairs.completed("other-photo", _other_photos(pairs.originals, seed)),
        pairs.completed("original", _single(pairs.originals)),
        _halves(pairs, seed) if training is None else _training_photos(pairs, seed, training),
    ]


def _single(images: Images) -> Images:
    """[n, 1, 3, R, R]: one result for each image."""
    n, *shape = images.shape
    return Images((n, 1, *shape), lambda index: images[index][:, None])


def _mean_colours(pairs: Pairs) -> Images:
    def read(index: Tensor) -> Tensor:
        return _mean_colour(pairs.originals[index], pairs.holes[index])

    return _single(Images(pairs.originals.shape, read))


def _mean_colour(originals: Tensor, holes: Tensor) -> Tensor:
    total = (originals * ~holes).sum(dim=(2, 3), dtype=torch.float64)
    mean = total / (~holes).sum(dim=(2, 3))
    return mean.round().byte()[:, :, None, None].expand_as(originals)


def _other_photos(originals: Images, seed: int) -> Images:
    """[n, 2, 3, R, R]: the next two in a shuffled circle, so never the image itself."""
    n, *shape = originals.shape
    order = _shuffled(n, seed, "other-photo")
    others = torch.empty(n, 2, dtype=torch.int64)
    others[order] = torch.stack([order.roll(1), order.roll(2)], dim=1)

    def read(index: Tensor) -> Tensor:
        return originals[others[index].flatten()].unflatten(0, (-1, 2))

    return Images((n, 2, *shape), read)


def _training_photos(pairs: Pairs, seed: int, training: Images) -> Method:
    chosen = _shuffled(len(training), seed, "training-photos")[: len(pairs.names)]
    return _unpaired("training-photos", pairs.at(torch.arange(len(chosen))), training.at(chosen))


def _halves(pairs: Pairs, seed: int) -> Method:
    order = _shuffled(len(pairs.names), seed, "halves")
    half = len(order) // 2
    others = pairs.originals.at(order[half : 2 * half])
    return _unpaired("other-half", pairs.at(order[:half]), others)


def _unpaired(method: str, pairs: Pairs, images: Images) -> Method:
    """Compare whole images [m, 3, R, R] with as many originals."""
    compared = pairs.completed(method, _single(pairs.originals))
    return dataclasses.replace(compared, results=_single(images), is_paired=False)


def _shuffled(num: int, seed: int, purpose: str) -> Tensor:
    return torch.randperm(num, generator=rng_for(seed, f"evaluate/{purpose}", 0))
