"""S for inference: batch norms are part of the convolutions.

Legend: N samples, C channels, R side of an image.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..skip_encoder import ResidualLayer, SkipEncoder, SkipHead
from .convolution import limited
from .features import FeatureConvolution, Features


class PreparedSkipEncoder:
    """`SkipEncoder`; its maps are in the type of the feature maps."""

    def __init__(self, network: SkipEncoder, dtype: torch.dtype) -> None:
        """Prepare a network with float32 weights for feature maps of float32 or half precision."""
        self.features, self.sides = Features(dtype), network.config.sides
        side = network.config.resolution
        self.stem = self.features.convolution(network.stem, side)
        self.reduce: list[_Layer] = []
        for layer in network.reduce:
            assert isinstance(layer, ResidualLayer)
            side //= 2
            self.reduce.append(_Layer(layer, self.features, side))
        self.blocks: list[list[_Layer]] = []
        for block, side in zip(network.blocks, self.sides, strict=True):
            assert isinstance(block, nn.Sequential)
            layers = [layer for layer in block if isinstance(layer, ResidualLayer)]
            self.blocks.append([_Layer(layer, self.features, side) for layer in layers])
        self.heads = [
            _Head(head, self.features, side)
            for head, side in zip(network.heads, self.sides, strict=True)
            if isinstance(head, SkipHead)
        ]

    def __call__(
        self, composite: Tensor, erased: Tensor, valid: Tensor
    ) -> dict[int, tuple[Tensor, Tensor]]:
        """See `SkipEncoder.forward`."""
        x = self.stem(self.features.enter(torch.cat([composite, erased, valid], dim=1)))
        for layer in self.reduce:
            x = layer(x)
        skips: dict[int, tuple[Tensor, Tensor]] = {}
        for side, block, head in zip(self.sides, self.blocks, self.heads, strict=True):
            for layer in block:
                x = layer(x)
            skips[side] = head(x)
        return skips


class _Layer:
    """`ResidualLayer`, for maps with a side after pooling."""

    def __init__(self, layer: ResidualLayer, features: Features, side: int) -> None:
        self.pools = isinstance(layer.pool, nn.MaxPool2d)
        conv0, norm0, activation, conv1, norm1 = layer.convs
        self.conv0 = _normalized(conv0, norm0, features, side)
        self.conv1 = _normalized(conv1, norm1, features, side)
        shortcut = layer.shortcut
        self.shortcut = (
            features.convolution(shortcut, side) if isinstance(shortcut, nn.Conv2d) else None
        )
        self.slopes = [_slope(a, features.dtype) for a in (activation, layer.activation)]

    def __call__(self, x: Tensor) -> Tensor:
        x = F.max_pool2d(x, 2) if self.pools else x
        y = self.conv1(F.prelu(self.conv0(x), self.slopes[0]))
        y.add_(x if self.shortcut is None else self.shortcut(x))
        return F.prelu(limited(y), self.slopes[1])


class _Head:
    """`SkipHead`."""

    def __init__(self, head: SkipHead, features: Features, side: int) -> None:
        self.features = features
        self.add = _Branch(head.add, features, side)
        self.mult = _Branch(head.mult, features, side)

    def __call__(self, x: Tensor) -> tuple[Tensor, Tensor]:
        add, mult = self.add(x), self.mult(x)
        unit = self.features.unit
        if unit != 1:
            add, mult = limited(add.mul_(unit)), mult.mul_(unit)
        return add, mult.sigmoid_()


class _Branch:
    """One of the two branches of `SkipHead`."""

    def __init__(self, branch: nn.Sequential, features: Features, side: int) -> None:
        first, activation, last = branch
        assert isinstance(first, nn.Conv2d) and isinstance(last, nn.Conv2d)
        self.first = features.convolution(first, side)
        self.last = features.convolution(last, side)
        self.slope = _slope(activation, features.dtype)

    def __call__(self, x: Tensor) -> Tensor:
        return self.last(F.prelu(self.first(x), self.slope))


def _slope(activation: nn.Module, dtype: torch.dtype) -> Tensor:
    assert isinstance(activation, nn.PReLU)
    return activation.weight.to(dtype)


def _normalized(
    conv: nn.Module, norm: nn.Module, features: Features, side: int
) -> FeatureConvolution:
    """Prepare a convolution without bias and the batch norm after it as one convolution."""
    assert isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d)
    assert norm.running_mean is not None and norm.running_var is not None
    # In float64, as the weights are rounded once more afterwards.
    factor = norm.weight.double() / (norm.running_var.double() + norm.eps).sqrt()
    weight = conv.weight.double() * factor[:, None, None, None]
    bias = norm.bias.double() - norm.running_mean.double() * factor
    return features.prepare(weight.float(), bias.float(), side)
