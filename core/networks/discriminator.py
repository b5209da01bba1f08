"""The residual StyleGAN2 discriminator."""

import math

import torch
from torch import Tensor, nn

from ..errors import InputError
from .config import DiscriminatorConfig
from .layers import EqualizedConv2d, EqualizedLinear
from .mapping import normalize_second_moment


class ResidualBlock(nn.Module):
    """Two convolutions and a 1x1 shortcut, both halving the size; the sum keeps the variance."""

    def __init__(self, in_channels: int, out_channels: int, clamp: float | None = None) -> None:
        super().__init__()
        self.conv0 = EqualizedConv2d(in_channels, in_channels, 3, activation="lrelu", clamp=clamp)
        self.conv1 = EqualizedConv2d(
            in_channels, out_channels, 3, activation="lrelu", down=2, clamp=clamp
        )
        self.skip = EqualizedConv2d(in_channels, out_channels, 1, bias=False, down=2)

    def forward(self, x: Tensor) -> Tensor:
        """Map [N, in, H, W] to [N, out, H/2, W/2]."""
        half = math.sqrt(0.5)
        return self.conv1(self.conv0(x), gain=half) + self.skip(x, gain=half)


def minibatch_stddev(x: Tensor, group_size: int, num_channels: int) -> Tensor:
    """Append the mean standard deviation over each group of samples as channels.

    Samples i, i + N/G, i + 2N/G, ... form a group of G = min(group_size, N); the batch must be
    divisible by G.

    Args:
        x: [N, C, H, W].
        group_size: samples per group.
        num_channels: channels appended; C must be divisible by it.

    Returns:
        [N, C + num_channels, H, W].

    Source: Karras et al. 2018, arXiv:1710.10196, section 3.
    """
    N, C, H, W = x.shape
    G = min(group_size, N)
    if N % G:
        raise InputError(
            f"a batch divisible by the standard-deviation group of {G}",
            f"{N} samples",
            "Change the batch size or stddev_group_size.",
        )
    groups = x.reshape(G, N // G, num_channels, C // num_channels, H, W)
    deviation = (groups - groups.mean(dim=0)).square().mean(dim=0)
    deviation = (deviation + 1e-8).sqrt().mean(dim=(2, 3, 4))
    deviation = deviation.reshape(1, N // G, num_channels, 1, 1)
    deviation = deviation.expand(G, -1, -1, H, W).reshape(N, num_channels, H, W)
    return torch.cat([x, deviation], dim=1)


class Discriminator(nn.Module):
    """D: images [N, 3, R, R] in about [-1, 1] to logits [N, 1]; high for real ones.

    Source: Karras et al. 2020, arXiv:1912.04958, Fig. 7 (c); with labels, projection as in
    Karras et al. 2020, arXiv:2006.06676.
    """

    def __init__(self, config: DiscriminatorConfig) -> None:
        super().__init__()
        self.config = config
        sides = [2**i for i in range(int(math.log2(config.resolution)), 2, -1)]
        channels, clamp = config.channels(4), config.conv_clamp
        self.from_rgb = EqualizedConv2d(
            3, config.channels(sides[0]), 1, activation="lrelu", clamp=clamp
        )
        self.blocks = nn.ModuleList(
            ResidualBlock(config.channels(side), config.channels(side // 2), clamp)
            for side in sides
        )
        self.conv = EqualizedConv2d(
            channels + config.stddev_channels, channels, 3, activation="lrelu", clamp=clamp
        )
        self.dense = EqualizedLinear(channels * 16, channels, activation="lrelu")
        self.out = EqualizedLinear(channels, channels if config.num_classes else 1)
        if config.num_classes:
            self.embed = EqualizedLinear(config.num_classes, channels)
            self.label_layers = nn.Sequential(
                *(
                    EqualizedLinear(channels, channels, activation="lrelu", lr_multiplier=0.01)
                    for _ in range(config.mapping_depth)
                )
            )

    def features(self, image: Tensor, num_blocks: int | None = None) -> list[Tensor]:
        """Return the feature maps after the first num_blocks blocks, or all, the largest first."""
        x = self.from_rgb(image)
        maps: list[Tensor] = []
        for block in self.blocks[:num_blocks]:
            x = block(x)
            maps.append(x)
        return maps

    def forward(self, image: Tensor, labels: Tensor | None = None) -> Tensor:
        """Return logits [N, 1]; labels one-hot [N, num_classes] where the network has them."""
        x = self.features(image)[-1].to(self.out.weight.dtype)
        x = minibatch_stddev(x, self.config.stddev_group_size, self.config.stddev_channels)
        x = self.out(self.dense(self.conv(x).flatten(1)))
        if not self.config.num_classes:
            return x
        if labels is None:
            raise InputError(
                "one-hot labels", "none", "This discriminator was trained with labels."
            )
        label = self.label_layers(normalize_second_moment(self.embed(labels)))
        return (x * label).sum(dim=1, keepdim=True) / math.sqrt(x.shape[1])
