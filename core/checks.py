"""Checks of arguments that reach core from users; each raises InputError or returns nothing."""

import difflib
import math
import numbers
from collections.abc import Collection
from typing import TYPE_CHECKING

from .errors import InputError

if TYPE_CHECKING:  # the command line checks its options before it pays for importing torch
    from torch import Tensor

MAX_SEED = 2**64 - 1
"""Largest seed; the range is that of ComfyUI's seed widgets."""


def check_finite(tensor: "Tensor", name: str) -> None:
    """Pass a tensor without NaN and infinity.

    Args:
        tensor: any shape, dtype and device.
        name: what the tensor is to the user ("image").

    Raises:
        InputError: an element is NaN or infinite; the message says how many.
    """
    finite = tensor.isfinite()
    if not bool(finite.all()):
        num_bad = int(tensor.numel() - finite.sum())
        raise InputError(
            f"{name} with finite values only",
            f"{num_bad} of {tensor.numel()} values that are NaN or infinite",
            f"Look at what made the {name}: often a division by zero or a float16 overflow.",
        )


def check_range(value: float, name: str, low: float, high: float) -> None:
    """Pass a number in [low, high]; either bound may be infinite.

    Raises:
        InputError: value is no number, is NaN or lies outside.
    """
    is_number = isinstance(value, numbers.Real) and not isinstance(value, bool)
    if not is_number or not low <= value <= high:
        raise InputError(
            f"{name} to be a number {_limits(low, high)}",
            repr(value),
            f"Change {name}.",
        )


def check_int(value: int, name: str, low: float, high: float) -> None:
    """Pass a whole number in [low, high]; either bound may be infinite.

    Raises:
        InputError: value is no int (2.0 and True are none) or lies outside.
    """
    is_int = isinstance(value, numbers.Integral) and not isinstance(value, bool)
    if not is_int or not low <= value <= high:
        raise InputError(
            f"{name} to be a whole number {_limits(low, high)}",
            repr(value),
            f"Change {name}.",
        )


def check_choice(value: str, name: str, choices: Collection[str]) -> None:
    """Pass one of the choices.

    Raises:
        InputError: value is none of them; the message proposes the nearest.
    """
    if isinstance(value, str) and value in choices:
        return
    near = difflib.get_close_matches(str(value), choices, n=1)
    raise InputError(
        f"{name} to be one of {', '.join(repr(choice) for choice in choices)}",
        repr(value),
        f"Did you mean {near[0]!r}?" if near else f"Choose another {name}.",
    )


def _limits(low: float, high: float) -> str:
    if math.isinf(low) and math.isinf(high):
        return "of any size"
    if math.isinf(high):
        return f"of at least {low}"
    if math.isinf(low):
        return f"of at most {high}"
    return f"from {low} to {high}"
