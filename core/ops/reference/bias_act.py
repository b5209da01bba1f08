"""Scale, noise, bias and activation in plain PyTorch."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

_HALVES_AT_ONCE = 32


def bias_act(
    x: Tensor,
    bias: Tensor | None,
    scale: Tensor | None,
    noise: Tensor | None,
    slope: float,
    gain: float,
) -> Tensor:
    """Return leaky_relu(x * scale + noise + bias) * gain: the public op, given the slope."""
    y = x if scale is None else x * _spread(scale, x)
    for term in (noise, None if bias is None else bias[None]):
        if term is not None:
            y = y + _spread(term, x) if y is x else y.add_(_spread(term, x))
    y = x.clone() if y is x else y
    if slope != 1.0:
        F.leaky_relu_(y, slope)
    return y.mul_(gain) if gain != 1.0 else y


def bias_act_gradients(
    dy: Tensor,
    y: Tensor | None,
    x: Tensor | None,
    scale: Tensor | None,
    slope: float,
    gain: float,
    wants: Sequence[bool],
) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
    """Return the requested gradients with respect to x, bias and scale.

    Args:
        dy: gradient with respect to y, [B, C, ...].
        y: the op's result; only its sign matters; None if slope is 1.
        x: input that the scale multiplied; required for the scale's gradient.
        scale: [B, C]; None if there was none or x's gradient is not requested.
        slope: factor of dy where y is not above zero.
        gain: factor of dy.
        wants: which of the three are requested.
    """
    if y is None:
        return split_gradient(dy if gain == 1.0 else dy * gain, x, scale, wants)
    dz = torch.ops.aten.leaky_relu_backward(dy, y, slope, True).mul_(gain)
    return split_gradient(dz, x, scale, wants)


def split_gradient(
    dz: Tensor, x: Tensor | None, scale: Tensor | None, wants: Sequence[bool]
) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
    """Return the gradients of x, bias and scale, where z = x * scale + noise + bias.

    Arguments as above. Differentiable with respect to all tensors, any order.
    """
    wants_x, wants_bias, wants_scale = wants
    dx = dbias = dscale = None
    if wants_x:
        dx = dz if scale is None else dz * _spread(scale, dz)
    if wants_bias:
        dbias = dz.sum([0, *range(2, dz.ndim)])
    if wants_scale:
        assert x is not None
        dscale = (dz * x).flatten(2).sum(2) if dz.ndim > 2 else dz * x
    return dx, dbias, dscale


def _spread(term: Tensor, x: Tensor) -> Tensor:
    """Return a term [B or 1, C] or [B or 1, 1, ...] with the rank and dtype of x.

    On a CPU, PyTorch adds and multiplies half-precision maps 32 numbers at a time along the last
    axis in memory, and one at a time where that is shorter: with 16 channels last, repeating the
    term along a row is ten times as fast.
    """
    term = term.to(x.dtype).view(*term.shape, *[1] * (x.ndim - term.ndim))
    is_slow = (
        x.device.type == "cpu"
        and x.itemsize == 2
        and x.ndim == 4
        and x.shape[1] < _HALVES_AT_ONCE
        and x.is_contiguous(memory_format=torch.channels_last)
    )
    if not is_slow:
        return term
    row = term.expand(-1, x.shape[1], -1, x.shape[3])
    return row.contiguous(memory_format=torch.channels_last)
