"""A model's methods under test; predictions.py reads those of others.

Legend: n images, B of a batch, V = 2 results for each, R their side in pixels.
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor

from ..core.compositing import paste_completions
from ..core.fitting import RANDOM_FIT_STEPS
from ..core.geometry import Erased, erase
from ..core.heap import return_freed_memory
from ..core.image import image_to_uint8
from ..core.inpainter import Inpainter
from ..core.latents import WPlus
from ..core.rng import rng_for
from .images import Storage
from .types import Method, Pairs

NUM_VARIANTS = 2
"""Results for each image, as the paper measures diversity."""

_INDEPENDENT = "independent"  # what the generator makes of the random codes alone


def complete(
    model: Inpainter,
    pairs: Pairs,
    seed: int,
    batch_size: int,
    storage: Storage,
    *,
    fit_steps: int = 0,
    on_batch: Callable[[int], None] = lambda num_images: None,
) -> list[Method]:
    """Complete all images with a model, twice; each process completes some of them.

    The images have the model's size, so nothing is cropped or resized. Each image has its own
    random codes; they depend on (seed, name) alone.

    Args:
        model: of the images' resolution.
        pairs: images and holes.
        seed: of the random codes.
        batch_size: B; affects memory only, and the rounding of single values by 1/255.
        storage: keeps what is drawn.
        fit_steps: of fitting the codes to the valid pixels; 0 leaves that method out, or with a
            generator alone takes as many steps as `inpaint`.
        on_batch: called in every process with the number of images done so far.

    Returns:
        `stage1` and, if the model has a skip encoder, `stage2`, as in the paper: pasted (Eq. 4).
        Then the last of them blended, `stage2-seamless`, and `stage2-fitted-seamless`. With a
        generator alone `fitted` and `fitted-seamless`, of random codes.
    """
    drawings = _drawings(model, fit_steps)
    kinds = {_INDEPENDENT, *(kind for drawn in drawings.values() for kind in drawn)}
    shape = (len(pairs.names), NUM_VARIANTS, *pairs.originals.shape[1:])
    stored = {kind: storage.room(*shape) for kind in sorted(kinds)}
    for number, index in storage.share(torch.arange(shape[0]).split(batch_size)):
        for kind, images in _complete_batch(model, pairs, seed, index, fit_steps).items():
            stored[kind].write(index, images)
        return_freed_memory()
        on_batch(min((number + 1) * batch_size, shape[0]))
    storage.meet()
    images = {kind: room.images for kind, room in stored.items()}
    independent = images[_INDEPENDENT]
    return [
        pairs.completed(name, images[fills], raw=images[raw], independent=independent)
        for name, (raw, fills) in drawings.items()
    ]


class _Drawn(NamedTuple):
    """The names of what a method draws, as `_complete_batch` returns it."""

    raw: str
    fills: str
    """What goes into the hole: the same if it is pasted."""


def methods_of(model: Inpainter, fit_steps: int) -> tuple[str, ...]:
    """Return the names of the methods that `complete` returns."""
    return tuple(_drawings(model, fit_steps))


def _drawings(model: Inpainter, fit_steps: int) -> dict[str, _Drawn]:
    """Return what each method draws, by the method's name."""
    stages = ["stage1", "stage2"] if model.model.skip_encoder is not None else ["stage1"]
    if not model.can_encode:
        stages = ["fitted"]
    drawings = {stage: _Drawn(stage, stage) for stage in stages}
    last = stages[-1]
    drawings[f"{last}-seamless"] = _Drawn(last, f"{last}-seamless")
    if model.can_encode and fit_steps:
        fitted = f"{last}-fitted"
        drawings[f"{fitted}-seamless"] = _Drawn(fitted, f"{fitted}-seamless")
    return drawings


def _complete_batch(
    model: Inpainter, pairs: Pairs, seed: int, index: Tensor, fit_steps: int
) -> dict[str, Tensor]:
    """Return raw images, what blending makes of them, and the independent samples.

    All are [B, V, 3, R, R] uint8.
    """
    images = pairs.originals[index].movedim(1, -1).to(model.device)
    holes = pairs.holes[index].to(model.device)
    random = model.codes(
        torch.cat([_random_codes(model, seed, pairs.names[i]) for i in index.tolist()])
    )
    if model.can_encode:
        erased, encoded = model.encode(images, holes)
        raw = _draw_mixed(model, erased, model.mix(encoded, random)[0], fit_steps)
    else:
        erased = erase(images, holes.float(), model.resolution)
        fitted = model.fit(erased, random, fit_steps or RANDOM_FIT_STEPS)
        raw = {"fitted": model.synthesize(fitted)}
    drawn = {_INDEPENDENT: model.synthesize(random), **raw}
    for source, fills in _drawings(model, fit_steps).values():
        if fills not in drawn:
            drawn[fills] = paste_completions(erased, drawn[source], blend="seamless")[0]
    return {kind: _stored(images) for kind, images in drawn.items()}


def _draw_mixed(
    model: Inpainter, erased: Erased, codes: WPlus, fit_steps: int
) -> dict[str, Tensor]:
    """Return the raw images of each stage, and of the last one with fitted codes."""
    raw, last = {"stage1": model.synthesize(codes)}, "stage1"
    if model.model.skip_encoder is not None:
        raw["stage2"], last = model.refine(erased, codes), "stage2"
    if fit_steps:
        fitted = model.fit(erased, codes, fit_steps)
        draw = model.synthesize if last == "stage1" else partial(model.refine, erased)
        raw[f"{last}-fitted"] = draw(fitted)
    return raw


def _stored(images: Tensor) -> Tensor:
    """[B*V, R, R, 3] in [0, 1] as [B, V, 3, R, R] uint8 on the CPU."""
    return image_to_uint8(images).movedim(-1, 1).cpu().unflatten(0, (-1, NUM_VARIANTS))


def _random_codes(model: Inpainter, seed: int, name: str) -> Tensor:
    """[1, V, L, D]; no two images have the same codes."""
    generator = rng_for(seed, f"codes of {name}", 0)
    own_seed = int(torch.randint(2**62, (), generator=generator))
    return model.sample_w(own_seed, NUM_VARIANTS).codes
