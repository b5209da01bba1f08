"""The plain PyTorch backend: runs on every device, defines what the others must equal."""

import torch


def runs_on(device: torch.device) -> bool:
    """Tell whether the backend runs on a device: on all."""
    return True
