"""3x3 convolution by Winograd's minimal filtering: a quarter of the multiplications.

Legend: N samples, C channels in, O channels out, H x W pixels, T tiles of 4 x 4 outputs.
"""

import math
from functools import lru_cache

import torch
from torch import Tensor

_TILE, _WINDOW = 4, 6  # outputs along an axis, and the inputs that they need
_POINTS = (0.0, 0.7, -0.7, 1.4, -1.4)
"""Where the polynomials are evaluated, besides infinity. The usual 0, 1, -1, 2, -2 err four times
as much in float32; with these the error is that of oneDNN's direct convolution (1e-6 of the
output's deviation for 256 channels)."""
_CHUNK = 256  # tiles at once: what they pass through then stays in the cache


class WinogradConvolution:
    """Convolution with constant 3x3 weights and a padding of one, in float32.

    y = A^T [(G w G^T) * (B^T x B)] A for each tile; the sum over channels is a matrix product.

    Source: Lavin and Gray 2016, arXiv:1509.09308, F(4x4, 3x3); points chosen by measurement, after
        Barabasz et al. 2020, arXiv:1803.10986.
    """

    def __init__(self, weight: Tensor) -> None:
        """Transform weights [O, C, 3, 3] in float64; they take four times the memory."""
        gather, spread, combine = _matrices()
        channels_out, channels_in = weight.shape[:2]
        spread = spread.to(weight.device)
        product = torch.einsum("ai,bj,ocij->abco", spread, spread, weight.double())
        self.weight = product.float().reshape(_WINDOW**2, channels_in, channels_out)
        self.gather = gather.float().to(weight.device)
        self.combine = combine.float().to(weight.device)

    def __call__(self, x: Tensor, scale: Tensor | None = None) -> Tensor:
        """Return the convolution of x [N, C, H, W] times scale [N, C], channels_last.

        H and W are multiples of four.
        """
        N, C, H, W = x.shape
        padded = x.new_zeros(N, H + 2, W + 2, C)
        inner, pixels = padded[:, 1:-1, 1:-1], x.permute(0, 2, 3, 1)
        if scale is None:
            inner.copy_(pixels)
        else:
            torch.mul(pixels, scale[:, None, None], out=inner)
        rows, columns = H // _TILE, W // _TILE
        y = x.new_empty(N, rows, _TILE, columns, _TILE, self.weight.shape[2])
        num_samples = max(_CHUNK // (rows * columns), 1)
        num_rows = min(max(_CHUNK // columns, 1), rows)
        for n in range(0, N, num_samples):
            for row in range(0, rows, num_rows):
                part = y[n : n + num_samples, row : row + num_rows]
                self._convolve(padded, n, row, part)
        return y.view(N, H, W, -1).permute(0, 3, 1, 2)

    def _convolve(self, padded: Tensor, n: int, row: int, y: Tensor) -> None:
        """Write the outputs y [n, rows, 4, columns, 4, O] of tiles from a sample and row on."""
        num, rows, _, columns, _, channels_out = y.shape
        channels_in = padded.shape[3]
        per_sample, per_row, per_pixel, _ = padded.stride()
        tiles = padded.as_strided(
            (_WINDOW, _WINDOW, num, rows, columns, channels_in),
            (per_row, per_pixel, per_sample, per_row * _TILE, per_pixel * _TILE, 1),
            padded.storage_offset() + n * per_sample + row * _TILE * per_row,
        )
        x = (self.gather @ tiles.reshape(_WINDOW, -1)).view(_WINDOW, _WINDOW, -1)
        x = torch.matmul(self.gather, x).view(_WINDOW**2, -1, channels_in)
        x = torch.bmm(x, self.weight)
        x = (self.combine @ x.view(_WINDOW, -1)).view(_TILE, _WINDOW, -1)
        x = torch.matmul(self.combine, x).view(_TILE, _TILE, num, rows, columns, channels_out)
        y.copy_(x.permute(2, 3, 0, 4, 1, 5))


@lru_cache(maxsize=1)
def _matrices() -> tuple[Tensor, Tensor, Tensor]:
    """Return B^T [6, 6], G [6, 3] and A^T [4, 6] in float64 (Toom and Cook's construction)."""
    points = torch.tensor(_POINTS, dtype=torch.float64)
    gather = torch.zeros(_WINDOW, _WINDOW, dtype=torch.float64)
    for k, point in enumerate(_POINTS):
        others = [other for other in _POINTS if other != point]
        gather[k, :-1] = _polynomial(others) / math.prod(point - other for other in others)
    gather[-1] = _polynomial(_POINTS)
    infinity = torch.zeros(1, 3, dtype=torch.float64)
    infinity[0, -1] = 1
    spread = torch.cat([points[:, None] ** torch.arange(3), infinity])
    last = torch.zeros(_TILE, 1, dtype=torch.float64)
    last[-1] = 1
    combine = torch.cat([points[None] ** torch.arange(_TILE)[:, None], last], dim=1)
    return gather, spread, combine


def _polynomial(roots: tuple[float, ...] | list[float]) -> Tensor:
    """Return the coefficients of the product of (x - root), the constant first."""
    coefficients = torch.ones(1, dtype=torch.float64)
    for root in roots:
        shifted = torch.cat([torch.zeros(1, dtype=torch.float64), coefficients])
        shifted[:-1] -= root * coefficients
        coefficients = shifted
    return coefficients
