"""Number formats that the networks compute in, and which of them a device computes natively."""

import re

import torch

from .checks import check_choice

_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}

PRECISIONS = ("auto", *_DTYPES)
"""Types of the networks' feature maps; `auto` is the fastest that the device computes natively."""

# Their GPUs have no tensor cores; convolutions in float16 gain nothing there, and return NaN with
# some versions of cuDNN.
_TURING_WITHOUT_TENSOR_CORES = re.compile(
    r"\b(GTX 16\d\d|CMP 30HX|MX[45]50|T(5[05]0|600|1[02]00|2000))\b"
)


def feature_dtype(precision: str, device: torch.device) -> torch.dtype:
    """Return the type of feature maps for a precision.

    auto: bfloat16 where the device computes it natively; else float16 on GPUs that have tensor
    cores for it; else float32.

    Args:
        precision: one of `PRECISIONS`.
        device: where the networks are.

    Raises:
        InputError: unknown precision.
    """
    check_choice(precision, "precision", PRECISIONS)
    if precision != "auto":
        return _DTYPES[precision]
    if has_bfloat16(device):
        return torch.bfloat16
    return torch.float16 if _has_float16(device) else torch.float32


def has_bfloat16(device: torch.device) -> bool:
    """Return whether a device computes bfloat16 natively.

    Emulated on a CPU, it has a third of float32's speed. With AVX512-BF16 alone, without AMX, it
    has 1.5 times the speed (bundled model, Zen 4).
    """
    if device.type == "cuda":
        with torch.cuda.device(device):
            return torch.cuda.is_bf16_supported(including_emulation=False)
    is_cpu = device.type == "cpu"
    return is_cpu and (torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported())


def _has_float16(device: torch.device) -> bool:
    """Return whether a GPU of before bfloat16 has tensor cores for float16."""
    if device.type != "cuda" or torch.cuda.get_device_capability(device)[0] != 7:
        return False
    name = torch.cuda.get_device_name(device)
    return _TURING_WITHOUT_TENSOR_CORES.search(name) is None
