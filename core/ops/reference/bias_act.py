"""Bias and activation in plain PyTorch."""

import torch
import torch.nn.functional as F
from torch import Tensor


def bias_act(x: Tensor, bias: Tensor | None, slope: float, gain: float) -> Tensor:
    """Return leaky_relu(x + bias) * gain; arguments as in the public op, all given."""
    y = x.clone() if bias is None else x + bias.to(x.dtype).view(1, -1, *([1] * (x.ndim - 2)))
    if slope != 1.0:
        F.leaky_relu_(y, slope)
    return y.mul_(gain) if gain != 1.0 else y


def bias_act_gradient(dy: Tensor, y: Tensor, slope: float, gain: float) -> Tensor:
    """Return dy * gain where y is above zero, dy * gain * slope elsewhere."""
    return torch.ops.aten.leaky_relu_backward(dy, y, slope, True).mul_(gain)
