"""Random numbers that depend on (seed, purpose, position) alone, so that a run resumes exactly.

`core/distributed.py` has those of a batch that several processes compute.
"""

import hashlib

import torch


def seed_for(seed: int, purpose: str, position: int) -> int:
    """Return the seed of a generator."""
    digest = hashlib.sha256(f"{seed}/{purpose}/{position}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def rng_for(
    seed: int, purpose: str, position: int, device: torch.device | str = "cpu"
) -> torch.Generator:
    """Return a fresh generator; equal arguments give equal numbers on one kind of device."""
    return torch.Generator(device).manual_seed(seed_for(seed, purpose, position))
