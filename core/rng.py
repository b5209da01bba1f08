"""Random numbers that depend on (seed, purpose, position) alone.

A run resumes exactly, and any number of processes draws what one would.
"""

import hashlib
from dataclasses import dataclass

import torch
from torch import Tensor


def seed_for(seed: int, purpose: str, position: int) -> int:
    """Return the seed of a generator."""
    digest = hashlib.sha256(f"{seed}/{purpose}/{position}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def generator_for(
    seed: int, purpose: str, position: int, device: torch.device | str = "cpu"
) -> torch.Generator:
    """Return a fresh generator; equal arguments give equal numbers on one kind of device."""
    return torch.Generator(device).manual_seed(seed_for(seed, purpose, position))


@dataclass(frozen=True)
class Shard:
    """The samples of a micro-batch that one process computes.

    The discriminator's standard-deviation group j of N samples is {j, j + N/G, j + 2N/G, ...}, so
    that N reads as [G, N/G]. Each of P processes takes N/(G P) neighbouring columns of it: whole
    groups, which then are the groups of its own N/P samples.
    """

    index: int = 0
    """Of the process."""
    count: int = 1
    """P, processes."""
    group_size: int = 1
    """G, samples of a group."""

    def take(self, whole: Tensor) -> Tensor:
        """Return the own samples of [N, ...], in their order, [N/P, ...]."""
        groups = whole.unflatten(0, (self.group_size, self.count, -1))
        return groups[:, self.index].flatten(0, 1)


WHOLE = Shard()
"""All samples."""


@dataclass(frozen=True)
class Draws:
    """Random numbers for a shard: drawn for the whole micro-batch, then cut.

    That is a waste, but a small one (a feature map's noise has one channel), and equal whatever the
    number of processes.
    """

    generator: torch.Generator
    shard: Shard = WHOLE

    def uniform(self, num: int, *shape: int, dtype: torch.dtype | None = None) -> Tensor:
        """Return numbers in [0, 1) for num own samples, [num, *shape]."""
        return self.shard.take(self._empty(num, shape, dtype).uniform_(generator=self.generator))

    def normal(self, num: int, *shape: int, dtype: torch.dtype | None = None) -> Tensor:
        """Return normal numbers for num own samples, [num, *shape]."""
        return self.shard.take(self._empty(num, shape, dtype).normal_(generator=self.generator))

    def integers(self, low: int, high: int, num: int, *shape: int) -> Tensor:
        """Return int64 numbers from low to high - 1 for num own samples, [num, *shape]."""
        whole = self._empty(num, shape, torch.int64)
        return self.shard.take(whole.random_(low, high, generator=self.generator))

    def _empty(self, num: int, shape: tuple[int, ...], dtype: torch.dtype | None) -> Tensor:
        size = (num * self.shard.count, *shape)
        return torch.empty(size, device=self.generator.device, dtype=dtype)
