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
    return device.type == "cpu" and (has_matrix_units(torch.bfloat16) or has_avx512_bf16())


def has_matrix_units(dtype: torch.dtype) -> bool:
    """Return whether the processor multiplies matrices of a type in units of their own (AMX)."""
    names = {torch.bfloat16: "amx_tile", torch.float16: "amx_fp16"}
    return dtype in names and _processor_has(names[dtype])


def has_avx512_bf16() -> bool:
    """Return whether the processor multiplies bfloat16 in vectors."""
    return _processor_has("avx512_bf16")


def _processor_has(what: str) -> bool:
    """Ask PyTorch, whose questions are private: a version without one answers no."""
    ask = getattr(torch.cpu, f"_is_{what}_supported", None)
    return ask is not None and bool(ask())


def _has_float16(device: torch.device) -> bool:
    """Return whether a GPU of before bfloat16 has tensor cores for float16."""
    if device.type != "cuda" or torch.cuda.get_device_capability(device)[0] != 7:
        return False
    name = torch.cuda.get_device_name(device)
    return _TURING_WITHOUT_TENSOR_CORES.search(name) is None
