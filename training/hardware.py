"""What the machine at hand computes well."""

import torch


def pick_device() -> torch.device:
    """Return the CUDA device if there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def feature_dtype(precision: str, device: torch.device) -> torch.dtype:
    """Return the dtype of feature maps for a recipe's `precision`.

    A CPU without bfloat16 units emulates it at a third of float32's speed, so auto avoids it.
    """
    if precision != "auto":
        return torch.bfloat16 if precision == "bfloat16" else torch.float32
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float32
    native = torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported()
    return torch.bfloat16 if native else torch.float32


def set_fast_arithmetic() -> None:
    """Set the process-wide flags that training wants; core never does."""
    torch.backends.cudnn.benchmark = True
    torch.backends.cuda.matmul.allow_tf32 = True
    torch.backends.cudnn.allow_tf32 = True
    # Denormals appear in dying gradients and slow a CPU down many times.
    torch.set_flush_denormal(True)
