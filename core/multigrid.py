"""Laplace's equation on any set of pixels, by multigrid.

Legend: n right-hand sides that share one set of unknown pixels, h x w pixels of the grid.

The unknowns form a network of conductors: each is linked to its unknown neighbours with
conductance 1 and to each known neighbour, which has the value 0, likewise; a pixel at the border of
the grid has fewer links (Neumann). A coarser grid joins 2 x 2 pixels to a square, so that it keeps
the shape of thin strokes and of single known pixels as conductances.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import torch
import torch.nn.functional as F
from torch import Tensor

_CYCLES = 2  # noise of +-1 as known values, around any unknown pixels: errs by under 0.7 / 255
_DIRECT_PX = 8  # a grid of at most 8 x 8 is solved by its inverse
_MAX_GROUND = 2.0  # of a square with an island, whose value is near the mean of the square
# Chebyshev's two steps for the upper three quarters of the spectrum of D^-1 A, [0.5, 2].
_STEPS = (0.562, 1.388)
_TINY = 1e-30  # keeps 0 / 0 at 0 where a right-hand side is solved exactly


@dataclass(frozen=True, eq=False)
class _Grid:
    """A symmetric matrix A with the links of a grid, the same for all right-hand sides."""

    diagonal: Tensor
    """[1, h, w], the sum of each square's conductances; 0 where there is no unknown."""
    inverse: Tensor
    """[1, h, w], 1 / diagonal; 0 where there is no unknown."""
    unknown: Tensor
    """[1, h, w] float, 0 or 1."""
    right: Tensor
    """[1, h, w - 1], conductance from each square to its right neighbour."""
    down: Tensor
    """[1, h - 1, w], conductance from each square to the one below."""
    ground: Tensor
    """[1, h, w], the number of links to known pixels."""
    gain: Tensor
    """[1, h, w], conductance of such a link."""
    share: Tensor
    """[1, h, w], of unknown pixels among those of each square."""
    side_px: int
    """Of a square."""

    @classmethod
    def of_links(
        cls, right: Tensor, down: Tensor, ground: Tensor, share: Tensor, side_px: int
    ) -> Self:
        """Return the grid with these links.

        The value of a square is that at its centre. To a straight row of known pixels this has a
        distance that follows from the share of the square that the row leaves.
        """
        distance_px = (side_px * (share - 0.5) + 0.5).clamp(min=0.5)
        gain = torch.maximum(1 / distance_px, _MAX_GROUND / ground.clamp(min=_MAX_GROUND))
        diagonal = ground * gain
        diagonal[..., 1:] += right
        diagonal[..., :-1] += right
        diagonal[:, 1:] += down
        diagonal[:, :-1] += down
        unknown = (diagonal > 0).to(diagonal.dtype)
        inverse = unknown / diagonal.clamp(min=_TINY)
        return cls(diagonal, inverse, unknown, right, down, ground, gain, share, side_px)

    @classmethod
    def of_pixels(cls, unknown: Tensor) -> Self:
        """Return the finest grid: [1, h, w] float, 1 where a value is sought, 0 where known."""
        right = unknown[..., 1:] * unknown[..., :-1]
        down = unknown[:, 1:] * unknown[:, :-1]
        return cls.of_links(right, down, sum_of_neighbours(1 - unknown) * unknown, unknown, 1)

    def coarser(self) -> Self:
        """Return the grid of 2 x 2 squares: two links in parallel, each of twice the length."""
        height, width = self.diagonal.shape[1:]
        right = F.pad(self.right[..., 1::2], (0, 0, 0, height % 2))
        down = F.pad(self.down[:, 1::2], (0, width % 2))
        return type(self).of_links(
            (right[:, ::2] + right[:, 1::2]) / 2,
            (down[..., ::2] + down[..., 1::2]) / 2,
            _sum_of_squares(self.ground),
            _sum_of_squares(self.share) / 4,
            self.side_px * 2,
        )

    def inverted(self) -> Tensor:
        """Return [h * w, h * w]; 1 / A where something is unknown."""
        units = torch.eye(self.diagonal.numel(), device=self.diagonal.device)
        columns = units.unflatten(1, self.diagonal.shape[1:])
        matrix = self.apply(columns, torch.empty_like(columns)).flatten(1)
        return torch.linalg.inv_ex(matrix + torch.diag(1 - self.unknown.flatten())).inverse

    def apply(self, x: Tensor, result: Tensor) -> Tensor:
        """Return A x: [n, h, w], written to result; x is 0 where nothing is unknown."""
        if self.side_px == 1:  # all links have conductance 1: a third of the time
            return result.copy_(sum_of_neighbours(x)).mul_(-self.unknown).addcmul_(self.diagonal, x)
        torch.mul(self.diagonal, x, out=result)
        result[..., 1:].addcmul_(self.right, x[..., :-1], value=-1)
        result[..., :-1].addcmul_(self.right, x[..., 1:], value=-1)
        result[:, 1:].addcmul_(self.down, x[:, :-1], value=-1)
        result[:, :-1].addcmul_(self.down, x[:, 1:], value=-1)
        return result

    def residual(self, x: Tensor, b: Tensor, result: Tensor) -> Tensor:
        """Return b - A x: [n, h, w], written to result."""
        return torch.sub(b, self.apply(x, result), out=result)


