"""The Triton backend: one pass over memory where plain PyTorch takes several. CUDA only.

An op that is not here runs on the reference: its cost is in cuBLAS and cuDNN anyway.
"""

import os
import subprocess

import torch


def why_not(device: torch.device) -> str | None:
    """Return why no kernel can be launched on a device, or None.

    Triton's interpreter runs kernels on a CPU. Elsewhere Triton compiles a launcher with the
    machine's C compiler, which may be absent, and old GPUs have no bfloat16.
    """
    is_interpreted = os.environ.get("TRITON_INTERPRET") == "1"  # Triton's own switch
    if device.type != "cuda" and not (device.type == "cpu" and is_interpreted):
        return "requires CUDA"
    from triton.errors import TritonError

    from .bias_act import bias_act

    try:
        bias_act(torch.ones(1, 1, device=device, dtype=torch.bfloat16), None, None, None, 0.2, 1.0)
    except (RuntimeError, OSError, subprocess.CalledProcessError, TritonError) as error:
        return (str(error).strip().splitlines() or [type(error).__name__])[0]
    return None
