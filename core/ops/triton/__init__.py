"""The Triton backend: one pass over memory where plain PyTorch takes several. CUDA only.

An op that is not here runs on the next backend: its cost is in cuBLAS and cuDNN anyway.
"""

import torch
import triton


def runs_on(device: torch.device) -> bool:
    """Tell whether the kernels run on a device; Triton's interpreter runs them on a CPU."""
    return device.type == "cuda" or (device.type == "cpu" and triton.knobs.runtime.interpret)
