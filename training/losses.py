"""The losses of the paper, Eqs. 2, 3, 5 and 6, and those of StyleGAN2 on which they build.

Legend: N images, n outputs, R their side. Path (g) mixes with the code that made the image, path
(r) with another one; I_go and I_ro are the generator's outputs on them, before Eq. 4. Each term is
the mean over a batch.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from ..core.compositing import composite
from ..core.networks import Discriminator
from .perceptual import PerceptualLoss
from .sampler import Batch


class Pair(NamedTuple):
    """What a reconstruction loss compares, both [N, 3, R, R]."""

    output: Tensor
    target: Tensor
    """Detached."""


def compared_pairs(batch: Batch, outputs: Tensor) -> dict[str, Pair]:
    """Return what L_rg and L_rr compare, by path, "g" and "r"; photographs have no path (g).

    A photograph that substitutes a generated image is compared in its place.

    Args:
        batch: N images.
        outputs: [n, 3, R, R] raw, of `batch.inputs()`.
    """
    paths, substituted = batch.by_path(outputs)
    I_ro, I_ge, M = paths[-1], batch.erased, batch.valid
    if batch.substitutes is not None:
        index, photographs = batch.substitutes
        I_ro = I_ro.index_copy(0, index, substituted)
        I_ge = I_ge.index_copy(0, index, photographs)
    pairs = {"r": Pair(M * I_ro, I_ge)}  # Eq. 3, L_rr: valid pixels with the erased image
    if batch.w_g is not None:
        I_go, I_g = paths[0], batch.image
        pairs["g"] = Pair(I_go, I_g)  # Eq. 2, L_rg: the whole output with the whole image
    return pairs


def final_images(batch: Batch, outputs: Tensor) -> list[Tensor]:
    """Return each path's final images I_f (Eq. 4), [N, 3, R, R], which D takes for fakes.

    Substitutes are not among them: beside real images that are all generated, D would tell a
    photograph by its valid pixels, which no completion can change.
    """
    paths, _ = batch.by_path(outputs)
    return [composite(I_o, batch.erased, batch.valid) for I_o in paths]


def reconstruction(
    pairs: Mapping[str, Pair], perceptual: PerceptualLoss, pixel_weight: float
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Return L_rg and L_rr by path (Eqs. 2, 3), and their terms to log.

        L = pixel_weight * mean |output - target|^2 + perceptual(output, target)

    The mean is over all 3 R^2 values, those in the hole included.

    Args:
        pairs: see `compared_pairs`.
        perceptual: the second term; it sees all pairs in one batch.
        pixel_weight: of the L2 term.
    """
    maps = perceptual.features(torch.cat([pair.output for pair in pairs.values()]))
    with torch.no_grad():
        target_maps = perceptual.features(torch.cat([pair.target for pair in pairs.values()]))
    losses: dict[str, Tensor] = {}
    scalars: dict[str, Tensor] = {}
    for i, (path, pair) in enumerate(pairs.items()):
        of_pair = [[m.chunk(len(pairs))[i] for m in both] for both in (maps, target_maps)]
        pixel, feature = F.mse_loss(pair.output, pair.target), perceptual(*of_pair)
        losses[path] = pixel_weight * pixel + feature
        scalars |= {f"pixel_{path}": pixel, f"perceptual_{path}": feature}
    return losses, scalars


def adversarial_loss(fake_logits: Sequence[Tensor]) -> Tensor:
    """Return L_adv for E, Mi and S (Eq. 5): the sum over paths of softplus(-D(I_f)).

    Args:
        fake_logits: [N, 1] for the final images of each path, from a call of D for each.
    """
    return torch.stack([generator_loss(logits) for logits in fake_logits]).sum()


def full_objective(
    L_rg: Tensor | float,
    L_rr: Tensor,
    L_adv: Tensor | float,
    *,
    lambda_r1: float,
    lambda_r2: float,
    lambda_a: Tensor | float,
) -> Tensor:
    """Return the full objective of E and Mi in stage 1, and of S in stage 2.

    Source: the paper, Eq. 6; the weights are those of Appendix B.
    """
    return lambda_r1 * L_rg + lambda_r2 * L_rr + lambda_a * L_adv


def discriminate(
    discriminator: Discriminator, images: Tensor, dtype: torch.dtype, labels: Tensor | None = None
) -> Tensor:
    """Return logits [N, 1] in D's own dtype of [N, 3, R, R], with feature maps of another.

    Without labels, a class-conditional D gets a uniform one: the stages want to know whether an
    image is real, whatever it shows.
    """
    num_classes = discriminator.config.num_classes
    if num_classes and labels is None:
        labels = images.new_full((len(images), num_classes), 1 / num_classes)
    return discriminator(images.to(dtype, memory_format=torch.channels_last), labels)


def discriminator_objective(
    logits_of: Callable[[Tensor], Tensor],
    real: Tensor,
    fake_logits: Sequence[Tensor],
    r1_weight: float,
) -> tuple[Tensor, dict[str, Tensor]]:
    """Return what D minimises: its side of Eq. 5 and R1; and scalars to log.

    Args:
        logits_of: images to logits.
        real: [N, 3, R, R].
        fake_logits: [N, 1] for each path.
        r1_weight: of the R1 term; 0 leaves it out.
    """
    real = real.detach().requires_grad_(r1_weight > 0)
    real_logits = logits_of(real)
    loss = discriminator_loss(real_logits, *fake_logits)
    gap = real_logits.mean() - torch.stack([logits.mean() for logits in fake_logits]).mean()
    scalars = {"d_loss": loss, "d_gap": gap}
    if r1_weight:
        scalars["r1"] = r1_penalty(real_logits, real).mean()
        loss = loss + scalars["r1"] * r1_weight
    return loss, scalars


def generator_loss(fake_logits: Tensor) -> Tensor:
    """Return softplus(-D(fake)), which is low where D takes fakes for real.

    Source: Goodfellow et al. 2014, arXiv:1406.2661 (non-saturating form).
    """
    return F.softplus(-fake_logits).mean()


def discriminator_loss(real_logits: Tensor, *fake_logits: Tensor) -> Tensor:
    """Return the sum over fakes of softplus(D(fake)) + softplus(-D(real)).

    With two fakes the real term counts twice: the paper, Eq. 5.
    """
    real = F.softplus(-real_logits).mean() * len(fake_logits)
    return real + sum(F.softplus(logits).mean() for logits in fake_logits)


def r1_penalty(real_logits: Tensor, real: Tensor) -> Tensor:
    """Return |grad D(real)|^2, the squared norm per image, [N].

    Args:
        real_logits: [N, 1], computed from real.
        real: [N, 3, R, R] that requires a gradient.

    Source: Mescheder et al. 2018, arXiv:1801.04406.
    """
    (gradient,) = torch.autograd.grad(real_logits.sum(), real, create_graph=True)
    return gradient.square().sum(dim=(1, 2, 3))
