"""Devices by name."""

import torch

from .errors import InputError

# What torch raises for names that it does not know, other types, and devices that are not there.
_UNUSABLE = (
    *(RuntimeError, AssertionError, NotImplementedError, ValueError, ImportError, TypeError),
)


def resolve_device(name: torch.device | str | None = None) -> torch.device:
    """Return the device of a name, after allocating one number on it.

    Args:
        name: a device, or "cpu", "cuda", "cuda:1", "mps" and so on; None chooses CUDA if
            available, else the CPU.

    Raises:
        InputError: this machine has no such device.
    """
    if name is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        if device.type == "meta":
            raise ValueError("a meta tensor has no values")
        torch.zeros(1, device=device).item()
    except _UNUSABLE as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        able = "cpu and cuda" if torch.cuda.is_available() else "cpu"
        raise InputError(
            f"a device of this machine, for example {able}",
            f"{str(name)!r} ({reason})",
            "Choose another device, or none to use the best.",
            problem=f"Device {str(name)!r} is not available ({reason}).",
        ) from error
    return device
