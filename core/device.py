"""Devices by name, as people type them."""

import torch

from .errors import InputError


def resolve_device(name: str | None = None) -> torch.device:
    """Return the device that a name means, after it has held one number.

    Args:
        name: "cpu", "cuda", "cuda:1", "mps" and so on; None takes CUDA if there is one, else the
            CPU.

    Raises:
        InputError: there is no such device here.
    """
    if name is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        if device.type == "meta":
            raise ValueError("it holds no values")
        torch.zeros(1, device=device).item()
    except (RuntimeError, AssertionError, NotImplementedError, ValueError, ImportError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        able = "cpu and cuda" if torch.cuda.is_available() else "cpu"
        raise InputError(
            f"a device of this machine, for example {able}",
            f"{name!r} ({reason})",
            "Choose another device, or none to take the best.",
        ) from error
    return device
