"""What an edit changes inside the hole, and what leaks out of it, before and after S."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ...core.directions import Direction
from ...core.geometry import Erased
from ...core.inpainter import SKIP_SOURCES, Edit, Inpainter
from ...core.latents import WPlus
from ..metrics.protocol import Pairs
from ..metrics.regions import mean_over
from .finding import OnProgress

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
    model: Inpainter,
    directions: Sequence[Direction],
    pairs: Pairs,
    seed: int = 0,
    on_progress: OnProgress = lambda share, what: None,
) -> list[Effect]:
    """Return the effects of each direction for each skip source, means over pictures.

    Args:
        model: of the pictures' resolution.
        directions: of this model, each with a name of its own.
        pairs: pictures and holes.
        seed: of the random code, one for all pictures.
        on_progress: called with (share that is done, what is being done).
    """
    sources = SKIP_SOURCES if "skip_encoder" in model.num_parameters else ("none",)
    parts: dict[tuple[str, str], list[Tensor]] = {
        (direction.name, source): [] for direction in directions for source in sources
    }
    for index in torch.arange(len(pairs.names)).split(_BATCH):
        on_progress(float(index[0]) / len(pairs.names), "editing pictures")
        holes = pairs.holes[index]
        images = pairs.originals[index].movedim(1, -1)
        erased, encoded = model.encode(images.to(model.device), holes.to(model.device))
        codes, _ = model.mix(encoded, model.sample_w(seed, 1))
        for direction in directions:
            for source in sources:
                levels = _change(model, erased, codes, direction, source)
                both = [mean_over(levels, region) for region in (holes, ~holes)]
                parts[direction.name, source].append(torch.stack(both))
    means = {key: torch.cat(values, dim=1).nanmean(dim=1) for key, values in parts.items()}
    return [Effect(*key, *mean.tolist()) for key, mean in means.items()]


def _change(
    model: Inpainter, erased: Erased, codes: WPlus, direction: Direction, source: str
) -> Tensor:
    """Return the mean change by one unit up and one down, [B, 3, R, R] in levels."""

    def complete(strength: float) -> Tensor:
        edited = model.edit(codes, [Edit(direction, strength)])
        if source == "none":
            return model.synthesize(edited)
        return model.refine(erased, edited, codes if source == "unedited" else None)

    unedited = complete(0.0)
    change = torch.stack([(complete(s) - unedited).abs() for s in (-1.0, 1.0)]).mean(dim=0)
    return 255 * change.movedim(-1, 1).cpu()
