"""What the prior's G makes while it trains: samples with mixed styles and random noise."""

from collections.abc import Mapping

import torch
from torch import Tensor

from ..core.distributed import Draws, Shard
from ..core.networks import Generator
from ..core.rng import rng_for
from .data import Photographs
from .hardware import send
from .path_length import path_lengths


class Sampler:
    """Draws samples of G that depend on (seed, purpose, images seen) alone.

    Args:
        generator: G, on its device.
        photographs: whose labels the samples have.
        seed: of the latents.
        style_mixing: fraction of samples with two latents.
        noise: whether feature maps get random noise.
        dtype: of the feature maps.
    """

    def __init__(
        self,
        generator: Generator,
        photographs: Photographs,
        *,
        seed: int,
        style_mixing: float,
        noise: bool,
        dtype: torch.dtype,
    ) -> None:
        self._generator, self._photographs = generator, photographs
        self._seed, self._style_mixing, self._noise = seed, style_mixing, noise
        self._dtype = dtype

    def draw(self, purpose: str, start: int, num: int, shard: Shard) -> dict[str, Tensor]:
        """Return what the shard of num samples is made of, on the device of G.

        `keep` [N, L] tells which layers take the first of a sample's two latents: style mixing.
        """
        draws = Draws(rng_for(self._seed, purpose, start), shard)
        N = num // shard.count
        device = self._generator.w_avg.device
        z = draws.normal(N, 2, self._generator.config.z_dim)
        L = self._generator.config.num_layers
        crossing = draws.integers(1, L, N, 1)
        mixed = draws.uniform(N, 1) < self._style_mixing
        keep = (torch.arange(L)[None] < crossing) | ~mixed
        return {
            "labels": self._photographs.random_labels(start, num, shard),
            "z": send(z, device),
            "keep": send(keep, device),
        }

    def codes(self, drawn: Mapping[str, Tensor]) -> Tensor:
        """Return the style codes [N, L, D] of what was drawn."""
        z, keep = drawn["z"], drawn["keep"]  # two latents for each sample, [N, 2, Z]
        labels = drawn["labels"].repeat_interleave(2, dim=0)
        codes = self._generator.mapping(z.flatten(0, 1), labels)
        w, other = codes[::2], codes[1::2]
        return torch.where(keep[:, :, None], w[:, None], other[:, None])

    def synthesize(self, codes: Tensor, noise: Draws) -> Tensor:
        """Return samples, [N, 3, R, R] in about [-1, 1]."""

        def draw(x: Tensor) -> Tensor:
            return noise.normal(len(x), 1, *x.shape[2:], dtype=x.dtype)

        return self._generator.synthesis(
            codes,
            draw if self._noise else "none",
            dtype=self._dtype,
            memory_format=torch.channels_last,
        )

    def path_lengths(self, drawn: Mapping[str, Tensor], noise: Draws) -> Tensor:
        """Return the path lengths of what was drawn, [N]."""
        codes = self.codes(drawn)
        images = self.synthesize(codes, noise)
        return path_lengths(images, codes, noise.normal(len(images), *images.shape[1:]))
