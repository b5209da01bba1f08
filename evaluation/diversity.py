"""How far the results of one picture differ, in the hole."""

from torch import Tensor

from ..core.compositing import hole_l1
from .types import Evaluated, PictureValues, in_chunks


@in_chunks
def diversity(evaluated: Evaluated) -> dict[str, PictureValues]:
    """Return diversity and, for a model whose generator is known, rho; of two results or more.

    diversity: mean absolute difference of the first two results in the hole, in levels of 255.
    rho: L1 in the hole between them, over that between two independent samples (see `alarms`).
    """
    if evaluated.num_variants < 2:
        return {}
    difference = _pair_l1(evaluated.results, evaluated.holes)
    num_values = 3 * evaluated.holes.sum(dim=(1, 2, 3))
    values = {"diversity": PictureValues.of(difference / num_values)}
    if evaluated.independent is not None:
        independent = _pair_l1(evaluated.independent, evaluated.holes)
        values["rho"] = PictureValues(difference, independent)
    return values


def _pair_l1(pictures: Tensor, holes: Tensor) -> Tensor:
    return hole_l1(pictures[:, 0].double(), pictures[:, 1].double(), holes)