@dataclass(frozen=True, eq=False)
class _Level:
    """A grid and its memory: fresh memory for each product took most of the time."""

    grid: _Grid
    b: Tensor
    """[n, h, w], the right-hand side."""
    x: Tensor
    """[n, h, w], the solution."""
    spare: Tensor
    """[n, h, w]."""

    @classmethod
    def of(cls, grid: _Grid, n: int) -> Self:
        """Allocate for n right-hand sides."""
        b, x, spare = grid.diagonal.new_empty(3, n, *grid.diagonal.shape[1:]).unbind()
        return cls(grid, b, x, spare)

    def smooth(self, step: float) -> None:
        """Take a Jacobi step towards A x = b."""
        residual = self.grid.residual(self.x, self.b, self.spare)
        self.x.addcmul_(self.grid.inverse * step, residual)


def solve_laplace(unknown: Tensor, values: Tensor) -> Tensor:
    """Return the function that is harmonic on the unknown pixels and has these values elsewhere.

    Each unknown pixel becomes the mean of its neighbours inside the grid. Nested iteration: each
    grid starts from the solution of the next coarser one. A fixed number of steps, so that a GPU
    never waits.

    Args:
        unknown: [1, h, w] float, 1 where a value is sought; somewhere 0.
        values: [n, h, w], read at pixels beside unknown ones.

    Returns:
        [n, h, w], 0 where not unknown.
    """
    sources = [sum_of_neighbours(values * (1 - unknown)).mul_(unknown)]
    levels = [_Level.of(_Grid.of_pixels(unknown), len(values))]
    while max(levels[-1].x.shape[1:]) > _DIRECT_PX:
        levels.append(_Level.of(levels[-1].grid.coarser(), len(values)))
        sources.append(_sum_of_squares(sources[-1]))
    inverse = levels[-1].grid.inverted()
    x = _solve_directly(sources.pop() * levels[-1].grid.gain, inverse)
    for first in reversed(range(len(levels) - 1)):
        grid = levels[first].grid
        x = enlarge(x, levels[first + 1].grid.unknown, grid.diagonal.shape) * grid.unknown
        _improve(levels[first:], inverse, sources.pop() * grid.gain, x)
    return x


def _improve(levels: list[_Level], inverse: Tensor, b: Tensor, x: Tensor) -> None:
    """Bring x towards A x = b, in place.

    Conjugate gradients, preconditioned by one symmetric V-cycle of multigrid.
    """
    finest, spare = levels[0], levels[0].spare
    residual = torch.sub(b, finest.grid.apply(x, spare), out=finest.b)
    direction = torch.zeros_like(residual)
    previous = None
    for _ in range(_CYCLES):
        z = _v_cycle(levels, inverse)
        energy = torch.mul(residual, z, out=spare).sum(dim=(1, 2), keepdim=True)
        if previous is not None:
            direction.mul_(energy / previous.clamp(min=_TINY))
        direction.add_(z)
        previous = energy
        curvature = torch.mul(direction, finest.grid.apply(direction, spare), out=z)
        length = energy / curvature.sum(dim=(1, 2), keepdim=True).clamp(min=_TINY)
        x.addcmul_(direction, length)
        residual.addcmul_(spare, length, value=-1)


