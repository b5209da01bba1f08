"""The plain PyTorch backend: runs on every device, defines what the others must equal."""

import torch


def why_not(device: torch.device) -> str | None:
    """Return why nothing can be computed on a device: there is no reason."""
    return None
