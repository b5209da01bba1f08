"""What the present machine is and supports, and what a run uses of it."""

import platform
import sys
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor, nn

from ..core.heap import keep_freed_memory
from ..core.precision import has_bfloat16

Network = TypeVar("Network", bound=nn.Module)


def feature_dtype(precision: str, device: torch.device) -> torch.dtype:
    """Return the dtype of feature maps for a recipe's `precision`.

    auto: as `Inpainter` has it, but never float16, which would need its losses scaled.
    """
    is_used = has_bfloat16(device) if precision == "auto" else precision == "bfloat16"
    return torch.bfloat16 if is_used else torch.float32


def device_name(device: torch.device) -> str:
    """Return the name of the GPU or CPU."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
        return next(line.split(": ")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):  # not Linux
        return platform.processor() or platform.machine()


def place(network: Network, device: torch.device) -> Network:
    """Move a network to the device, its weights to the memory format of fast convolutions."""
    # torch's overloads of `to` lack the memory format.
    return network.to(device=device, memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]


def send(tensor: Tensor, device: torch.device) -> Tensor:
    """Copy a CPU tensor to the device without waiting for the work queued there."""
    if device.type != "cuda":
        return tensor.to(device)
    return tensor.pin_memory().to(device, non_blocking=True)


def set_fast_arithmetic() -> None:
    """Set process-wide flags for speed; only training does, core never."""
    torch.backends.cudnn.benchmark = True
    torch.backends.cuda.matmul.allow_tf32 = True
    torch.backends.cudnn.allow_tf32 = True
    # Denormals occur in vanishing gradients and slow a CPU down many times.
    torch.set_flush_denormal(True)
    keep_freed_memory()


def peak_memory_mib(device: torch.device) -> float | None:
    """Return the most memory that this process has used so far, in MiB.

    On a GPU, what PyTorch has allocated there; else the resident set of the process, or None where
    the system does not report it.
    """
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    try:
        import resource
    except ImportError:  # Windows
        return None
    unit = 1 if sys.platform == "darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20
