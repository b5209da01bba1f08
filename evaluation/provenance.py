"""What the values of a network depend on, and how it is run so that they depend on nothing else."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

_BATCH = 32


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """All that the values of a network depend on, besides the pictures."""

    name: str
    """Network and library, with its version."""
    weights_sha256: str
    """Of the weight file; empty for a function without one."""
    treatment: str
    """What a picture goes through before the network."""

    @property
    def identity(self) -> str:
        """SHA-256 of the three."""
        facts = "\n".join([self.name, self.weights_sha256, self.treatment])
        return hashlib.sha256(facts.encode()).hexdigest()


@torch.inference_mode()
def in_full_batches(compute: Callable[..., Tensor], *inputs: Tensor) -> Tensor:
    """Run a function of one or more batches in chunks of one size, the last one filled up.

    Libraries choose another algorithm, with other rounding, for another batch size: in equal
    chunks the value of a picture does not depend on how many others come with it.

    Args:
        compute: batches of equal length to [length, ...].
        inputs: each [n, ...], n at least 1.

    Returns:
        [n, ...] float32 on the CPU.
    """
    parts = []
    for chunks in zip(*(values.split(_BATCH) for values in inputs), strict=True):
        size = len(chunks[0])
        full = [torch.cat([c, c[-1:].expand(_BATCH - size, *c.shape[1:])]) for c in chunks]
        parts.append(compute(*full)[:size].float().cpu())
    return torch.cat(parts)
