"""What an edit changes inside the hole, and what leaks out of it, before and after S."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from ...core.directions import Direction
from ...core.inpainter import SKIP_SOURCES, Edit, Inpainter
from ..metrics.protocol import Pairs
from ..metrics.regions import mean_over

_BATCH = 32


@dataclass(frozen=True)
class Effect:
    """Mean change of a picture's levels (of 255) by one unit up and one down, uncomposited."""

    direction: str
    """Its name."""
    skip_source: str
    """One of `SKIP_SOURCES`: what S saw; `none` is the picture before S."""
    inside: float
    """In the hole."""
    outside: float
    """On the valid pixels, which compositing puts back."""


def measure_effects(
    model: Inpainter, directions: list[Direction], pairs: Pairs, seed: int = 0
) -> Iterator[Effect]:
    """Yield the effects of each direction for each skip source, means over pictures.

    Args:
        model: of the pictures' resolution.
        directions: of this model.
        pairs: pictures and holes; pictures whose hole is empty or everything count where they can.
        seed: of the random codes, one for each picture's completion.
    """
    sources = SKIP_SOURCES if "skip_encoder" in model.num_parameters else ("none",)
    for direction in directions:
        for source in sources:
            parts = [
                _changes(model, direction, pairs, index, source, seed)
                for index in torch.arange(len(pairs.names)).split(_BATCH)
            ]
            inside, outside = torch.cat(parts, dim=1).nanmean(dim=1).tolist()
            yield Effect(direction.name, source, inside, outside)


def _changes(
    model: Inpainter, direction: Direction, pairs: Pairs, index: Tensor, source: str, seed: int
) -> Tensor:
    """Return the changes inside and outside of some pictures, [2, B] in levels."""
    images, holes = pairs.originals[index].movedim(1, -1), pairs.holes[index]
    erased, encoded = model.encode(images.to(model.device), holes.to(model.device))
    codes, _ = model.mix(encoded, model.sample_w(seed, 1))

    def complete(strength: float) -> Tensor:
        edited = model.edit(codes, [Edit(direction, strength)])
        if source == "none":
            return model.synthesize(edited)
        return model.refine(erased, edited, codes if source == "unedited" else None)

    unedited = complete(0)
    change = torch.stack([(complete(s) - unedited).abs() for s in (-1.0, 1.0)]).mean(dim=0)
    levels = 255 * change.movedim(-1, 1).cpu()
    return torch.stack([mean_over(levels, holes), mean_over(levels, ~holes)])
