"""Frechet distance between two sets of features, and the metrics on Inception's features.

Legend: n features of dimension d.
"""

import logging
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .features import FeatureCache, FeatureNetwork
from .ids import discriminative_scores, too_few_images
from .types import Estimate, MethodOutput, MetricSuite

_log = logging.getLogger(__name__)


def inception_metrics(
    network: FeatureNetwork, cache: FeatureCache, suffix: str = ""
) -> MetricSuite:
    """Return `fid`, `u_ids` and, for completions, `p_ids`; no intervals; first results only.

    Args:
        network: the feature network.
        cache: where features are kept; buckets and later runs share them.
        suffix: of the values' names, for a second network in one report.
    """
    warned_n = 0
    d = network.num_features

    def measure_one(output: MethodOutput) -> dict[str, Estimate]:
        nonlocal warned_n
        if len(output.names) < 2:
            return {}
        real = cache.features(network, output.originals).numpy()
        fake = cache.features(network, output.results[:, 0]).numpy()
        u_ids, p_ids = discriminative_scores(real, fake)
        values = {"fid": frechet_distance(real, fake), "u_ids": u_ids}
        if output.is_paired:
            values["p_ids"] = p_ids
        warning = too_few_images(len(real), d)
        if warning and len(real) > warned_n:  # it holds for all smaller sets, too
            warned_n = len(real)
            _log.warning("%s", warning)
        return {f"{name}{suffix}": Estimate(value) for name, value in values.items()}

    def measure(outputs: Sequence[MethodOutput]) -> list[dict[str, Estimate]]:
        return [measure_one(output) for output in outputs]

    facts = {
        **network.facts,
        "num_features": d,
        "pictures_needed": f"over {d} in a set for meaningful U-IDS and P-IDS",
    }
    return MetricSuite(per_set=(measure,), facts={f"inception{suffix}": facts})


def frechet_distance(real: ArrayLike, fake: ArrayLike) -> float:
    """Return the Frechet distance of the Gaussians fitted to two sets of features.

    |m_r - m_f|^2 + tr(S_r) + tr(S_f) - 2 tr((S_r S_f)^(1/2)), with the unbiased covariances.

    The last trace is the sum of the singular values of A_r A_f^T, where S = A^T A. Without a matrix
    square root, fewer features than dimensions are numerically harmless. They do bias the distance
    upwards: compare only numbers of equal n.

    Args:
        real: [n, d], of the real images, n at least 2.
        fake: [m, d], of the completed ones, m at least 2.

    Returns:
        0 for equal sets; computed in float64.

    Source: Heusel et al. 2017, arXiv:1706.08500, eq. 6.
    """
    real, fake = np.asarray(real, dtype=np.float64), np.asarray(fake, dtype=np.float64)
    root_real, root_fake = _covariance_root(real), _covariance_root(fake)
    cross = np.linalg.svd(root_real @ root_fake.T, compute_uv=False).sum()
    means = np.square(real.mean(axis=0) - fake.mean(axis=0)).sum()
    traces = np.square(root_real).sum() + np.square(root_fake).sum()
    return float(max(means + traces - 2 * cross, 0.0))  # rounding can leave -1e-12 at equal sets


def _covariance_root(features: NDArray[np.float64]) -> NDArray[np.float64]:
    """A with A^T A = the covariance, of at most d rows."""
    root = (features - features.mean(axis=0)) / np.sqrt(len(features) - 1)
    return np.asarray(np.linalg.qr(root, mode="r")) if len(root) > root.shape[1] else root
