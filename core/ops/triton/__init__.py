"""The Triton backend: one pass over memory where plain PyTorch takes several. CUDA only.

Ops missing here run on the reference: cuBLAS and cuDNN do most of their work anyway.
"""

import os
import subprocess

import torch


def why_not(device: torch.device) -> str | None:
    """Return why kernels cannot be launched on a device, or None.

    On a CPU only Triton's interpreter runs kernels. On CUDA, Triton compiles a launcher with the
    machine's C compiler, which may be missing, and old GPUs lack bfloat16.
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
