"""E of the paper for inference.

Legend: N samples, C channels, L style layers, D width of one code, R side of an image.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..encoder import (
    ImprovedResidualUnit,
    PspEncoder,
    SqueezeExcite,
    StyleHead,
    reduction_of,
    upsample_add,
)
from .convolution import as_map, limited
from .features import Features
from .linear import Linear


class PreparedPspEncoder:
    """`PspEncoder`."""

    def __init__(self, network: PspEncoder, features: Features, side: int) -> None:
        """Prepare a network with float32 weights for images with a side in pixels."""
        self.stem = features.convolution(network.stem, side)
        self.slope = network.stem_activation.weight.to(features.dtype)
        self.stages: list[list[_Unit]] = []
        for stage in network.stages:
            assert isinstance(stage, nn.Sequential)
            self.stages.append([])
            for unit in stage:
                assert isinstance(unit, ImprovedResidualUnit)
                self.stages[-1].append(_Unit(unit, features, side))
                side //= unit.stride
        self.lateral_middle = features.convolution(network.lateral_middle, 2 * side)
        self.lateral_fine = features.convolution(network.lateral_fine, 4 * side)
        self.heads: list[tuple[int, _Head]] = []
        for layer, head in enumerate(network.heads):
            assert isinstance(head, StyleHead)
            reduction = reduction_of(layer)
            self.heads.append((reduction, _Head(head, features, side * 16 // reduction)))

    def __call__(self, x: Tensor) -> Tensor:
        """Map feature maps of cat(M * I, M) [N, 4, R, R] to float32 offsets [N, L, D]."""
        x = F.prelu(self.stem(x), self.slope)
        maps: list[Tensor] = []
        for stage in self.stages:
            for unit in stage:
                x = unit(x)
            maps.append(x)
        _, fine, middle, coarse = maps
        middle = limited(upsample_add(coarse, self.lateral_middle(middle)))
        fine = limited(upsample_add(middle, self.lateral_fine(fine)))
        levels = {16: coarse, 8: middle, 4: fine}
        return torch.stack([head(levels[reduction]) for reduction, head in self.heads], dim=1)


class _Unit:
    """`ImprovedResidualUnit`."""

    def __init__(self, unit: ImprovedResidualUnit, features: Features, side: int) -> None:
        self.stride = unit.stride
        self.shortcut = None if unit.shortcut is None else features.convolution(unit.shortcut, side)
        self.conv0 = features.convolution(unit.conv0, side)
        self.conv1 = features.convolution(unit.conv1, side)
        self.slope = unit.activation.weight.to(features.dtype)
        self.gate = _Gate(unit.scale, features)

    def __call__(self, x: Tensor) -> Tensor:
        y = self.conv1(F.prelu(self.conv0(x), self.slope))
        # Of a window of one pixel, max-pooling takes that pixel.
        taken = x[:, :, :: self.stride, :: self.stride]
        skip = taken if self.shortcut is None else self.shortcut(x)
        return limited(torch.addcmul(skip, y, self.gate(y), out=y))


class _Gate:
    """The factors of `SqueezeExcite`, computed in float32."""

    def __init__(self, layer: SqueezeExcite, features: Features) -> None:
        self.features = features
        self.weights = [conv.weight.flatten(1) for conv in (layer.squeeze, layer.excite)]
        self.biases = [conv.bias for conv in (layer.squeeze, layer.excite)]

    def __call__(self, x: Tensor) -> Tensor:
        """Return [N, C, 1, 1] for feature maps [N, C, H, W]."""
        means = x.mean(dim=(2, 3), dtype=torch.float32) * self.features.unit
        hidden = F.relu_(F.linear(means, self.weights[0], self.biases[0]))
        return as_map(F.linear(hidden, self.weights[1], self.biases[1]).sigmoid_(), x)


class _Head:
    """`StyleHead`."""

    def __init__(self, head: StyleHead, features: Features, side: int) -> None:
        convs = [layer for layer in head.convs if isinstance(layer, nn.Conv2d)]
        (self.slope,) = {a.negative_slope for a in head.convs if isinstance(a, nn.LeakyReLU)}
        self.convs = [features.convolution(conv, side // 2**i) for i, conv in enumerate(convs)]
        self.features, self.linear = features, Linear.of(head.linear)

    def __call__(self, x: Tensor) -> Tensor:
        for conv in self.convs:
            x = F.leaky_relu_(conv(x), self.slope)
        return self.linear(self.features.leave(x).flatten(1))
