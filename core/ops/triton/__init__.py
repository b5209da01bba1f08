"""The Triton backend: one pass over memory where plain PyTorch takes several. CUDA only.

An op that is not here runs on the reference: its cost is in cuBLAS and cuDNN anyway.
"""

import os

import torch


def runs_on(device: torch.device) -> bool:
    """Tell whether the kernels run on a device; Triton's interpreter runs them on a CPU."""
    is_interpreted = os.environ.get("TRITON_INTERPRET") == "1"  # Triton's own switch
    return device.type == "cuda" or (device.type == "cpu" and is_interpreted)
