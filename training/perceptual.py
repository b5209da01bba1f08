"""The perceptual term of Eqs. 2 and 3: features of VGG16, or of a discriminator."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from ..core.networks import Discriminator, DiverseInpaintingModel, Generator
from ..core.rng import rng_for
from .config import PerceptualConfig
from .ema import averaged_copy
from .vgg import load_vgg16

_NUM_SCALES = 3


class PerceptualLoss(nn.Module, ABC):
    """Weighted squared distance between the features of images; frozen.

    Attributes:
        weight: of the distance, a scalar.
        facts: what the features depend on, for the checkpoint's metadata.
    """

    combine: Callable[[Tensor], Tensor]
    """Makes one distance of those of the feature maps, [K]."""
    weight: Tensor
    facts: Mapping[str, str | list[str]]

    @abstractmethod
    def features(self, images: Tensor) -> list[Tensor]:
        """Return feature maps of images [N, 3, R, R] in about [-1, 1].

        Gradients: with respect to images.
        """

    def forward(self, first: list[Tensor], second: list[Tensor]) -> Tensor:
        """Return the loss between two results of `features`, a scalar."""
        maps = zip(first, second, strict=True)
        return self.weight * self.combine(torch.stack([(a - b).square().mean() for a, b in maps]))


class VGG16PerceptualLoss(PerceptualLoss):
    """Mean squared distance of VGG16's features, summed over the layers.

    Source: the paper, Eqs. 2 and 3 and Appendix B. It leaves the layers j open; a single one,
    relu4_3, is what its authors' laboratory uses elsewhere.
    """

    combine = staticmethod(torch.sum)

    def __init__(self, config: PerceptualConfig) -> None:
        super().__init__()
        self.network, sha256 = load_vgg16(config.weights, config.layers)
        self.facts = {"network": "vgg16", "sha256": sha256, "layers": list(config.layers)}
        self.register_buffer("weight", torch.tensor(config.weight))

    def features(self, images: Tensor) -> list[Tensor]:
        """Return the feature maps of the chosen layers."""
        return self.network(images)


class DiscriminatorPerceptualLoss(PerceptualLoss):
    """Mean squared distance of a discriminator's normalised features at R/2, R/4 and R/8.

    The network is a frozen copy of the discriminator that a stage starts from: it knows the domain
    and is always available. `calibrate` sets the weight so that this term counts as much as the
    pixel term.

    Source: Zhang et al. 2018, arXiv:1801.03924 (features normalised over their channels). Deviates
    from the paper's VGG16, for use where its weights are not at hand.
    """

    combine = staticmethod(torch.mean)

    def __init__(self, discriminator: Discriminator, dtype: torch.dtype) -> None:
        super().__init__()
        self.network = averaged_copy(discriminator)
        self.facts = {"network": "discriminator"}  # all else follows from the stage's source
        self._dtype = dtype
        self.register_buffer("weight", torch.ones([]))

    def features(self, images: Tensor) -> list[Tensor]:
        """Return normalised feature maps, the largest first."""
        exact = images.dtype
        images = images.to(self._dtype, memory_format=torch.channels_last)
        maps = [m.to(exact) for m in self.network.features(images, _NUM_SCALES)]
        return [m * torch.rsqrt(m.square().sum(dim=1, keepdim=True) + 1e-8) for m in maps]

    @torch.no_grad()
    def calibrate(
        self, generator: Generator, seed: int, num_pairs: int, batch_size: int = 16
    ) -> None:
        """Set the weight so that pairs of independent samples have the pixel term's mean loss.

        Args:
            generator: makes the samples.
            seed: of their latents.
            num_pairs: number of pairs, rounded up to whole batches.
            batch_size: pairs per batch.
        """
        pixel, feature = [], []
        for start in range(0, num_pairs, batch_size):
            drawn = rng_for(seed, "perceptual", start)
            z = torch.randn(2 * batch_size, generator.config.z_dim, generator=drawn)
            w = generator.mapping(z.to(generator.w_avg.device))
            a, b = generator.synthesis(generator.broadcast(w)).chunk(2)
            pixel.append((a - b).square().mean())
            feature.append(self(self.features(a), self.features(b)))
        self.weight.mul_(torch.stack(pixel).mean() / torch.stack(feature).mean())


def build_perceptual_loss(
    config: PerceptualConfig, model: DiverseInpaintingModel, seed: int
) -> PerceptualLoss:
    """Return the perceptual term that a recipe asks for, on the model's device.

    Args:
        config: which network.
        model: what a stage starts from. Its discriminator gives the features, in its feature_dtype,
            and its generator the samples that calibrate them; VGG16 needs neither.
        seed: of the samples.

    Raises:
        ConfigError, CheckpointError: see `load_vgg16`.
    """
    device = model.generator.w_avg.device
    if config.network == "vgg16":
        return VGG16PerceptualLoss(config).to(device)
    assert model.discriminator is not None, "every stage trains one"
    loss = DiscriminatorPerceptualLoss(model.discriminator, model.feature_dtype).to(device)
    # Measured in each stage: D has learned since the last one, and the weight depends on D.
    loss.calibrate(model.generator, seed, config.calibration_pairs)
    return loss
