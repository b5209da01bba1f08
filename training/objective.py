"""The objective of stages 1 and 2 (the paper, Eqs. 2-6)."""

from collections.abc import Mapping
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from .batch import Batch
from .config import CompletionConfig
from .losses import generator_loss
from .perceptual import DiscriminatorFeatures


class Comparison(NamedTuple):
    """One path's raw outputs, before Eq. 4, and what they should equal."""

    output: Tensor
    """[N, 3, R, R]."""
    wanted: Tensor
    """[N, 3, R, R], detached."""
    weight: float
    """lambda_r1 or lambda_r2 of Eq. 6."""


def comparisons(
    batch: Batch, same: Tensor, other: Tensor, config: CompletionConfig
) -> dict[str, Comparison]:
    """Return what Eqs. 2 and 3 compare: path (g) everywhere, path (r) on valid pixels.

    Args:
        batch: the pictures.
        same: [N, 3, R, R] raw outputs of path (g).
        other: [N, 3, R, R] raw outputs of path (r).
        config: the weights.
    """
    return {
        "same": Comparison(same, batch.image, config.lambda_same),
        "other": Comparison(other * batch.valid, batch.erased, config.lambda_other),
    }


def reconstruction(
    compared: Mapping[str, Comparison], features: DiscriminatorFeatures, pixel_weight: float
) -> tuple[Tensor, dict[str, Tensor]]:
    """Return the weighted sum of L_rg and L_rr (Eqs. 2, 3), and their terms to log.

    L = pixel_weight * mean |I_o - I|^2 + perceptual term; the mean is over all 3 R^2 numbers, also
    where the hole is.

    Args:
        compared: by the name of the path.
        features: the perceptual term.
        pixel_weight: of the L2 term.
    """
    outputs, wanted, weights = zip(*compared.values(), strict=True)
    maps = features.features(torch.cat(outputs))
    with torch.no_grad():
        wanted_maps = features.features(torch.cat(wanted))
    losses, scalars = [], {}
    for i, name in enumerate(compared):
        of_path = [[m.chunk(len(compared))[i] for m in both] for both in (maps, wanted_maps)]
        pixel, feature = F.mse_loss(outputs[i], wanted[i]), features(*of_path)
        losses.append(weights[i] * (pixel_weight * pixel + feature))
        scalars |= {f"pixel_{name}": pixel, f"feature_{name}": feature}
    return torch.stack(losses).sum(), scalars


def adversarial(fake_logits: list[Tensor]) -> Tensor:
    """Return the generator's side of Eq. 5: the sum over the paths of softplus(-D(fake)).

    Args:
        fake_logits: [N, 1] of each path's composites, judged in calls of their own.
    """
    return torch.stack([generator_loss(logits) for logits in fake_logits]).sum()
