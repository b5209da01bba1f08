"""The perceptual term of Eqs. 2 and 3: VGG16's features, or those of a discriminator."""

from abc import ABC, abstractmethod
from typing import Any

import torch
from torch import Tensor, nn

from ..core.networks import Discriminator, Generator
from ..core.rng import generator_for
from .config import PerceptualConfig
from .ema import averaged_copy
from .vgg import load_vgg16

_NUM_SCALES = 3


class PerceptualTerm(nn.Module, ABC):
    """Weighted squared distance of features; frozen."""

    weight: Tensor

    @abstractmethod
    def features(self, images: Tensor) -> list[Tensor]:
        """Return maps of pictures [N, 3, R, R] in about [-1, 1].

        Gradients: with respect to images.
        """

    @abstractmethod
    def forward(self, first: list[Tensor], second: list[Tensor]) -> Tensor:
        """Return the term for two lists of maps, a scalar."""

    @property
    @abstractmethod
    def facts(self) -> dict[str, Any]:
        """What the features depend on, plain data for checkpoints."""


class VGG16Term(PerceptualTerm):
    """The sum over layers of the mean squared distance.

    Source: the paper, Eqs. 2 and 3 and Appendix B; one layer, relu4_3, is its laboratory's habit.
    """

    def __init__(self, config: PerceptualConfig) -> None:
        super().__init__()
        self.network, self._digest = load_vgg16(config.weights, config.layers)
        self._layers = config.layers
        self.register_buffer("weight", torch.tensor(config.weight))

    def features(self, images: Tensor) -> list[Tensor]:
        """Return the maps of the chosen layers."""
        return self.network(images)

    def forward(self, first: list[Tensor], second: list[Tensor]) -> Tensor:
        """Return the weighted sum over the layers, a scalar."""
        terms = [(a - b).square().mean() for a, b in zip(first, second, strict=True)]
        return self.weight * torch.stack(terms).sum()

    @property
    def facts(self) -> dict[str, Any]:
        """Name, file and layers."""
        return {"network": "vgg16", "sha256": self._digest, "layers": list(self._layers)}


class DiscriminatorTerm(PerceptualTerm):
    """Squared distance of channel-normalised features at R/2, R/4 and R/8.

    The network is the discriminator that a stage begins with, frozen: it knows the domain and is
    always there. The weight makes the mean over independent generated pairs equal to the pixel
    term's, so that the two terms count alike.

    Source: Zhang et al. 2018, arXiv:1801.03924 (channel normalisation); deviates from the paper's
    VGG16 where no such weights are at hand.
    """

    def __init__(self, discriminator: Discriminator, dtype: torch.dtype) -> None:
        super().__init__()
        self.network = averaged_copy(discriminator)
        self._dtype = dtype
        self.register_buffer("weight", torch.ones([]))

    def features(self, images: Tensor) -> list[Tensor]:
        """Return normalised maps, the largest first."""
        exact = images.dtype
        images = images.to(self._dtype, memory_format=torch.channels_last)
        maps = [m.to(exact) for m in self.network.features(images, _NUM_SCALES)]
        return [m * torch.rsqrt(m.square().sum(dim=1, keepdim=True) + 1e-8) for m in maps]

    def forward(self, first: list[Tensor], second: list[Tensor]) -> Tensor:
        """Return the weighted mean over the three sizes, a scalar."""
        terms = [(a - b).square().mean() for a, b in zip(first, second, strict=True)]
        return self.weight * torch.stack(terms).mean()

    @property
    def facts(self) -> dict[str, Any]:
        """The name: the rest is the checkpoint that the stage begins with."""
        return {"network": "discriminator"}

    @torch.no_grad()
    def calibrate(
        self, generator: Generator, seed: int, num_pairs: int, batch_size: int = 16
    ) -> None:
        """Set the weight from num_pairs pairs of generated pictures."""
        pixel, feature = [], []
        for start in range(0, num_pairs, batch_size):
            drawn = generator_for(seed, "perceptual", start)
            z = torch.randn(2 * batch_size, generator.config.z_dim, generator=drawn)
            w = generator.mapping(z.to(generator.w_avg.device))
            a, b = generator.synthesis(generator.broadcast(w)).chunk(2)
            pixel.append((a - b).square().mean())
            feature.append(self(self.features(a), self.features(b)))
        self.weight.mul_(torch.stack(pixel).mean() / torch.stack(feature).mean())


def perceptual_term(
    config: PerceptualConfig,
    generator: Generator,
    discriminator: Discriminator,
    seed: int,
    dtype: torch.dtype,
) -> PerceptualTerm:
    """Return the term that a recipe asks for, on the generator's device.

    Args:
        config: which.
        generator: makes the pairs that weigh the discriminator's features.
        discriminator: whose features they are; VGG16 has its own.
        seed: of the pairs.
        dtype: of the discriminator's feature maps; VGG16's, of values up to 255, are exact.

    Raises:
        ConfigError, CheckpointError: see `load_vgg16`.
    """
    device = generator.w_avg.device
    if config.network == "vgg16":
        return VGG16Term(config).to(device)
    term = DiscriminatorTerm(discriminator, dtype).to(device)
    # Anew in each stage: D has learned since, and a weight belongs to its network.
    term.calibrate(generator, seed, config.calibration_pairs)
    return term
