"""The one table of numerical tolerances, and the rule for half precision.

`conftest.py` makes this importable as `tolerances`. Never a share of mismatching elements: every
element must hold.
"""

import torch
from torch import Tensor

TOLERANCE: dict[torch.dtype, float] = {
    # Sums of a few thousand products in another order than the oracle's.
    torch.float64: 1e-10,
    torch.float32: 1e-5,
}
"""Largest |a - b| relative to max(1, |b|), by dtype of the computation."""

PIXEL = 1 / 255
"""One step of an 8-bit image whose values are in [0, 1]."""


def assert_close(actual: Tensor, expected: Tensor, tolerance: float | None = None) -> None:
    """Compare with the table's tolerance for the coarser of the two dtypes; shapes must agree."""
    if tolerance is None:
        tolerance = max(TOLERANCE[actual.dtype], TOLERANCE[expected.dtype])
    torch.testing.assert_close(actual.double(), expected.double(), rtol=tolerance, atol=tolerance)


def assert_half_rule(fast: Tensor, plain: Tensor, exact: Tensor) -> None:
    """A half-precision kernel may err by at most twice what plain half-precision code does.

    Args:
        fast: the result under test, in half precision.
        plain: the reference implementation's result in the same dtype.
        exact: the reference implementation's result from the same inputs in float32 or float64.
    """
    assert fast.dtype == plain.dtype
    allowed = 2 * (plain.double() - exact.double()).abs().max().item()
    error = (fast.double() - exact.double()).abs().max().item()
    # One unit in the last place of the largest value: plain code may happen to be exact.
    last_place = torch.finfo(fast.dtype).eps * exact.double().abs().max().item()
    assert error <= max(allowed, last_place), f"error {error:.3g}, allowed {allowed:.3g}"
