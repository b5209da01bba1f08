"""S: features of three sides that correct the generator's own (Eq. 7)."""

import itertools
import math

import torch
from torch import Tensor, nn

from .config import GeneratorConfig, SkipEncoderConfig

_MULT_BIAS_INIT = -4.0
"""sigmoid(-4) = 0.018: G_mult starts near zero, so that stage 2 starts from stage 1."""


class ResidualLayer(nn.Module):
    """Two convolutions with batch norm and PReLU; the first may halve the size by max-pooling.

    Source: the paper, Appendix A.
    """

    def __init__(self, in_channels: int, out_channels: int, pool: bool) -> None:
        super().__init__()
        self.pool = nn.MaxPool2d(2) if pool else nn.Identity()
        self.convs = nn.Sequential(
            nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(out_channels),
            nn.PReLU(out_channels),
            nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(out_channels),
        )
        same = in_channels == out_channels
        self.shortcut = nn.Identity() if same else nn.Conv2d(in_channels, out_channels, 1)
        self.activation = nn.PReLU(out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """Map [N, in, H, W] to [N, out, H, W], or half the size."""
        x = self.pool(x)
        return self.activation(self.convs(x) + self.shortcut(x))


class SkipHead(nn.Module):
    """Two convolution blocks each for G_add (linear) and G_mult (sigmoid).

    Source: the paper, Appendix A; the last convolutions start at zero so that Eq. 7 starts at
    (nearly) the identity.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.add = self._branch(in_channels, out_channels, 0.0)
        self.mult = self._branch(in_channels, out_channels, _MULT_BIAS_INIT)

    @staticmethod
    def _branch(in_channels: int, out_channels: int, bias: float) -> nn.Sequential:
        last = nn.Conv2d(in_channels, out_channels, 3, padding=1)
        nn.init.zeros_(last.weight)
        assert last.bias is not None
        nn.init.constant_(last.bias, bias)
        return nn.Sequential(
            nn.Conv2d(in_channels, in_channels, 3, padding=1), nn.PReLU(in_channels), last
        )

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Map [N, in, side, side] to (G_add, G_mult), both [N, out, side, side]."""
        return self.add(x), torch.sigmoid(self.mult(x))


class SkipEncoder(nn.Module):
    """Stage-1 composite, erased image and mask [N, 7, R, R] to {side: (G_add, G_mult)}.

    Residual layers of the stem's width lead to maps that are smaller than R/2.

    Source: the paper, section 3.2 and Appendix A.
    """

    def __init__(self, config: SkipEncoderConfig, generator: GeneratorConfig) -> None:
        super().__init__()
        self.config = config
        widths = (config.stem_width, *config.widths)
        self.stem = nn.Conv2d(7, config.stem_width, 3, padding=1)
        num_halvings = int(math.log2(config.resolution // config.sides[0])) - 1
        self.reduce = nn.Sequential(
            *(ResidualLayer(widths[0], widths[0], pool=True) for _ in range(num_halvings))
        )
        self.blocks = nn.ModuleList(
            nn.Sequential(
                ResidualLayer(narrow, wide, pool=True),
                *(
                    ResidualLayer(wide, wide, pool=False)
                    for _ in range(config.layers_per_block - 1)
                ),
            )
            for narrow, wide in itertools.pairwise(widths)
        )
        self.heads = nn.ModuleList(
            SkipHead(width, generator.channels(side))
            for width, side in zip(config.widths, config.sides, strict=True)
        )

    def forward(
        self, composite: Tensor, erased: Tensor, valid: Tensor
    ) -> dict[int, tuple[Tensor, Tensor]]:
        """Return the maps that `SynthesisNetwork` takes as `skips`.

        Args:
            composite: [N, 3, R, R] stage-1 result pasted into the image (Eq. 4).
            erased: [N, 3, R, R] M * I.
            valid: [N, 1, R, R] M, 1 where the image is valid.
        """
        x = self.reduce(self.stem(torch.cat([composite, erased, valid], dim=1)))
        skips: dict[int, tuple[Tensor, Tensor]] = {}
        for side, block, head in zip(self.config.sides, self.blocks, self.heads, strict=True):
            x = block(x)
            skips[side] = head(x)
        return skips
