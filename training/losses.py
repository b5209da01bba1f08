"""Loss terms, each the mean over a batch."""

import torch
import torch.nn.functional as F
from torch import Tensor


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
    return gradient.float().square().sum(dim=(1, 2, 3))
