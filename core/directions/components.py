"""What all ways of finding directions share: samples of w, signs and lengths."""

import torch
from torch import Tensor

from ..checks import check_finite
from ..errors import InputError

STANDARD_DEVIATION = "one standard deviation of w"
"""The unit that makes sliders of different directions feel alike."""

_DRAW = "Map random latents with the model's mapping network."
_ROUNDING = 1e-9  # of the largest number: far below float32's steps


def exact_samples(w_samples: Tensor) -> Tensor:
    """Return samples of w [N, D] in float64 on the CPU.

    Raises:
        InputError: another shape, fewer than two, or numbers that are not finite.
    """
    if w_samples.ndim != 2 or len(w_samples) < 2:
        raise InputError(
            "at least two samples of w of shape [N, D]", f"{list(w_samples.shape)}", _DRAW
        )
    check_finite(w_samples, "w_samples")
    return w_samples.detach().to("cpu", torch.float64)


def deviation_along(w_samples: Tensor, vector: Tensor) -> float:
    """Return the standard deviation of w along a vector [D] of length 1.

    Raises:
        InputError: unusable samples, of another width, or equal along the vector.
    """
    samples = exact_samples(w_samples)
    if samples.shape[1] != len(vector):
        raise InputError(
            f"samples of w of shape [N, {len(vector)}]", f"{list(samples.shape)}", _DRAW
        )
    deviation = float((samples @ vector.to(samples)).std())
    if deviation <= _ROUNDING * float(samples.abs().max()):
        raise InputError("samples of w that vary", "equal ones", "Draw them from random latents.")
    return deviation


def orient(vectors: Tensor) -> Tensor:
    """Return [K, D] vectors with the largest element of each positive.

    An eigenvector has no sign of its own, and libraries choose different ones.
    """
    largest = vectors.gather(1, vectors.abs().argmax(dim=1, keepdim=True))
    return vectors * largest.sign()
