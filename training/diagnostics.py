"""Measures on fixed seeds that show when the training of a stage fails (see `LIMITS`)."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from ..core.errors import CheckpointError
from ..core.inpainter import Inpainter
from ..core.masks import sample_hole_masks
from ..core.region_errors import hole_l1, valid_l1
from .sampler import Batch


@dataclass(frozen=True)
class Limit:
    """The healthy range of a measure."""

    low: float
    high: float
    meaning: str
    """What a value outside of it means."""


LIMITS = {
    "rho": Limit(0.15, math.inf, "under 0.15 the random code is ignored"),
    "swap_ratio": Limit(0.0, 0.6, "over 0.6 the encoder is ignored"),
    "domain_gap_db": Limit(-4.0, math.inf, "under -4 photographs are reproduced far worse"),
    "skip_ratio": Limit(0.0, 1.0, "over 1 S replaces features instead of correcting them"),
    "gate_extreme": Limit(0.0, 0.5, "over 0.5 most of the gate is stuck open or shut"),
    "d_gap": Limit(0.1, 4.0, "under 0.1 D cannot tell fakes, over 4 it always can"),
}
"""By measure or logged scalar."""

_CHUNK = 32


def warnings_of(measures: Mapping[str, float]) -> list[str]:
    """Return a sentence for each measure that is outside its limits."""
    return [
        f"{name} = {measures[name]:.3g}: {limit.meaning}"
        for name, limit in LIMITS.items()
        if name in measures and not limit.low <= measures[name] <= limit.high
    ]


Complete = Callable[[Tensor, Tensor, Tensor], Tensor]
"""(erased [N, 3, R, R], valid [N, 1, R, R], w_rand [N, L, D]) to raw outputs [N, 3, R, R]."""


@torch.no_grad()
def measure(
    complete: Complete,
    batch: Batch,
    synthesize: Callable[[Tensor], Tensor],
    photographs: Tensor | None = None,
) -> dict[str, float]:
    """Return rho, swap_ratio, valid_l1_p99 and, with photographs, domain_gap_db.

    rho: L1 inside the hole between two variants, over that between two independent samples.
    swap_ratio: L1 on valid pixels with the image's own codes, over that with another image's.
    valid_l1_p99: 99th percentile of the former, on photographs where there are some.
    domain_gap_db: PSNR on valid pixels of photographs minus that of generated images.

    Args:
        complete: the model, without compositing.
        batch: generated images.
        synthesize: codes to images.
        photographs: [n, 3, R, R] in [-1, 1].
    """
    w_r, w_other = batch.w_r, batch.w_r.roll(1, dims=0)
    first = complete(batch.erased, batch.valid, w_r)
    second = complete(batch.erased, batch.valid, w_other)
    hole = 1 - batch.valid
    between = hole_l1(first, second, hole)
    independent = hole_l1(synthesize(w_r), synthesize(w_other), hole)
    own = valid_l1(first, batch.erased, batch.valid)
    swapped = valid_l1(first.roll(1, dims=0), batch.erased, batch.valid)
    measures = {
        "rho": float(between.sum() / independent.sum()),
        "swap_ratio": float(own.mean() / swapped.mean()),
    }
    if photographs is not None:
        N = min(len(photographs), len(batch.valid))
        valid = batch.valid[:N]
        erased = photographs[:N] * valid
        completed = complete(erased, valid, w_r[:N])
        gap = _psnr(completed, erased, valid) - _psnr(first, batch.erased, batch.valid)
        measures["domain_gap_db"] = gap
        own = valid_l1(completed, erased, valid)
    measures["valid_l1_p99"] = float(own.quantile(0.99))
    return measures


def _psnr(image: Tensor, erased: Tensor, valid: Tensor) -> float:
    """Return the PSNR over all valid pixels, for a range of two, in dB."""
    error = ((image - erased) * valid).square().sum() / (3 * valid.sum())
    return 10 * math.log10(4 / max(float(error), 1e-12))


@torch.no_grad()
def measure_model(inpainter: Inpainter, num_images: int = 128, seed: int = 0) -> dict[str, float]:
    """Measure a finished model, stage 1, on images that it generates itself.

    Args:
        inpainter: a model with an encoder.
        num_images: images and masks (`paper`).
        seed: of images, codes and masks.

    Raises:
        CheckpointError: it has no encoder.
    """
    if not inpainter.can_encode:
        raise CheckpointError(
            "a model with encoder and mixer to measure",
            f"{inpainter.title or 'one'} without them",
            "Leave the measuring out, or train stage 1 on it.",
            problem="Whether image and random code are used can be measured with an encoder and a "
            "mixer only, and this model is a generator alone.",
        )
    model = inpainter.model
    w_g, w_r = inpainter.sample_w(seed, 2 * num_images).flat().chunk(2)
    holes = sample_hole_masks("paper", num_images, inpainter.resolution, seed)
    valid = 1 - holes.to(inpainter.device)

    def synthesize(ws: Tensor) -> Tensor:
        images = [model.synthesize(chunk).clamp(-1, 1) for chunk in ws.split(_CHUNK)]
        return torch.cat(images)

    def complete(erased: Tensor, valid: Tensor, w_rand: Tensor) -> Tensor:
        return synthesize(model.mix(model.encode(erased, valid), w_rand)[0])

    image = synthesize(w_g)
    return measure(complete, Batch(image, image * valid, valid, w_g, w_r), synthesize)
