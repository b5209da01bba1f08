"""E: an erased image and its mask to style codes, as offsets from w_avg."""

import itertools
import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .config import EncoderConfig
from .layers import EqualizedConv2d, EqualizedLinear

COARSE_LAYERS, MIDDLE_LAYERS = 3, 4
"""Style layers read from R/16 and R/8; the rest come from R/4 (pSp, arXiv:2008.00951, Fig. 2)."""


def initialize_he(conv: nn.Conv2d, slope: float) -> None:
    """Give a convolution before a rectifier of that slope weights that keep the variance.

    Source: He et al. 2015, arXiv:1502.01852.
    """
    nn.init.kaiming_normal_(conv.weight, a=slope)
    assert conv.bias is not None
    nn.init.zeros_(conv.bias)


class SqueezeExcite(nn.Module):
    """Scale channels by a gate computed from their means.

    Source: Hu et al. 2018, arXiv:1709.01507.
    """

    def __init__(self, channels: int, reduction: int = 16) -> None:
        super().__init__()
        hidden = max(channels // reduction, 1)
        self.squeeze = nn.Conv2d(channels, hidden, 1)
        self.excite = nn.Conv2d(hidden, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map [N, C, H, W] to the same shape."""
        hidden = F.relu(self.squeeze(x.mean(dim=(2, 3), keepdim=True)))
        return x * torch.sigmoid(self.excite(hidden))


class ImprovedResidualUnit(nn.Module):
    """The IR-SE unit of ArcFace without its normalisation layers, hence biases.

    Source: Deng et al. 2019, arXiv:1801.07698; normalisation removed as in the paper, Appendix A.
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        self.stride = stride
        self.shortcut = (
            None if in_channels == out_channels else nn.Conv2d(in_channels, out_channels, 1, stride)
        )
        self.conv0 = nn.Conv2d(in_channels, out_channels, 3, padding=1)
        self.activation = nn.PReLU(out_channels)
        self.conv1 = nn.Conv2d(out_channels, out_channels, 3, stride, padding=1)
        self.scale = SqueezeExcite(out_channels)
        for conv in (self.conv0, self.conv1):
            initialize_he(conv, 0.25)
        # 24 units without normalisation would otherwise multiply the variance by two each.
        with torch.no_grad():
            self.conv1.weight.mul_(0.5)

    def forward(self, x: Tensor) -> Tensor:
        """Map [N, in, H, W] to [N, out, H/stride, W/stride]."""
        skip = F.max_pool2d(x, 1, self.stride) if self.shortcut is None else self.shortcut(x)
        return skip + self.scale(self.conv1(self.activation(self.conv0(x))))


class StyleHead(nn.Module):
    """Stride-2 convolutions down to one pixel, then a linear map: pSp's map2style.

    Source: Richardson et al. 2021, arXiv:2008.00951, section 3.
    """

    def __init__(self, channels: int, w_dim: int, side: int) -> None:
        super().__init__()
        widths = [channels] + [w_dim] * int(math.log2(side))
        layers: list[nn.Module] = []
        for a, b in itertools.pairwise(widths):
            conv = nn.Conv2d(a, b, 3, stride=2, padding=1)
            initialize_he(conv, 0.01)
            layers += [conv, nn.LeakyReLU()]
        self.convs = nn.Sequential(*layers)
        self.linear = EqualizedLinear(w_dim, w_dim)

    def forward(self, x: Tensor) -> Tensor:
        """Map [N, C, side, side] to [N, D]."""
        return self.linear(self.convs(x).flatten(1))


class PspEncoder(nn.Module):
    """GradualStyleEncoder: an IR-SE trunk, a feature pyramid and one head per style layer.

    Source: Richardson et al. 2021, arXiv:2008.00951, Fig. 2; four input channels and no
    normalisation as in the paper, Appendix A.
    """

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        widths = [min(config.width * 2**i, config.max_width) for i in range(4)]
        self.stem = nn.Conv2d(4, config.width, 3, padding=1)
        self.stem_activation = nn.PReLU(config.width)
        inputs = [config.width, *widths]
        self.stages = nn.ModuleList(
            nn.Sequential(
                ImprovedResidualUnit(inputs[i], widths[i], 2),
                *(ImprovedResidualUnit(widths[i], widths[i], 1) for _ in range(depth - 1)),
            )
            for i, depth in enumerate(config.depths)
        )
        self.lateral_middle = nn.Conv2d(widths[2], widths[3], 1)
        self.lateral_fine = nn.Conv2d(widths[1], widths[3], 1)
        self.heads = nn.ModuleList(
            StyleHead(widths[3], config.w_dim, config.resolution // reduction_of(layer))
            for layer in range(config.num_layers)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map cat(M * I, M) [N, 4, R, R] to offsets [N, L, D] from w_avg.

        Trunk: R/2, R/4, R/8 and R/16; coarse = R/16, middle = R/8, fine = R/4, each of the finer
        two added to the upsampled one above it.
        """
        x = self.stem_activation(self.stem(x))
        _, fine, middle, coarse = _run(self.stages, x)
        middle = upsample_add(coarse, self.lateral_middle(middle))
        fine = upsample_add(middle, self.lateral_fine(fine))
        levels = {16: coarse, 8: middle, 4: fine}
        codes = [head(levels[reduction_of(i)]) for i, head in enumerate(self.heads)]
        return torch.stack(codes, dim=1)


def reduction_of(layer: int) -> int:
    """Return by how much the map is smaller than the image that this style layer reads."""
    if layer < COARSE_LAYERS:
        return 16
    return 8 if layer < COARSE_LAYERS + MIDDLE_LAYERS else 4


def _run(stages: nn.ModuleList, x: Tensor) -> list[Tensor]:
    maps: list[Tensor] = []
    for stage in stages:
        x = stage(x)
        maps.append(x)
    return maps


def upsample_add(coarse: Tensor, fine: Tensor) -> Tensor:
    """Return a level of the feature pyramid: the coarser one, enlarged, plus the finer one."""
    size = fine.shape[-2:]
    return F.interpolate(coarse, size, mode="bilinear", align_corners=True) + fine


class SmallUnit(nn.Module):
    """Residual unit with equalised learning rates; the sum is scaled to keep the variance."""

    def __init__(self, in_channels: int, out_channels: int, down: int) -> None:
        super().__init__()
        self.conv0 = EqualizedConv2d(in_channels, out_channels, 3, activation="lrelu")
        self.conv1 = EqualizedConv2d(out_channels, out_channels, 3, activation="lrelu", down=down)
        plain = in_channels == out_channels and down == 1
        self.skip = (
            None if plain else EqualizedConv2d(in_channels, out_channels, 1, bias=False, down=down)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map [N, in, H, W] to [N, out, H/down, W/down]."""
        skip = x if self.skip is None else self.skip(x)
        return (self.conv1(self.conv0(x)) + skip) * math.sqrt(0.5)


class SmallEncoder(nn.Module):
    """A light E: residual trunk, one convolution stack per level, one linear map per layer.

    The levels and the layers that read them are those of `PspEncoder`.
    """

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        widths = [min(config.width * 2**i, config.max_width) for i in range(4)]
        self.stem = EqualizedConv2d(4, config.width, 3, activation="lrelu")
        inputs = [config.width, *widths]
        self.stages = nn.ModuleList(
            nn.Sequential(
                SmallUnit(inputs[i], widths[i], down=2),
                *(SmallUnit(widths[i], widths[i], down=1) for _ in range(depth - 1)),
            )
            for i, depth in enumerate(config.depths)
        )
        sides = {16: config.resolution // 16, 8: config.resolution // 8, 4: config.resolution // 4}
        self.stacks = nn.ModuleDict(
            {
                str(reduction): _stack(widths[stage], widths[3], side)
                for stage, (reduction, side) in zip((3, 2, 1), sides.items(), strict=True)
            }
        )
        features = widths[3] * 16
        self.dense = nn.ModuleDict(
            {
                key: EqualizedLinear(features, config.w_dim, activation="lrelu")
                for key in self.stacks
            }
        )
        self.linears = nn.ModuleList(
            EqualizedLinear(config.w_dim, config.w_dim) for _ in range(config.num_layers)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map cat(M * I, M) [N, 4, R, R] to offsets [N, L, D] from w_avg."""
        _, fine, middle, coarse = _run(self.stages, self.stem(x))
        codes = {}
        for key, level in (("16", coarse), ("8", middle), ("4", fine)):
            pixels = F.adaptive_avg_pool2d(self.stacks[key](level), 4)
            codes[key] = self.dense[key](pixels.flatten(1))
        # Finer layers also hear the coarser levels, as pSp's pyramid lets them.
        codes["8"] = (codes["8"] + codes["16"]) * math.sqrt(0.5)
        codes["4"] = (codes["4"] + codes["8"]) * math.sqrt(0.5)
        outputs = [
            linear(codes[str(reduction_of(layer))]) for layer, linear in enumerate(self.linears)
        ]
        return torch.stack(outputs, dim=1)


def _stack(in_channels: int, out_channels: int, side: int) -> nn.Sequential:
    """Halve the map until its side is 4; at least one unit."""
    units = max(int(math.log2(side)) - 2, 0)
    widths = [in_channels] + [out_channels] * units
    if not units:
        return nn.Sequential(SmallUnit(in_channels, out_channels, down=1))
    return nn.Sequential(*(SmallUnit(a, b, down=2) for a, b in itertools.pairwise(widths)))


class Encoder(nn.Module):
    """E of either kind: cat(M * I, M) [N, 4, R, R] to offsets [N, L, D] from w_avg.

    I is in [-1, 1]; M is 1 where the image is valid.
    """

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.config = config
        self.network = (PspEncoder if config.kind == "psp" else SmallEncoder)(config)

    def forward(self, x: Tensor) -> Tensor:
        """Return offsets from w_avg, [N, L, D]."""
        return self.network(x)
