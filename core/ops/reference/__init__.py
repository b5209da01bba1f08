"""The plain PyTorch backend: runs on every device and defines what the others must return."""

import torch


def why_not(device: torch.device) -> str | None:
    """Return None: this backend runs on every device."""
    return None
