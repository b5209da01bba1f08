"""InterFaceGAN: the direction that parts the codes of high scores from those of low ones.

Legend: N samples, D width of one code.

Source: Shen et al. 2020, "Interpreting the Latent Space of GANs for Semantic Face Editing",
arXiv:1907.10786, section 2, and its public code for the shares; on w, as in their
arXiv:2005.09635.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..checks import check_finite
from ..errors import InputError
from .components import exact_samples

_CHOSEN_SHARE = (
    0.1  # of the samples, at each end; theirs has a hundred times as many and takes 0.02
)
_LEAST_CHOSEN = 20
_TRAINING_SHARE = 0.7
_DEPENDENT = 1e-6  # of the largest singular value


@dataclass(frozen=True, eq=False)
class Boundary:
    """A plane in w, and codes that it was not fitted to."""

    normal: Tensor
    """[D] float64 of length 1, towards higher scores."""
    low: Tensor
    """[n, D] held-out codes of low scores."""
    high: Tensor
    """[n, D] held-out codes of high scores."""

    def accuracy(self, direction: Tensor) -> float:
        """Return the share of held-out pairs, one high and one low, that lie in this order.

        Args:
            direction: [D]; the normal, or what is left of it.

        Returns:
            0 to 1; 0.5 is chance.
        """
        low, high = self.low @ direction, self.high @ direction
        return float((high[:, None] > low).double().mean())


def find_boundary(w_samples: Tensor, scores: Tensor) -> Boundary:
    """Return the plane between the tenth of highest and the tenth of lowest scores.

    Seven tenths of these are fitted by a linear SVM, the others are held out.

    Args:
        w_samples: [N, D]; at least 200.
        scores: [N], finite.

    Raises:
        InputError: too few samples, or scores that do not fit or do not vary.
    """
    from sklearn.svm import LinearSVC  # a second to import

    samples = exact_samples(w_samples)
    check_finite(scores, "scores")
    count = int(_CHOSEN_SHARE * len(samples))
    if scores.shape != (len(samples),) or count < _LEAST_CHOSEN:
        raise InputError(
            f"one score for each of at least {int(_LEAST_CHOSEN / _CHOSEN_SHARE)} samples",
            f"{list(scores.shape)} scores for {len(samples)} samples",
            "Draw more samples and score them all.",
        )
    order = scores.double().cpu().argsort(stable=True)
    lowest, highest = order[:count], order[-count:]
    if scores[highest[0]] <= scores[lowest[-1]]:
        raise InputError("scores that vary", "equal ones", "Choose another score.")
    # In the order of the samples, which are random: no seed is needed to hold some out.
    low, high = samples[lowest.sort().values], samples[highest.sort().values]
    learnt = int(_TRAINING_SHARE * count)
    fitted = (torch.cat([low[:learnt], high[:learnt]]) - samples.mean(dim=0)) / samples.std()
    svm = LinearSVC(dual=False).fit(fitted.numpy(), np.repeat([0, 1], learnt))
    normal = torch.from_numpy(svm.coef_[0])
    return Boundary(normal / normal.norm(), low[learnt:], high[learnt:])


def independent(normal: Tensor, others: Sequence[Tensor]) -> Tensor:
    """Return the part of a normal that moves along no other, of length 1.

    Args:
        normal: [D].
        others: [D] each; they need be neither orthogonal nor different.

    Raises:
        InputError: nothing is left.
    """
    if not others:
        return normal
    basis, singular, _ = torch.linalg.svd(torch.stack(list(others), dim=1), full_matrices=False)
    basis = basis[:, singular > _DEPENDENT * singular[0]]
    rest = normal - basis @ (basis.T @ normal)
    if rest.norm() < 1e-3 * normal.norm():
        raise InputError(
            "a direction that differs from those it is to leave alone",
            "their sum",
            "Leave fewer alone.",
        )
    return rest / rest.norm()
