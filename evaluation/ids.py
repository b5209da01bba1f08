"""Inception discriminative scores: how well a linear classifier separates completed from real.

Legend: n images, features of dimension d.
"""

import numpy as np
from numpy.typing import ArrayLike


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


def too_few_images(n: int, d: int) -> str | None:
    """Return a warning if n images are too few for scores on d features to mean anything.

    Source: Cover 1965. 2n points in general position with random labels are linearly separable
    with probability over one half up to 2n = 2(d + 1), so that even equal distributions score 0.
    """
    if n > d:
        return None
    return (
        f"U-IDS and P-IDS are meaningless here: with {n} images and {d} features, a hyperplane "
        f"separates almost any two sets; evaluate on more than {d} images"
    )
