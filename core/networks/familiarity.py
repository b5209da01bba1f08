"""Whether the visible part of an image looks like what the model knows.

Legend: N images, R side in pixels, s the side at which they are judged.
"""

import itertools

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .config import FamiliarityConfig

_DROPOUT = 0.3
_SLOPE = 0.2
_MIN_VALID_FRAC = 0.5  # of what a shrunk pixel covers, for it to be valid; as in geometry.py


class Familiarity(nn.Module):
    """A small classifier of erased images: known, or one of the many things that are not.

    It sees the image at s = 32 pixels, where the layout of a face shows and little else, and it
    knows the hole: where nearly everything is erased it has learned to stay undecided. The bias of
    its last layer holds the threshold, so that 0 is the border.

    Source: outlier exposure, Hendrycks et al. 2019, arXiv:1812.04606.
    """

    def __init__(self, config: FamiliarityConfig) -> None:
        super().__init__()
        self.config = config
        widths = (4, *config.widths)
        self.levels = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(a, b, 3, stride=2, padding=1),
                nn.LeakyReLU(_SLOPE),
                nn.Conv2d(b, b, 3, padding=1),
                nn.LeakyReLU(_SLOPE),
            )
            for a, b in itertools.pairwise(widths)
        )
        last = config.side // 2 ** len(config.widths)
        self.hidden = nn.Linear(widths[-1] * last * last, config.features)
        self.output = nn.Linear(config.features, 1)
        for layer in self.modules():  # PyTorch's own values fade over eight layers
            if isinstance(layer, nn.Conv2d | nn.Linear):
                nn.init.kaiming_normal_(layer.weight, a=_SLOPE)

    def forward(self, erased: Tensor, valid: Tensor) -> Tensor:
        """Return [N] logits, above 0 where an image does not look like what the model knows.

        Args:
            erased: [N, 3, R, R] M*I in [-1, 1], R at least s.
            valid: [N, 1, R, R] M.
        """
        x = shrink(erased, valid, self.config.side)
        for level in self.levels:
            x = level(x)
        x = F.dropout(x.flatten(1), _DROPOUT, self.training)
        return self.output(F.leaky_relu(self.hidden(x), _SLOPE))[:, 0]


def shrink(erased: Tensor, valid: Tensor, side: int) -> Tensor:
    """Return erased images and masks at a smaller side, without a trace of the hole.

    Args:
        erased: [N, 3, R, R] M*I.
        valid: [N, 1, R, R] M.
        side: s, a divisor of R.

    Returns:
        [N, 4, s, s]: the mean of the valid pixels where at least half are valid, else 0; and
        whether they are.
    """
    factor = erased.shape[-1] // side
    fraction = F.avg_pool2d(valid, factor)
    known = (fraction > _MIN_VALID_FRAC).to(erased.dtype)
    mean = F.avg_pool2d(erased, factor) / fraction.clamp(min=_MIN_VALID_FRAC)
    return torch.cat([mean * known, known], dim=1)
