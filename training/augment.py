"""Differentiable augmentation of what the discriminator sees.

Source: Zhao et al. 2020, arXiv:2006.10738.
"""

from collections.abc import Callable, Iterable

import torch
import torch.nn.functional as F
from torch import Tensor

from ..core.errors import ConfigError


def _uniform(x: Tensor, generator: torch.Generator, low: float, high: float) -> Tensor:
    """Return one number per sample, [N, 1, 1, 1]."""
    u = torch.rand(len(x), 1, 1, 1, generator=generator, device=x.device, dtype=x.dtype)
    return low + (high - low) * u


def colour(x: Tensor, generator: torch.Generator) -> Tensor:
    """Shift brightness by up to 0.5, scale saturation by 0-2 and contrast by 0.5-1.5."""
    x = x + _uniform(x, generator, -0.5, 0.5)
    grey = x.mean(dim=1, keepdim=True)
    x = grey + (x - grey) * _uniform(x, generator, 0, 2)
    mean = x.mean(dim=(1, 2, 3), keepdim=True)
    return mean + (x - mean) * _uniform(x, generator, 0.5, 1.5)


def translation(x: Tensor, generator: torch.Generator) -> Tensor:
    """Shift by up to an eighth of the side, whole pixels, zeros coming in."""
    N, _, H, W = x.shape
    reach = H // 8
    shift = torch.randint(-reach, reach + 1, (2, N), generator=generator, device=x.device)
    rows = torch.arange(H, device=x.device)[None] + shift[0][:, None] + reach
    columns = torch.arange(W, device=x.device)[None] + shift[1][:, None] + reach
    padded = F.pad(x, (reach,) * 4).permute(0, 2, 3, 1)
    sample = torch.arange(N, device=x.device)[:, None, None]
    return padded[sample, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


def cutout(x: Tensor, generator: torch.Generator) -> Tensor:
    """Blank a square of half the side at a random place."""
    N, _, H, W = x.shape
    centre = torch.rand(2, N, 1, generator=generator, device=x.device)
    rows = (torch.arange(H, device=x.device)[None] - centre[0] * H).abs() < H / 4
    columns = (torch.arange(W, device=x.device)[None] - centre[1] * W).abs() < W / 4
    hidden = rows[:, None, :, None] & columns[:, None, None, :]
    return x.masked_fill(hidden, 0.0)


AUGMENTATIONS: dict[str, Callable[[Tensor, torch.Generator], Tensor]] = {
    "colour": colour,
    "translation": translation,
    "cutout": cutout,
}


def augment(x: Tensor, kinds: Iterable[str], generator: torch.Generator) -> Tensor:
    """Return [N, 3, H, W] pictures changed by each kind in turn.

    Raises:
        ConfigError: unknown kind.
    """
    for kind in kinds:
        if kind not in AUGMENTATIONS:
            raise ConfigError(
                f"augmentations among {', '.join(AUGMENTATIONS)}", repr(kind), "Correct the recipe."
            )
        x = AUGMENTATIONS[kind](x, generator)
    return x
