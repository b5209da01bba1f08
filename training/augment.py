"""Differentiable augmentation of the images that a discriminator sees, real and generated.

Source: Zhao et al. 2020, arXiv:2006.10738.
"""

from collections.abc import Callable, Iterable

import torch
from torch import Tensor

from ..core.distributed import Draws


def _uniform(x: Tensor, draws: Draws, low: float, high: float) -> Tensor:
    """Return one number per sample, [N, 1, 1, 1]."""
    return low + (high - low) * draws.uniform(len(x), 1, 1, 1, dtype=x.dtype)


def colour(x: Tensor, draws: Draws) -> Tensor:
    """Shift brightness by up to 0.5, then scale saturation by 0-2 and contrast by 0.5-1.5."""
    x = x + _uniform(x, draws, -0.5, 0.5)
    grey = x.mean(dim=1, keepdim=True)
    x = grey + (x - grey) * _uniform(x, draws, 0, 2)
    mean = x.mean(dim=(1, 2, 3), keepdim=True)
    return mean + (x - mean) * _uniform(x, draws, 0.5, 1.5)


def translation(x: Tensor, draws: Draws) -> Tensor:
    """Shift by whole pixels, up to an eighth of the side; reflect the image at its border.

    Deviates from the source, which pads with zeros: a generator learned them as a pale frame.
    """
    N, _, H, W = x.shape
    reach = H // 8
    down, across = draws.integers(-reach, reach + 1, N, 2).split(1, dim=1)
    rows = _reflect(torch.arange(H, device=x.device) + down, H)
    columns = _reflect(torch.arange(W, device=x.device) + across, W)
    sample = torch.arange(N, device=x.device)[:, None, None]
    moved = x.permute(0, 2, 3, 1)[sample, rows[:, :, None], columns[:, None, :]]
    return moved.permute(0, 3, 1, 2)


def _reflect(index: Tensor, size: int) -> Tensor:
    """Fold an index outside 0 .. size - 1 back in, without repeating the border."""
    return size - 1 - (size - 1 - index.abs()).abs()


def cutout(x: Tensor, draws: Draws) -> Tensor:
    """Set a square of half the side, at a random position, to zero."""
    N, _, H, W = x.shape
    down, across = draws.uniform(N, 2).split(1, dim=1)
    rows = (torch.arange(H, device=x.device) - down * H).abs() < H / 4
    columns = (torch.arange(W, device=x.device) - across * W).abs() < W / 4
    hidden = rows[:, None, :, None] & columns[:, None, None, :]
    return x.masked_fill(hidden, 0.0)


AUGMENTATIONS: dict[str, Callable[[Tensor, Draws], Tensor]] = {
    "colour": colour,
    "translation": translation,
    "cutout": cutout,
}
"""By the names that recipes use."""


def augment(x: Tensor, kinds: Iterable[str], draws: Draws) -> Tensor:
    """Apply some of `AUGMENTATIONS`, in the order given, to [N, 3, H, W].

    Gradients: with respect to x, any order.
    """
    for kind in kinds:
        x = AUGMENTATIONS[kind](x, draws)
    return x
