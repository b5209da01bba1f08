"""The objective of stages 1 and 2 (the paper, Eqs. 2-6)."""

from collections.abc import Mapping
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from ..core.compositing import composite_at_resolution
from .batch import Batch
from .config import CompletionConfig
from .losses import generator_loss
from .perceptual import PerceptualLoss


class Comparison(NamedTuple):
    """One path's raw outputs, before Eq. 4, and what they should equal."""

    output: Tensor
    """[N, 3, R, R]."""
    wanted: Tensor
    """[N, 3, R, R], detached."""
    weight: float
    """lambda_r1 or lambda_r2 of Eq. 6."""


def comparisons(batch: Batch, outputs: Tensor, config: CompletionConfig) -> dict[str, Comparison]:
    """Return what Eqs. 2 and 3 compare: path (g) everywhere, path (r) on valid pixels.

    A photograph that stands for a generated picture is compared in its place.

    Args:
        batch: the pictures.
        outputs: [n, 3, R, R] raw, of `batch.inputs()`.
        config: the weights.
    """
    paths, substituted = batch.by_path(outputs)
    other, erased = paths[-1], batch.erased
    if batch.substitutes is not None:
        index, photographs = batch.substitutes
        other = other.index_copy(0, index, substituted)
        erased = erased.index_copy(0, index, photographs)
    compared = {"other": Comparison(other * batch.valid, erased, config.lambda_other)}
    if batch.w_same is not None:
        compared["same"] = Comparison(paths[0], batch.image, config.lambda_same)
    return compared


def composites(batch: Batch, outputs: Tensor) -> list[Tensor]:
    """Return each path's final images (Eq. 4), [N, 3, R, R], which D takes for fakes.

    Substitutes are not among them: beside real pictures that are all generated, D would tell a
    photograph by its valid pixels, which no completion can change.
    """
    paths, _ = batch.by_path(outputs)
    return [composite_at_resolution(path, batch.erased, batch.valid) for path in paths]


def reconstruction(
    compared: Mapping[str, Comparison], perceptual: PerceptualLoss, pixel_weight: float
) -> tuple[Tensor, dict[str, Tensor]]:
    """Return the weighted sum of L_rg and L_rr (Eqs. 2, 3), and their terms to log.

    L = pixel_weight * mean |I_o - I|^2 + perceptual term; the mean is over all 3 R^2 numbers, also
    where the hole is.

    Args:
        compared: by the name of the path.
        perceptual: the second term.
        pixel_weight: of the L2 term.
    """
    outputs, wanted, weights = zip(*compared.values(), strict=True)
    maps = perceptual.features(torch.cat(outputs))
    with torch.no_grad():
        wanted_maps = perceptual.features(torch.cat(wanted))
    losses, scalars = [], {}
    for i, name in enumerate(compared):
        of_path = [[m.chunk(len(compared))[i] for m in both] for both in (maps, wanted_maps)]
        pixel, feature = F.mse_loss(outputs[i], wanted[i]), perceptual(*of_path)
        losses.append(weights[i] * (pixel_weight * pixel + feature))
        scalars |= {f"pixel_{name}": pixel, f"feature_{name}": feature}
    return torch.stack(losses).sum(), scalars


def adversarial(fake_logits: list[Tensor]) -> Tensor:
    """Return the generator's side of Eq. 5: the sum over the paths of softplus(-D(fake)).

    Args:
        fake_logits: [N, 1] of each path's composites, judged in calls of their own.
    """
    return torch.stack([generator_loss(logits) for logits in fake_logits]).sum()
