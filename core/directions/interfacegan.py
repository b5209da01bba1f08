"""InterFaceGAN: the direction that separates the codes of high scores from those of low ones.

Legend: N samples, D width of one code.

Source: Shen et al. 2020, "Interpreting the Latent Space of GANs for Semantic Face Editing",
arXiv:1907.10786, section 2, and its public code for the fractions; on w, as in their
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

# Of the samples, at each end; the authors take 0.02 of a hundred times as many.
_CHOSEN_FRAC = 0.1
_MIN_CHOSEN = 20
_TRAINING_FRAC = 0.7
_DEPENDENT = 1e-6  # of the largest singular value
_MIN_REST = 1e-3  # of the normal's length


@dataclass(frozen=True, eq=False)
class Boundary:
    """A plane in w, and held-out codes to test it with."""

    normal: Tensor
    """[D] float64 of length 1, towards higher scores."""
    low: Tensor
    """[n, D] held-out codes with low scores."""
    high: Tensor
    """[n, D] held-out codes with high scores."""

    def accuracy(self, direction: Tensor) -> float:
        """Return the fraction of held-out pairs of a high and a low code in the right order.

        Args:
            direction: [D]; the normal, or the part that `independent` leaves.

        Returns:
            0 to 1; 0.5 is chance.
        """
        low, high = self.low @ direction, self.high @ direction
        return float((high[:, None] > low).double().mean())


def find_boundary(w_samples: Tensor, scores: Tensor) -> Boundary:
    """Return the plane between the tenth with the highest and the tenth with the lowest scores.

    A linear SVM is fitted to 70 % of these; the others are held out.

    Args:
        w_samples: [N, D]; at least 200.
        scores: [N], finite.

    Raises:
        InputError: too few samples, or scores of another number or without variation.
    """
    from sklearn.svm import LinearSVC  # takes a second to import

    samples = exact_samples(w_samples)
    check_finite(scores, "scores")
    count = int(_CHOSEN_FRAC * len(samples))
    if scores.shape != (len(samples),) or count < _MIN_CHOSEN:
        raise InputError(
            f"one score for each of at least {int(_MIN_CHOSEN / _CHOSEN_FRAC)} samples",
            f"{list(scores.shape)} scores for {len(samples)} samples",
            "Draw more samples and score them all.",
        )
    order = scores.double().cpu().argsort(stable=True)
    lowest, highest = order[:count], order[-count:]
    if scores[highest[0]] <= scores[lowest[-1]]:
        raise InputError(
            "scores that vary",
            "equal ones",
            "Choose another score.",
            problem="The highest and the lowest scores are equal.",
        )
    # In the order of the samples, which is random: holding some out needs no seed.
    low, high = samples[lowest.sort().values], samples[highest.sort().values]
    num_fitted = int(_TRAINING_FRAC * count)
    chosen = torch.cat([low[:num_fitted], high[:num_fitted]])
    fitted = (chosen - samples.mean(dim=0)) / samples.std()
    svm = LinearSVC(dual=False)  # pyright: ignore[reportArgumentType] - it has no type hints
    svm.fit(fitted.numpy(), np.repeat([0, 1], num_fitted))
    normal = torch.from_numpy(svm.coef_[0])
    return Boundary(normal / normal.norm(), low[num_fitted:], high[num_fitted:])


def independent(normal: Tensor, others: Sequence[Tensor]) -> Tensor:
    """Return the part of a normal that is orthogonal to all others, of length 1.

    Args:
        normal: [D].
        others: [D] each; they need not be orthogonal or distinct.

    Raises:
        InputError: nothing is left.
    """
    if not others:
        return normal
    basis, singular, _ = torch.linalg.svd(torch.stack(list(others), dim=1), full_matrices=False)
    basis = basis[:, singular > _DEPENDENT * singular[0]]
    rest = normal - basis @ (basis.T @ normal)
    if rest.norm() < _MIN_REST * normal.norm():
        raise InputError(
            "a direction that differs from those it is to leave unchanged",
            "a combination of them",
            "Leave fewer unchanged.",
            problem="The direction is a combination of those it should leave unchanged.",
        )
    return rest / rest.norm()
