"""Checks of arguments that reach core from users: each raises InputError or returns nothing."""

import difflib
import math
import numbers
import re
from collections.abc import Collection
from typing import TYPE_CHECKING

from .errors import InputError
from .printable import shown

if TYPE_CHECKING:  # the command line checks its options before it pays for importing torch
    from torch import Tensor

MAX_SEED = 2**64 - 1
"""Largest seed; the range is that of ComfyUI's seed widgets."""


def check_finite(tensor: "Tensor", name: str) -> None:
    """Raise InputError, which says how many, if values of a tensor are NaN or infinite.

    Args:
        tensor: any shape, dtype and device.
        name: what the tensor is to the user ("image").
    """
    finite = tensor.isfinite()
    if not bool(finite.all()):
        num_bad = int(tensor.numel() - finite.sum())
        raise InputError(
            f"{name} with finite values only",
            f"{num_bad} of {tensor.numel()} that are NaN or infinite",
            f"Check what made the {name}: often a division by zero or a float16 overflow.",
            problem=f"{num_bad} of {tensor.numel()} values of the {name} are NaN or infinite.",
        )


def check_range(value: float, name: str, low: float, high: float) -> None:
    """Raise InputError unless value is a number with low <= value <= high; bounds may be inf."""
    is_number = isinstance(value, numbers.Real) and not isinstance(value, bool)
    if not is_number or not low <= value <= high:
        raise InputError(
            f"{name} to be a number {_limits(low, high)}",
            shown(value),
            f"Change {name}.",
        )


def check_int(value: int, name: str, low: float, high: float) -> None:
    """Raise InputError unless value is an int with low <= value <= high; bounds may be inf.

    Neither 2.0 nor True counts as an int.
    """
    is_int = isinstance(value, numbers.Integral) and not isinstance(value, bool)
    if not is_int or not low <= value <= high:
        raise InputError(
            f"{name} to be a whole number {_limits(low, high)}",
            shown(value),
            f"Change {name}.",
        )


def checked_layers(first: int, last: int | None, num_layers: int) -> tuple[int, int]:
    """Return the first and last style layer of a range (inclusive); None takes the model's last.

    Raises:
        InputError: they are not whole numbers, not in order, or not in [0, num_layers - 1].
    """
    last = num_layers - 1 if last is None else last
    check_int(first, "first_layer", 0, num_layers - 1)
    check_int(last, "last_layer", first, num_layers - 1)
    return first, last


def check_choice(value: str, name: str, choices: Collection[str]) -> None:
    """Raise InputError, which suggests the nearest, unless value is one of the choices."""
    if isinstance(value, str) and value in choices:
        return
    near = difflib.get_close_matches(shown(value).strip("'"), choices, n=1)
    raise InputError(
        f"{name} to be one of {', '.join(repr(choice) for choice in choices)}",
        shown(value),
        f"Did you mean {near[0]!r}?" if near else f"Choose another {name}.",
    )


def is_generator_id(value: object) -> bool:
    """Return whether value has the form of a generator's id: a SHA-256 in hexadecimal digits."""
    return isinstance(value, str) and re.fullmatch("[0-9a-f]{64}", value) is not None


def check_generator_id(value: object) -> None:
    """Raise InputError unless value has the form of a generator's id."""
    if not is_generator_id(value):
        raise InputError(
            "a generator_id of 64 hexadecimal digits",
            shown(value),
            "Take it from the model (generator_id).",
        )


def _limits(low: float, high: float) -> str:
    if math.isinf(low) and math.isinf(high):
        return "of any size"
    if math.isinf(high):
        return f"of at least {low}"
    if math.isinf(low):
        return f"of at most {high}"
    return f"from {low} to {high}"
