"""Path length regularisation: steps of one length in W change images by about one amount.

A generator that is smooth in this sense is easier to invert, and it is what stages 1 and 2 invert.
"""

import math

import torch
from torch import Tensor, nn

_DECAY = 0.01
"""Share of a new measurement in the running mean, as in NVlabs' code."""


class PathLength(nn.Module):
    """The penalty (|J_w^T y| - a)^2, where a is the running mean of the lengths.

    Source: Karras et al. 2020, arXiv:1912.04958, section 3.2 and appendix B; deviates from NVlabs'
    code in leaving out of a what the present batch adds, so that it does not depend on how batches
    are split.
    """

    mean: Tensor
    """a, a scalar."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros([]))

    def forward(self, lengths: Tensor) -> Tensor:
        """Return the mean penalty of lengths [N], a scalar.

        Gradients: with respect to lengths.
        """
        return (lengths - self.mean).square().mean()

    @torch.no_grad()
    def update(self, length: Tensor) -> None:
        """Let the running mean follow the mean length of a batch, a scalar."""
        self.mean.lerp_(length.to(self.mean.dtype), _DECAY)


def path_lengths(images: Tensor, ws: Tensor, noise: Tensor) -> Tensor:
    """Return |J_w^T y| of each sample, [N]: how much a random image changes with its codes.

    Args:
        images: [N, 3, H, W], computed from ws.
        ws: [N, L, D] style codes; the squared length is the mean over L.
        noise: [N, 3, H, W] standard normal, y sqrt(H W).

    Gradients: with respect to what images were computed from, any order.
    """
    y = noise / math.sqrt(images.shape[2] * images.shape[3])
    (gradient,) = torch.autograd.grad((images * y).sum(), ws, create_graph=True)
    return gradient.square().sum(dim=2).mean(dim=1).sqrt()
