"""What the machine at hand computes well."""

import platform
from pathlib import Path

import torch
from torch import Tensor


def feature_dtype(precision: str, device: torch.device) -> torch.dtype:
    """Return the dtype of feature maps for a recipe's `precision`.

    Without bfloat16 units it is emulated, on a CPU at a third of float32's speed: auto avoids that.
    """
    if precision != "auto":
        return torch.bfloat16 if precision == "bfloat16" else torch.float32
    if device.type == "cuda":
        able = torch.cuda.is_bf16_supported(including_emulation=False)
        return torch.bfloat16 if able else torch.float32
    native = torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported()
    return torch.bfloat16 if native else torch.float32


def device_name(device: torch.device) -> str:
    """Return what computes, as its maker names it."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
        return next(line.split(": ")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):  # no Linux
        return platform.processor() or platform.machine()


def send(tensor: Tensor, device: torch.device) -> Tensor:
    """Return a CPU tensor on the device, without waiting for what that has still to compute."""
    if device.type != "cuda":
        return tensor.to(device)
    return tensor.pin_memory().to(device, non_blocking=True)


def set_fast_arithmetic() -> None:
    """Set the process-wide flags that training wants; core never does."""
    torch.backends.cudnn.benchmark = True
    torch.backends.cuda.matmul.allow_tf32 = True
    torch.backends.cudnn.allow_tf32 = True
    # Denormals appear in dying gradients and slow a CPU down many times.
    torch.set_flush_denormal(True)
