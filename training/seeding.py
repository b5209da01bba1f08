"""Random generators that depend on (seed, purpose, position) alone: a run resumes exactly."""

import hashlib

import torch


def generator_for(
    seed: int, purpose: str, position: int, device: torch.device | str = "cpu"
) -> torch.Generator:
    """Return a fresh generator; equal arguments give equal numbers on one kind of device."""
    digest = hashlib.sha256(f"{seed}/{purpose}/{position}".encode()).digest()
    return torch.Generator(device).manual_seed(int.from_bytes(digest[:8], "big") >> 1)
