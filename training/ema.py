"""Moving averages of weights, counted in images."""

import copy
from typing import TypeVar

import torch
from torch import Tensor, nn

Module = TypeVar("Module", bound=nn.Module)


def averaged_copy(module: Module) -> Module:
    """Return a frozen copy for `update_average`."""
    return copy.deepcopy(module).eval().requires_grad_(False)


@torch.no_grad()
def update_average(
    average: nn.Module, module: nn.Module, *, num_images: int, nimg: int, half_life: int
) -> None:
    """Update the average after num_images more images.

    The half-life is at most a tenth of the images seen, so that the initial weights fade quickly.

    Source: Karras et al. 2018, arXiv:1710.10196; ramp-up as in arXiv:2006.06676.
    """
    half_life_now = min(half_life, max(nimg, num_images) * 0.1)
    keep = 0.5 ** (num_images / half_life_now)
    averages: list[Tensor] = [*average.parameters()]
    values: list[Tensor] = [*module.parameters()]
    if averages:  # a mixer that does not mix has none
        move = torch._foreach_lerp_  # pyright: ignore[reportPrivateImportUsage]
        move(averages, values, 1 - keep)
    for kept, value in zip(average.buffers(), module.buffers(), strict=True):
        kept.copy_(value)
