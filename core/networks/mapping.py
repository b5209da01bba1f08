"""The mapping network: random latent z to style code w."""

import itertools

import torch
from torch import Tensor, nn

from .config import GeneratorConfig
from .layers import EqualizedLinear

# A power of two: the product is exact, and equal on every device. Half of float32's 24 bits remain.
_SMALL_DIGITS = 4096.0


def normalize_second_moment(x: Tensor) -> Tensor:
    """Scale each row of [N, C] to a mean square of one.

    Source: Karras et al. 2019, arXiv:1812.04948 (pixel norm of the latent).
    """
    return x * torch.rsqrt(x.square().mean(dim=1, keepdim=True) + 1e-8)


class MappingNetwork(nn.Module):
    """z [N, z_dim] (and labels) to w [N, D].

    Source: Karras et al. 2020, arXiv:1912.04958; eight layers, learning rate multiplier 0.01.
    """

    w_avg: Tensor

    def __init__(self, config: GeneratorConfig) -> None:
        super().__init__()
        self.num_classes = config.num_classes
        width = config.z_dim
        if config.num_classes:
            self.embed = EqualizedLinear(config.num_classes, config.w_dim)
            width += config.w_dim
        widths = [width] + [config.w_dim] * config.mapping_depth
        self.layers = nn.Sequential(
            *(
                EqualizedLinear(
                    a, b, activation="lrelu", lr_multiplier=config.mapping_lr_multiplier
                )
                for a, b in itertools.pairwise(widths)
            )
        )
        self.register_buffer("w_avg", torch.zeros(config.w_dim))

    def forward(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        """Map z [N, z_dim] and one-hot labels [N, num_classes] to w [N, D].

        z is normalised here, the label's embedding likewise; the two are joined. Without labels
        each latent takes the class of `classes_of`.
        """
        x = normalize_second_moment(z)
        if self.num_classes:
            if labels is None:
                labels = self.classes_of(z)
            x = torch.cat([x, normalize_second_moment(self.embed(labels))], dim=1)
        return self.layers(x)

    def classes_of(self, z: Tensor) -> Tensor:
        """Return a class for each latent [N, z_dim], one-hot [N, num_classes].

        All classes are equally likely, and a latent always has the same one: it is decided by
        digits of the latent's first number that are too small to affect w.
        """
        digits = (z[:, 0].float() * _SMALL_DIGITS).frac().abs()
        index = (digits * self.num_classes).long()
        return (index[:, None] == torch.arange(self.num_classes, device=z.device)).to(z.dtype)
