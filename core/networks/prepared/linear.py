"""Fully connected layers with constant weights, in float32: they are a small part of the work."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import torch
import torch.nn.functional as F
from torch import Tensor

from ...ops import ACTIVATIONS
from ..layers import EqualizedLinear


@dataclass(frozen=True)
class Linear:
    """`EqualizedLinear`, or several of one input side by side: their gains are in the weights."""

    weight: Tensor
    """[in, out] float32."""
    bias: Tensor
    """[out] float32."""
    slope: float
    """Of the rectifier, below zero; 1 for none."""

    @classmethod
    def of(cls, layers: EqualizedLinear | Sequence[EqualizedLinear], gain: float = 1.0) -> Self:
        """Prepare layers with one activation, whose results are multiplied by a gain above 0."""
        layers = [layers] if isinstance(layers, EqualizedLinear) else layers
        slope, own_gain = ACTIVATIONS[layers[0].activation]
        gain *= own_gain  # a rectifier commutes with it
        weight = torch.cat([layer.weight * (layer.weight_gain * gain) for layer in layers])
        bias = torch.cat([layer.bias * (layer.bias_gain * gain) for layer in layers])
        return cls(weight.t().contiguous(), bias, slope)

    def __call__(self, x: Tensor) -> Tensor:
        """Map [N, in] to [N, out]."""
        y = torch.addmm(self.bias, x, self.weight)
        return y if self.slope == 1 else F.leaky_relu_(y, self.slope)
