"""Baselines of known quality, measured like the methods so that every number has a scale.

Legend: n images, R their side in pixels.
"""

import dataclasses

import torch
from torch import Tensor

from ..core.rng import rng_for
from .types import MethodOutput, Pairs

NAMES = ("mean-colour", "other-photo", "original", "training-photos", "other-half")
"""All baselines; the last two are unrelated whole images, and an evaluation has one of them."""


def baselines(pairs: Pairs, seed: int, training: Tensor | None) -> list[MethodOutput]:
    """Return what the baselines make of the images.

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
        pairs.completed("mean-colour", _mean_colour(pairs)[:, None]),
        pairs.completed("other-photo", _other_photos(pairs.originals, seed)),
        pairs.completed("original", pairs.originals[:, None]),
        _halves(pairs, seed) if training is None else _training_photos(pairs, seed, training),
    ]


def _mean_colour(pairs: Pairs) -> Tensor:
    valid = ~pairs.holes
    total = (pairs.originals * valid).sum(dim=(2, 3), dtype=torch.float64)
    mean = total / valid.sum(dim=(2, 3))
    return mean.round().byte()[:, :, None, None].expand_as(pairs.originals)


def _other_photos(originals: Tensor, seed: int) -> Tensor:
    """[n, 2, 3, R, R]: the next two in a shuffled circle, so never the image itself."""
    order = _shuffled(len(originals), seed, "other-photo")
    others = torch.empty(len(order), 2, dtype=torch.int64)
    others[order] = torch.stack([order.roll(1), order.roll(2)], dim=1)
    return originals[others]


def _training_photos(pairs: Pairs, seed: int, training: Tensor) -> MethodOutput:
    chosen = training[_shuffled(len(training), seed, "training-photos")[: len(pairs.names)]]
    return _unpaired("training-photos", pairs, torch.arange(len(chosen)), chosen)


def _halves(pairs: Pairs, seed: int) -> MethodOutput:
    order = _shuffled(len(pairs.names), seed, "halves")
    half = len(order) // 2
    return _unpaired("other-half", pairs, order[:half], pairs.originals[order[half : 2 * half]])


def _unpaired(method: str, pairs: Pairs, index: Tensor, images: Tensor) -> MethodOutput:
    """Compare images [m, 3, R, R] with the originals at positions [m]."""
    compared = pairs.completed(method, pairs.originals[:, None]).subset(index)
    return dataclasses.replace(compared, results=images[:, None], is_paired=False)


def _shuffled(num: int, seed: int, purpose: str) -> Tensor:
    return torch.randperm(num, generator=rng_for(seed, f"evaluate/{purpose}", 0))
