"""Metrics on Inception's features: the Frechet distance, and how well a linear classifier does.

Legend: n features of dimension d.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..core.printable import get_logger
from .features import FeatureCache, FeatureNetwork
from .images import Images
from .types import Estimate, ImageMetric, ImageValues, Method, MethodOutput, MetricSuite

_log = get_logger(__name__)

# Cover 1965: 2n points in general position with random labels are linearly separable with
# probability over one half up to 2n = 2(d + 1), so that even equal distributions score 0.
_TOO_FEW = (
    "U-IDS and P-IDS are meaningless here: with %d images and %d features, a hyperplane separates "
    "almost any two sets; evaluate on more than %d images"
)


def inception_metrics(
    network: FeatureNetwork, cache: FeatureCache, suffix: str = ""
) -> MetricSuite:
    """Return `fid`, `u_ids` and, for completions, `p_ids`; no intervals; first results only.

    Args:
        network: the feature network.
        cache: where features are kept; buckets and later runs share them.
        suffix: of the values' names, for a second network in one report.
    """
    d = network.num_features
    warned: set[int] = set()

    def measure_one(method: Method) -> dict[str, Estimate]:
        n = len(method.names)
        if n < 2:
            return {}
        if n <= d and n > max(warned, default=0):  # it holds for all smaller sets, too
            warned.add(n)
            _log.warning(_TOO_FEW, n, d, d)
        real = cache.features(network, method.originals).numpy()
        fake = cache.features(network, method.first_results).numpy()
        u_ids, p_ids = discriminative_scores(real, fake)
        values = {"fid": frechet_distance(real, fake), "u_ids": u_ids}
        if method.is_paired:
            values["p_ids"] = p_ids
        return {f"{name}{suffix}": Estimate(value) for name, value in values.items()}

    def measure(methods: Sequence[Method]) -> list[dict[str, Estimate]]:
        return [measure_one(method) for method in methods]

    facts = {
        **network.facts,
        "num_features": d,
        "pictures_needed": f"over {d} in a set for meaningful U-IDS and P-IDS",
    }
    return MetricSuite(
        per_image=(_remembering(network, cache),),
        per_set=(measure,),
        facts={f"inception{suffix}": facts},
    )


def frechet_metric(network: FeatureNetwork, cache: FeatureCache, name: str) -> MetricSuite:
    """Return the Frechet distance alone, on a network other than the FID's; no interval.

    Args:
        network: the feature network.
        cache: where features are kept.
        name: of the value.
    """

    def measure_one(method: Method) -> dict[str, Estimate]:
        if len(method.names) < 2:
            return {}
        sets = (method.originals, method.first_results)
        real, fake = (cache.features(network, images).numpy() for images in sets)
        return {name: Estimate(frechet_distance(real, fake))}

    def measure(methods: Sequence[Method]) -> list[dict[str, Estimate]]:
        return [measure_one(method) for method in methods]

    facts = {**network.facts, "num_features": network.num_features, "is": "not the FID"}
    return MetricSuite(
        per_image=(_remembering(network, cache),), per_set=(measure,), facts={name: facts}
    )


def _remembering(network: FeatureNetwork, cache: FeatureCache) -> ImageMetric:
    """Compute features in all processes; the main one then finds them in the cache."""

    def remember(output: MethodOutput) -> dict[str, ImageValues]:
        for images in (output.originals, output.results[:, 0]):
            cache.features(network, Images.of(images))
        return {}

    return remember


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


def discriminative_scores(real: ArrayLike, fake: ArrayLike) -> tuple[float, float]:
    """Return U-IDS and P-IDS, both in [0, 1]: 0 if every fake is recognised, 0.5 if none is.

    1. A linear SVM (primal problem, C = 1) is fitted to real against fake features, unscaled.
    2. U-IDS, unpaired, is 1 - its accuracy: the fraction of images on the wrong side.
    3. P-IDS, paired, is mean(decision(fake_i) > decision(real_i)): the fraction of fakes that look
       more real to the SVM than their own originals.

    As in the source, both are computed on the features that the SVM was fitted to.

    Args:
        real: [n, d]; row i belongs to the original that fake row i completes.
        fake: [n, d].

    Source: Zhao et al. 2021, arXiv:2103.10428, sec. 3.3, and its public evaluation code.
    """
    from sklearn.svm import LinearSVC  # takes a second to import

    real, fake = np.asarray(real, dtype=np.float64), np.asarray(fake, dtype=np.float64)
    features = np.concatenate([real, fake])
    targets = np.repeat([1, 0], len(real))
    svm = LinearSVC(dual=False)  # pyright: ignore[reportArgumentType] # a bool is documented
    svm.fit(features, targets)
    decision_real, decision_fake = np.split(svm.decision_function(features), 2)
    return float(1 - svm.score(features, targets)), float(np.mean(decision_fake > decision_real))
