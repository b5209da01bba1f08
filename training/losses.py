"""Loss terms, each the mean over a batch."""

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from ..core.networks import Discriminator


def generator_loss(fake_logits: Tensor) -> Tensor:
    """Return softplus(-D(fake)): low where D takes the fake for real.

    Source: Goodfellow et al. 2014, arXiv:1406.2661 (non-saturating form); the paper, Eq. 5.
    """
    return F.softplus(-fake_logits).mean()


def discriminator_loss(real_logits: Tensor, *fake_logits: Tensor) -> Tensor:
    """Return the sum over fakes of softplus(D(fake)) + softplus(-D(real)).

    With two fakes the real term counts twice: the paper, Eq. 5.
    """
    real = F.softplus(-real_logits).mean() * len(fake_logits)
    return real + sum(F.softplus(logits).mean() for logits in fake_logits)


def r1_penalty(real_logits: Tensor, real: Tensor) -> Tensor:
    """Return |grad D(real)|^2, the squared norm per picture, [N].

    Args:
        real_logits: [N, 1], computed from real.
        real: [N, 3, R, R] that requires a gradient.

    Source: Mescheder et al. 2018, arXiv:1801.04406.
    """
    (gradient,) = torch.autograd.grad(real_logits.sum(), real, create_graph=True)
    return gradient.square().sum(dim=(1, 2, 3))


def judge(
    discriminator: Discriminator, images: Tensor, dtype: torch.dtype, labels: Tensor | None = None
) -> Tensor:
    """Return logits [N, 1] in D's own dtype of [N, 3, R, R], with feature maps of another.

    Without labels, a D with classes is asked about all of them in equal parts: the stages want to
    know whether a picture is real, whatever it shows.
    """
    num_classes = discriminator.config.num_classes
    if num_classes and labels is None:
        labels = images.new_full((len(images), num_classes), 1 / num_classes)
    return discriminator(images.to(dtype, memory_format=torch.channels_last), labels)


def discriminator_objective(
    judge_real: Callable[[Tensor], Tensor],
    real: Tensor,
    fake_logits: Sequence[Tensor],
    r1_weight: float,
) -> tuple[Tensor, dict[str, Tensor]]:
    """Return what D minimises, and scalars to log.

    Args:
        judge_real: pictures to logits.
        real: [N, 3, R, R].
        fake_logits: [N, 1] for each path.
        r1_weight: of the R1 term; 0 leaves it out.
    """
    real = real.detach().requires_grad_(r1_weight > 0)
    real_logits = judge_real(real)
    loss = discriminator_loss(real_logits, *fake_logits)
    gap = real_logits.mean() - torch.stack([logits.mean() for logits in fake_logits]).mean()
    scalars = {"d_loss": loss, "d_gap": gap}
    if r1_weight:
        scalars["r1"] = r1_penalty(real_logits, real).mean()
        loss = loss + scalars["r1"] * r1_weight
    return loss, scalars
