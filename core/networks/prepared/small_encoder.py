"""The small encoder for inference.

Legend: N samples, C channels, L style layers, D width of one code, R side of an image.
"""

import math
from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...ops import ACTIVATIONS
from ..encoder import SmallEncoder, SmallUnit, reduction_of
from ..layers import EqualizedConv2d, EqualizedLinear
from .convolution import Convolution, limited
from .features import Features
from .linear import Linear

_SLOPE, _SQRT2 = ACTIVATIONS["lrelu"]
_SQRT_HALF = math.sqrt(0.5)
_LEVELS = (16, 8, 4)  # by how much their maps are smaller than the image


class PreparedSmallEncoder:
    """`SmallEncoder`."""

    def __init__(self, network: SmallEncoder, features: Features, side: int) -> None:
        """Prepare a network with float32 weights for images with a side in pixels."""
        self.features = features
        self.stem = _Conv(network.stem, features, side, _SQRT2)
        self.stages: list[list[_Unit]] = []
        for stage in network.stages:
            units = _units(stage, features, side)
            self.stages.append(units)
            side //= math.prod(unit.down for unit in units)
        self.stacks = {
            level: _units(network.stacks[str(level)], features, 16 * side // level)
            for level in _LEVELS
        }
        dense = {level: network.dense[str(level)] for level in _LEVELS}
        self.dense = {level: Linear.of(_linears([dense[level]])) for level in _LEVELS}
        linears = _linears(network.linears)
        self.w_dim = len(linears[0].weight)
        self.linears = {
            level: Linear.of([a for i, a in enumerate(linears) if reduction_of(i) == level])
            for level in _LEVELS
        }

    def __call__(self, x: Tensor) -> Tensor:
        """Map feature maps of cat(M * I, M) [N, 4, R, R] to float32 offsets [N, L, D]."""
        x = F.leaky_relu_(self.stem(x), _SLOPE)
        maps: list[Tensor] = []
        for stage in self.stages:
            for unit in stage:
                x = unit(x)
            maps.append(x)
        codes: list[Tensor] = []
        heard: Tensor | None = None
        for level, x in zip(_LEVELS, reversed(maps[1:]), strict=True):
            own = self._code(level, x)
            heard = own if heard is None else (own + heard) * _SQRT_HALF
            codes.append(self.linears[level](heard).unflatten(1, (-1, self.w_dim)))
        return torch.cat(codes, dim=1)

    def _code(self, level: int, x: Tensor) -> Tensor:
        for unit in self.stacks[level]:
            x = unit(x)
        pixels = F.adaptive_avg_pool2d(self.features.leave(x), 4)
        return self.dense[level](pixels.flatten(1))


def _units(stage: nn.Module, features: Features, side: int) -> "list[_Unit]":
    units: list[_Unit] = []
    assert isinstance(stage, nn.Sequential)
    for unit in stage:
        assert isinstance(unit, SmallUnit)
        units.append(_Unit(unit, features, side))
        side //= units[-1].down
    return units


def _linears(layers: Iterable[nn.Module]) -> list[EqualizedLinear]:
    return [layer for layer in layers if isinstance(layer, EqualizedLinear)]


class _Unit:
    """`SmallUnit`."""

    def __init__(self, unit: SmallUnit, features: Features, side: int) -> None:
        self.down = unit.conv1.down
        self.conv0 = _Conv(unit.conv0, features, side, _SQRT2)
        self.conv1 = _Conv(unit.conv1, features, side, 1.0)  # of the rectifier and the sum
        self.skip = None if unit.skip is None else _Conv(unit.skip, features, side, _SQRT_HALF)

    def __call__(self, x: Tensor) -> Tensor:
        y = F.leaky_relu_(self.conv0(x), _SLOPE)
        y = F.leaky_relu_(self.conv1(y), _SLOPE)
        y = y.add_(x, alpha=_SQRT_HALF) if self.skip is None else y.add_(self.skip(x))
        return limited(y)


class _Conv:
    """`EqualizedConv2d` before its rectifier, times a gain."""

    def __init__(self, layer: EqualizedConv2d, features: Features, side: int, gain: float) -> None:
        self.smooth = None
        weight, K = layer.weight * (layer.weight_gain * gain), layer.weight.shape[-1]
        bias = None if layer.bias is None else layer.bias * gain
        stride, padding = 1, K // 2
        if layer.down == 2:
            stride, padding = (1, 0) if K == 1 else (2, 0)
            self.smooth = _smoothing(layer, features.dtype, side)
        self.convolution = features.prepare(weight, bias, side, stride=stride, padding=padding)

    def __call__(self, x: Tensor) -> Tensor:
        return self.convolution(x if self.smooth is None else self.smooth(x))


def _smoothing(layer: EqualizedConv2d, dtype: torch.dtype, side: int) -> Convolution:
    """Return the filter before a stride of two; a 1x1 kernel needs every second sample only."""
    channels, K = layer.weight.shape[1], layer.weight.shape[-1]
    kernel = torch.outer(layer.taps, layer.taps).flip(0, 1).repeat(channels, 1, 1, 1)
    stride, padding = (2, 1) if K == 1 else (1, 2)
    return Convolution(kernel, None, dtype, side, stride=stride, padding=padding, groups=channels)
