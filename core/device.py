"""Devices by name."""

import torch

from .errors import InputError


def resolve_device(name: str | None = None) -> torch.device:
    """Return the device of a name, after allocating one number on it.

    Args:
        name: "cpu", "cuda", "cuda:1", "mps" and so on; None chooses CUDA if available, else the
            CPU.

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
    except (RuntimeError, AssertionError, NotImplementedError, ValueError, ImportError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        able = "cpu and cuda" if torch.cuda.is_available() else "cpu"
        raise InputError(
            f"a device of this machine, for example {able}",
            f"{name!r} ({reason})",
            "Choose another device, or none to use the best.",
            problem=f"Device {name!r} is not available ({reason}).",
        ) from error
    return device
