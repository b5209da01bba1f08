"""The mapping network: random latent z to style code w."""

import itertools

import torch
from torch import Tensor, nn

from .config import GeneratorConfig
from .layers import EqualizedLinear


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

        z is normalised here, the label's embedding likewise; the two are joined.
        """
        x = normalize_second_moment(z)
        if self.num_classes:
            if labels is None:
                labels = z.new_zeros(len(z), self.num_classes)
            x = torch.cat([x, normalize_second_moment(self.embed(labels))], dim=1)
        return self.layers(x)
