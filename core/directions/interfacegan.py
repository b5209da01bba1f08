"""InterFaceGAN: the direction that separates the codes of high scores from those of low ones.

Legend: N samples, D width of one code.

Source: Shen et al. 2020, "Interpreting the Latent Space of GANs for Semantic Face Editing",
arXiv:1907.10786, section 2, and its public code for the fractions; on w, as in their
arXiv:2005.09635.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import torch
from torch import Tensor

from ..checks import check_finite
from ..errors import InputError
from .components import STANDARD_DEVIATION, deviation_along, exact_samples
from .direction import Direction

# Of the samples, at each end; the authors take 0.02 of a hundred times as many.
_CHOSEN_FRAC = 0.1
_ENOUGH = 250  # at each end; of few samples, half of them
_MIN_CHOSEN = 20  # at each end
_FOLDS = 5
# Above a half, where about one in a hundred scores without a meaning gets. The five tests are of
# planes that share codes: the variance of their mean is twice that of independent ones.
_CHANCE_DEVIATIONS = 2.33 * math.sqrt(2)
_DEPENDENT = 1e-6  # of the largest singular value
_MIN_REST = 1e-3  # of the normal's length
_MAX_SOURCE = 300  # characters of a direction's source


@dataclass(frozen=True, eq=False)
class Boundary:
    """A plane in w, and how well such planes order codes that they were not fitted to."""

    normal: Tensor
    """[D] float64 of length 1, towards higher scores."""
    low: Tensor
    """[n, D] codes with low scores."""
    high: Tensor
    """[m, D] codes with high scores."""
    fold_normals: Tensor
    """[5, D] float64; row f was fitted without every fifth of the codes, from f on."""

    def accuracy(self, others: Sequence[Tensor] = ()) -> float:
        """Return the fraction of held-out pairs of a high and a low code in the right order.

        It is the mean of five planes, each fitted to four fifths of the codes and tested with the
        others.

        Args:
            others: [D] each, to be left unchanged; see `independent`.

        Returns:
            0 to 1; 0.5 is chance.
        """
        orders = [
            _ordered_frac(self.low[f::_FOLDS], self.high[f::_FOLDS], independent(normal, others))
            for f, normal in enumerate(self.fold_normals)
        ]
        return sum(orders) / len(orders)

    @property
    def chance(self) -> float:
        """The accuracy that about one in a hundred scores without a meaning exceeds.

        Source: the deviation of the statistic of Mann and Whitney 1947.
        """
        n, m = len(self.low), len(self.high)
        return 0.5 + _CHANCE_DEVIATIONS * math.sqrt((n + m + 1) / (12 * n * m))


def _ordered_frac(low: Tensor, high: Tensor, normal: Tensor) -> float:
    places = torch.searchsorted((low @ normal).sort().values, high @ normal)
    return float(places.double().mean()) / len(low)


def find_boundary(w_samples: Tensor, scores: Tensor) -> Boundary:
    """Return the plane between codes of low and of high scores, by a linear SVM.

    The tenth with the highest and the tenth with the lowest scores are taken, of less than 2,500
    samples 250 at each end, of less than 500 all. Equal scores in the middle are left out, unless
    one end would have too few without them: two values give two classes.

    Args:
        w_samples: [N, D]; at least 40.
        scores: [N], finite.

    Raises:
        InputError: too few samples, or scores of another number or without variation.
    """
    if scores.shape != w_samples.shape[:1]:
        raise InputError(
            "one score for each sample",
            f"{list(scores.shape)} scores for {len(w_samples)} samples",
            "Score them all.",
        )
    if len(scores) < 2 * _MIN_CHOSEN:
        raise InputError(
            f"at least {2 * _MIN_CHOSEN} samples with a score",
            f"{len(scores)}",
            "Score more samples.",
        )
    samples = exact_samples(w_samples)
    check_finite(scores, "scores")
    # In the order of the samples, which is random: holding some out needs no seed.
    low, high = (samples[chosen] for chosen in _ends(scores.double().cpu()))
    centre, scale = samples.mean(dim=0), samples.std()
    low_unit, high_unit = (low - centre) / scale, (high - centre) / scale
    folds = [_fit(_without_fold(low_unit, f), _without_fold(high_unit, f)) for f in range(_FOLDS)]
    return Boundary(_fit(low_unit, high_unit), low, high, torch.stack(folds))


def _ends(scores: Tensor) -> tuple[Tensor, Tensor]:
    """Return the indices of the samples with low and with high scores, each in increasing order."""
    order = scores.argsort(stable=True)
    if scores[order[0]] == scores[order[-1]]:
        raise InputError(
            "scores that vary",
            "equal ones",
            "Choose another score.",
            problem="The highest and the lowest scores are equal.",
        )
    count = max(int(_CHOSEN_FRAC * len(order)), min(len(order) // 2, _ENOUGH))
    middle = scores[order[count - 1]]
    if middle < scores[order[-count]]:
        return order[:count].sort().values, order[-count:].sort().values
    low, high = scores < middle, scores > middle
    if low.sum() < _MIN_CHOSEN:
        low = scores <= middle
    elif high.sum() < _MIN_CHOSEN:
        high = scores >= middle
    if min(low.sum(), high.sum()) < _MIN_CHOSEN:
        raise InputError(
            f"at least {_MIN_CHOSEN} samples with a low and {_MIN_CHOSEN} with a high score",
            f"{int(low.sum())} and {int(high.sum())}",
            "Rate more samples, and finer.",
        )
    return low.nonzero()[:, 0], high.nonzero()[:, 0]


def _without_fold(samples: Tensor, fold: int) -> Tensor:
    return samples[torch.arange(len(samples)) % _FOLDS != fold]


def _fit(low: Tensor, high: Tensor) -> Tensor:
    """Return the normal of length 1 between two classes, towards the second."""
    from sklearn.svm import LinearSVC  # takes a second to import

    svm = LinearSVC(dual=False, class_weight="balanced")  # pyright: ignore[reportArgumentType]
    svm.fit(torch.cat([low, high]).numpy(), np.repeat([0, 1], [len(low), len(high)]))
    normal = torch.from_numpy(svm.coef_[0])
    return normal / normal.norm()


def discover_interfacegan(
    w_samples: Tensor,
    boundary: Boundary,
    layers: tuple[int, int],
    generator_id: str,
    *,
    name: str,
    others: Mapping[str, Sequence[Tensor]] = MappingProxyType({}),
) -> Direction:
    """Return a boundary's normal as a direction; strength 1 is one standard deviation of w.

    Args:
        w_samples: [N, D] the codes that were scored.
        boundary: between low and high scores of them.
        layers: first and last style layer that it moves (inclusive).
        generator_id: ID of the generator.
        name: of the score.
        others: by name, vectors [D] that the direction is to be orthogonal to.

    Raises:
        InputError: held-out codes are not ordered better than by chance, or nothing of the
            direction is left without the others.
    """
    vectors = [vector for group in others.values() for vector in group]
    normal = independent(boundary.normal, vectors)
    accuracy = boundary.accuracy(vectors)
    num = len(boundary.low) + len(boundary.high)
    if accuracy <= boundary.chance:
        raise InputError(
            f"an accuracy above {boundary.chance:.2f} on held-out samples, which chance rarely "
            f"exceeds with {num} samples",
            f"{accuracy:.2f} for {name}",
            "Score more samples or more carefully, or choose what differs more between them.",
        )
    head = f"InterFaceGAN (arXiv:1907.10786) on {name}"
    tail = f", {len(w_samples)} samples, accuracy {accuracy:.3f}"
    apart = f", apart from {' and '.join(others)}" if others else ""
    if len(head + apart + tail) > _MAX_SOURCE:
        apart = f", apart from {len(others)} others"
    return Direction(
        name=name,
        vector=(normal * deviation_along(w_samples, normal)).float(),
        generator_id=generator_id,
        first_layer=layers[0],
        last_layer=layers[1],
        unit=STANDARD_DEVIATION,
        source=head + apart + tail,
    )


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
