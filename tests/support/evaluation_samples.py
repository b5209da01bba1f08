"""Pictures and what methods made of them, drawn for the tests of the metrics."""

import torch

from diverse_inpainting.evaluation.protocol import Pairs
from diverse_inpainting.evaluation.types import Evaluated


def noise(*shape, seed=0):
    """Random levels, uint8."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(256, shape, generator=generator, dtype=torch.uint8)


def boxes(n, side):
    """Holes [n, 1, side, side]: a box in the middle, growing from picture to picture."""
    holes = torch.zeros(n, 1, side, side, dtype=torch.bool)
    for i in range(n):
        half = 1 + i % (side // 2 - 1)
        middle = slice(side // 2 - half, side // 2 + half)
        holes[i, 0, middle, middle] = True
    return holes


def pairs(n=4, side=16):
    names = tuple(f"picture{i}" for i in range(n))
    return Pairs(names, noise(n, 3, side, side), boxes(n, side))


def evaluated(originals, holes, results, **fields):
    names = tuple(f"picture{i}" for i in range(len(originals)))
    return Evaluated(
        method="m", names=names, originals=originals, holes=holes, results=results, **fields
    )


def constant(value, *shape):
    return torch.full(shape, value, dtype=torch.uint8)
