"""The perceptual term of Eqs. 2 and 3 without a downloaded network.

Features come from the discriminator that a stage begins with, frozen: it knows the domain and is
always there.
"""

import torch
from torch import Tensor, nn

from ..core.networks import Discriminator, Generator
from .ema import averaged_copy
from .seeding import generator_for

_NUM_SCALES = 3
_CALIBRATION_PAIRS = 256


class DiscriminatorFeatures(nn.Module):
    """Squared distance of channel-normalised features at R/2, R/4 and R/8.

    Its weight makes the mean over independent generated pairs equal to the pixel term's, so that
    the two terms count alike.

    Source: Zhang et al. 2018, arXiv:1801.03924 (channel normalisation); deviates from the paper's
    VGG16 where no such weights are at hand.
    """

    weight: Tensor

    def __init__(self, discriminator: Discriminator) -> None:
        super().__init__()
        self.network = averaged_copy(discriminator)
        self.register_buffer("weight", torch.ones([]))

    def features(self, images: Tensor) -> list[Tensor]:
        """Return normalised maps of pictures [N, 3, R, R], the largest first."""
        images = images.contiguous(memory_format=torch.channels_last)
        maps = self.network.features(images, _NUM_SCALES)
        return [m * torch.rsqrt(m.square().sum(dim=1, keepdim=True) + 1e-8) for m in maps]

    def forward(self, first: list[Tensor], second: list[Tensor]) -> Tensor:
        """Return the weighted mean squared distance of two lists of maps, a scalar."""
        terms = [(a - b).square().mean() for a, b in zip(first, second, strict=True)]
        return self.weight * torch.stack(terms).mean()

    @torch.no_grad()
    def calibrate(self, generator: Generator, seed: int, batch_size: int = 16) -> None:
        """Set the weight from 256 pairs of generated pictures."""
        pixel, feature = [], []
        for start in range(0, _CALIBRATION_PAIRS, batch_size):
            drawn = generator_for(seed, "perceptual", start)
            z = torch.randn(2 * batch_size, generator.config.z_dim, generator=drawn)
            w = generator.mapping(z.to(generator.w_avg.device))
            a, b = generator.synthesis(generator.broadcast(w)).chunk(2)
            pixel.append((a - b).square().mean())
            feature.append(self(self.features(a), self.features(b)))
        self.weight.mul_(torch.stack(pixel).mean() / torch.stack(feature).mean())