def _solve_directly(b: Tensor, inverse: Tensor) -> Tensor:
    return (b.flatten(1) @ inverse).view_as(b)


def enlarge(x: Tensor, known: Tensor, size: Sequence[int]) -> Tensor:
    """Interpolate [n, h, w], known where [1, h, w] says 1, to 2 x 2 pixels and this size."""
    rows = torch.cat([x, known])
    for dim in (1, 2):
        sums, length = rows.clone(), rows.shape[dim] - 1
        sums.narrow(dim, 0, length).add_(rows.narrow(dim, 1, length))
        sums.narrow(dim, 1, length).add_(rows.narrow(dim, 0, length))
        rows = sums
    x = torch.where(known > 0, x, rows[:-1] / rows[-1:].clamp(min=1))
    return _interpolate(x, size)


def sum_of_neighbours(x: Tensor) -> Tensor:
    """Return the sum of the left, right, upper and lower neighbours inside the grid: [n, h, w]."""
    result = torch.zeros_like(x)
    result[..., 1:] += x[..., :-1]
    result[..., :-1] += x[..., 1:]
    result[:, 1:] += x[:, :-1]
    result[:, :-1] += x[:, 1:]
    return result


def _v_cycle(levels: list[_Level], inverse: Tensor) -> Tensor:
    """Solve A x = b of the first level roughly: a symmetric map of b, as the gradients need it."""
    level = levels[0]
    grid, b, x = level.grid, level.b, level.x
    if len(levels) == 1:
        return _solve_directly(b, inverse)
    torch.mul(b, grid.inverse * _STEPS[0], out=x)
    level.smooth(_STEPS[1])
    coarse = _restrict(_restrict(grid.residual(x, b, level.spare), 1), 2)
    torch.mul(coarse, levels[1].grid.unknown, out=levels[1].b)
    correction = _v_cycle(levels[1:], inverse)
    x.addcmul_(_interpolate(correction, b.shape), grid.unknown)
    level.smooth(_STEPS[1])
    level.smooth(_STEPS[0])
    return x


def _sum_of_squares(x: Tensor) -> Tensor:
    """Add up 2 x 2 squares of [n, h, w], of zeros beyond its end."""
    x = F.pad(x, (0, x.shape[2] % 2, 0, x.shape[1] % 2))
    x = x[:, ::2] + x[:, 1::2]
    return x[..., ::2] + x[..., 1::2]


def _interpolate(x: Tensor, size: Sequence[int]) -> Tensor:
    """Double both sides of [n, h, w], linearly between pixel centres, and cut them to size."""
    fine = F.interpolate(x[None], scale_factor=2, mode="bilinear")[0]
    return fine[:, : size[-2], : size[-1]]


def _restrict(x: Tensor, dim: int) -> Tensor:
    """Halve one axis: the transpose of `_interpolate`."""
    if x.shape[dim] % 2:
        x = torch.cat([x, torch.zeros_like(x.narrow(dim, 0, 1))], dim)
    even, odd = x.unflatten(dim, (-1, 2)).unbind(dim + 1)
    last = even.shape[dim] - 1
    result = (even + odd) * 0.75
    result.narrow(dim, 0, last).add_(even.narrow(dim, 1, last), alpha=0.25)
    result.narrow(dim, 1, last).add_(odd.narrow(dim, 0, last), alpha=0.25)
    result.narrow(dim, 0, 1).add_(even.narrow(dim, 0, 1), alpha=0.25)
    result.narrow(dim, last, 1).add_(odd.narrow(dim, last, 1), alpha=0.25)
    return result
