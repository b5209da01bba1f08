"""Frechet distance between two sets of features (FID where the features are Inception's).

Legend: n features of dimension d.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .feature_sets import check_feature_pair

_Floats = NDArray[np.float64]


def frechet_distance(real: ArrayLike, fake: ArrayLike) -> float:
    """Return the Frechet distance of the Gaussians fitted to two sets of features.

    |m_r - m_f|^2 + tr(S_r) + tr(S_f) - 2 tr((S_r S_f)^(1/2)), with the unbiased covariances.

    The last trace is the sum of the singular values of A_r A_f^T, where S = A^T A: no matrix
    square root is taken, so that fewer features than dimensions are no numerical trouble. They do
    bias the distance upwards: compare only numbers of equal n.

    Args:
        real: [n, d], of the real pictures.
        fake: [m, d], of the completed ones; the order does not matter.

    Returns:
        0 for equal sets; computed in float64.

    Raises:
        InputError: not two such arrays, or fewer than two features in one.

    Source: Heusel et al. 2017, arXiv:1706.08500, eq. 6.
    """
    real, fake = check_feature_pair(real, fake, fewest=2)
    root_real, root_fake = _covariance_root(real), _covariance_root(fake)
    cross = np.linalg.svd(root_real @ root_fake.T, compute_uv=False).sum()
    means = np.square(real.mean(axis=0) - fake.mean(axis=0)).sum()
    traces = np.square(root_real).sum() + np.square(root_fake).sum()
    return float(max(means + traces - 2 * cross, 0.0))  # rounding can leave -1e-12 at equal sets


def _covariance_root(features: _Floats) -> _Floats:
    """A with A^T A = the covariance, of at most d rows."""
    root = (features - features.mean(axis=0)) / np.sqrt(len(features) - 1)
    return np.linalg.qr(root, mode="r") if len(root) > root.shape[1] else root
