"""What every metric on features asks of its two sets."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..core.errors import InputError


def check_feature_pair(
    real: ArrayLike, fake: ArrayLike, fewest: int = 1
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return both sets in float64.

    Args:
        real: [n, d], n at least `fewest`, finite.
        fake: [m, d], the same.
        fewest: features that a set must have.

    Raises:
        InputError: other shapes, too few features, NaN or infinity.
    """
    sets = np.asarray(real, dtype=np.float64), np.asarray(fake, dtype=np.float64)
    shapes = " and ".join(str(features.shape) for features in sets)
    two = all(features.ndim == 2 and len(features) >= fewest for features in sets)
    if not two or sets[0].shape[1] != sets[1].shape[1]:
        raise InputError(
            f"two sets of at least {fewest} features of one dimension each, [n, d] and [m, d]",
            f"shapes {shapes}",
            "Compute both with one extractor, on more pictures.",
        )
    if not all(np.isfinite(features).all() for features in sets):
        raise InputError(
            "finite features", "NaN or infinity", "Look at the extractor's weights and pictures."
        )
    return sets
