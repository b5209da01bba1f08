"""One training batch of the method: pictures, holes and the codes of the paths."""

from typing import NamedTuple

import torch
from torch import Tensor


class Substitutes(NamedTuple):
    """Photographs that take the place of some pictures in what path (r) reconstructs."""

    index: Tensor
    """[k] int64, positions of the samples in the batch."""
    erased: Tensor
    """M * photograph [k, 3, R, R], with the holes of those samples."""


class Batch(NamedTuple):
    """Pictures with holes and the codes of the paths."""

    image: Tensor
    """I [N, 3, R, R] about [-1, 1], detached: I_g, or photographs."""
    erased: Tensor
    """M * I [N, 3, R, R]."""
    valid: Tensor
    """M [N, 1, R, R]."""
    w_same: Tensor | None
    """Codes of path (g), those that made the pictures, [N, L, D]; None for photographs, which no
    codes made: they have no path (g)."""
    w_other: Tensor
    """Codes of path (r), [N, L, D]."""
    substitutes: Substitutes | None = None
    """Of generated pictures only."""

    @property
    def codes(self) -> list[Tensor]:
        """The codes of each path."""
        return [self.w_other] if self.w_same is None else [self.w_same, self.w_other]

    def inputs(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return erased pictures, M, codes and each code's picture: all paths in one batch.

        The codes come path by path; those for substitutes are the last.
        """
        erased, valid, codes = self.erased, self.valid, self.codes
        picture = torch.arange(len(erased), device=erased.device).repeat(len(codes))
        if self.substitutes is not None:
            index, photographs = self.substitutes
            extra = torch.arange(len(index), device=erased.device) + len(erased)
            erased, valid = torch.cat([erased, photographs]), torch.cat([valid, valid[index]])
            codes, picture = [*codes, self.w_other[index]], torch.cat([picture, extra])
        return erased, valid, torch.cat(codes), picture

    def by_path(self, outputs: Tensor) -> tuple[list[Tensor], Tensor]:
        """Split what came of `inputs`: each path's outputs [N, ...], of substitutes [k, ...]."""
        num = len(self.image) * len(self.codes)
        return list(outputs[:num].chunk(len(self.codes))), outputs[num:]
