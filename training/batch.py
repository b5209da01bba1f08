"""One training batch of the method: generated pictures, holes and the codes of both paths."""

from typing import NamedTuple

from torch import Tensor


class Batch(NamedTuple):
    """Generated pictures with holes and the codes of both paths."""

    image: Tensor
    """I_g [N, 3, R, R] about [-1, 1], detached."""
    erased: Tensor
    """M * I_g [N, 3, R, R]."""
    valid: Tensor
    """M [N, 1, R, R]."""
    w_same: Tensor
    """Codes of path (g), those of the picture, [N, L, D]."""
    w_other: Tensor
    """Codes of path (r), [N, L, D]."""
