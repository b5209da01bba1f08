"""Methods of known quality, measured beside the others so that every number has a scale.

Legend: n pictures, R their side in pixels.
"""

import dataclasses

import torch
from torch import Tensor

from ..core.rng import generator_for
from .protocol import Pairs
from .types import Evaluated

NAMES = ("mean-colour", "other-photo", "original", "training-photos", "other-half")
"""Of all yardsticks; the last two are of whole pictures without holes, one or the other."""


def yardsticks(pairs: Pairs, seed: int, training: Tensor | None) -> list[Evaluated]:
    """Return what the yardsticks make of the pictures.

    mean-colour: the hole has the mean colour of the picture's valid pixels.
    other-photo: two results, two other photographs of the set pasted into the hole.
    original: nothing was erased.
    training-photos: other whole photographs of the domain, as many as there are pictures if there
    are enough; without training pictures other-half, where one half of the set is compared with
    the other.

    Args:
        pairs: pictures and holes.
        seed: decides which photographs are drawn.
        training: [m, 3, R, R] uint8, or None.
    """
    return [
        _filled("mean-colour", pairs, _mean_colour(pairs)[:, None]),
        _filled("other-photo", pairs, _other_photos(pairs.originals, seed)),
        _filled("original", pairs, pairs.originals[:, None]),
        _training_photos(pairs, seed, training) if training is not None else _halves(pairs, seed),
    ]


def _filled(method: str, pairs: Pairs, fills: Tensor) -> Evaluated:
    """Paste fills [n, V, 3, R, R] into the holes; there are no raw pictures to be measured."""
    return Evaluated(
        method=method,
        names=pairs.names,
        originals=pairs.originals,
        holes=pairs.holes,
        results=torch.where(pairs.holes[:, None], fills, pairs.originals[:, None]),
    )


def _mean_colour(pairs: Pairs) -> Tensor:
    valid = ~pairs.holes
    total = (pairs.originals * valid).sum(dim=(2, 3), dtype=torch.float64)
    mean = total / valid.sum(dim=(2, 3))
    return mean.round().byte()[:, :, None, None].expand_as(pairs.originals)


def _other_photos(originals: Tensor, seed: int) -> Tensor:
    """[n, 2, 3, R, R]: the next two in a shuffled circle, so never the picture itself."""
    order = _shuffled(len(originals), seed, "other-photo")
    others = torch.empty(len(order), 2, dtype=torch.int64)
    others[order] = torch.stack([order.roll(1), order.roll(2)], dim=1)
    return originals[others]


def _training_photos(pairs: Pairs, seed: int, training: Tensor) -> Evaluated:
    num = min(len(training), len(pairs.names))
    chosen = training[_shuffled(len(training), seed, "training-photos")[:num]]
    compared = _filled("training-photos", pairs, pairs.originals[:, None]).subset(torch.arange(num))
    return dataclasses.replace(compared, results=chosen[:, None], is_paired=False)


def _halves(pairs: Pairs, seed: int) -> Evaluated:
    order = _shuffled(len(pairs.names), seed, "halves")
    first, second = order[: len(order) // 2], order[len(order) // 2 : len(order) // 2 * 2]
    compared = _filled("other-half", pairs, pairs.originals[:, None]).subset(first)
    return dataclasses.replace(compared, results=pairs.originals[second][:, None], is_paired=False)


def _shuffled(num: int, seed: int, purpose: str) -> Tensor:
    return torch.randperm(num, generator=generator_for(seed, f"evaluate/{purpose}", 0))
