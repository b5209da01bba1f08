"""Inception discriminative scores: how well a linear classifier tells completed from real.

Legend: n pictures, features of dimension d.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from ..core.errors import InputError
from .feature_sets import check_feature_pair


@dataclass(frozen=True)
class DiscriminativeScores:
    """Both scores in [0, 1]: 0 where every fake is told apart, 0.5 where none is."""

    u_ids: float
    """Unpaired: share of pictures, real and fake, on the wrong side of the SVM."""
    p_ids: float
    """Paired: share of fakes that look more real to the SVM than their own originals."""
    warning: str | None
    """Set where n is too small for the scores to mean anything."""


def discriminative_scores(real: ArrayLike, fake: ArrayLike) -> DiscriminativeScores:
    """Return U-IDS and P-IDS.

    1. A linear SVM (primal problem, C = 1) is fitted to real against fake features, unscaled.
    2. U-IDS = 1 - its accuracy; P-IDS = mean(decision(fake_i) > decision(real_i)), both on the
       features that it was fitted to, as in the source: there is no held-out part.

    Args:
        real: [n, d], row i of the original that fake row i completes.
        fake: [n, d].

    Raises:
        InputError: not two such arrays, or not as many fakes as originals.

    Source: Zhao et al. 2021, arXiv:2103.10428, sec. 3.3, and its public evaluation code.
    """
    real, fake = check_feature_pair(real, fake)
    if len(real) != len(fake):
        raise InputError(
            "one completed picture for each original, in one order",
            f"{len(fake)} for {len(real)}",
            "Give one result per picture and mask.",
        )
    from sklearn.svm import LinearSVC  # a second to import, which only this metric pays

    features = np.concatenate([real, fake])
    targets = np.repeat([1, 0], len(real))
    svm = LinearSVC(dual=False).fit(features, targets)
    decision_real, decision_fake = np.split(svm.decision_function(features), 2)
    return DiscriminativeScores(
        u_ids=float(1 - svm.score(features, targets)),
        p_ids=float(np.mean(decision_fake > decision_real)),
        warning=_warning(*real.shape),
    )


def _warning(n: int, d: int) -> str | None:
    # Cover 1965: 2n points in general position under random labels are linearly separable with
    # probability over one half up to 2n = 2(d + 1), so that even equal distributions score 0.
    if n > d:
        return None
    return (
        f"U-IDS and P-IDS mean nothing here: {n} pictures for {d} features, and up to {d} "
        "pictures a plane parts two sets of any kind; evaluate on more"
    )
