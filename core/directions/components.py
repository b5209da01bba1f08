"""What all methods of finding directions share: samples of w, signs and lengths."""

import torch
from torch import Tensor

from ..checks import check_finite
from ..errors import InputError

STANDARD_DEVIATION = "one standard deviation of w"
"""The unit in which all directions change images by comparable amounts."""

_DRAW = "Map random latents with the model's mapping network."
_ROUNDING = 1e-9  # of the largest number: far below float32's precision


def exact_samples(w_samples: Tensor) -> Tensor:
    """Return samples of w [N, D] in float64 on the CPU.

    Raises:
        InputError: another shape, fewer than two samples, or values that are not finite.
    """
    if w_samples.ndim != 2 or len(w_samples) < 2:
        raise InputError(
            "at least two samples of w of shape [N, D]", f"{list(w_samples.shape)}", _DRAW
        )
    check_finite(w_samples, "samples of w")
    return w_samples.detach().to("cpu", torch.float64)


def deviation_along(w_samples: Tensor, vector: Tensor) -> float:
    """Return the standard deviation of w along a vector [D] of length 1.

    Raises:
        InputError: unusable samples, samples of another width, or all equal along the vector.
    """
    samples = exact_samples(w_samples)
    if samples.shape[1] != len(vector):
        raise InputError(
            f"samples of w of shape [N, {len(vector)}]", f"{list(samples.shape)}", _DRAW
        )
    deviation = float((samples @ vector.to(samples)).std())
    if deviation <= _ROUNDING * float(samples.abs().max()):
        raise InputError(
            "samples of w that vary",
            "equal ones",
            "Draw them from random latents.",
            problem="The samples of w do not vary along the direction.",
        )
    return deviation


def orient(vectors: Tensor) -> Tensor:
    """Return vectors [K, D], each with the sign that makes its largest element positive.

    The sign of an eigenvector is arbitrary, and libraries choose differently.
    """
    largest = vectors.gather(1, vectors.abs().argmax(dim=1, keepdim=True))
    return vectors * largest.sign()
