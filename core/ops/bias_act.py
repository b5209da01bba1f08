"""Add a bias, then apply a leaky rectifier and a gain."""

import math
from typing import Any

import torch
from torch import Tensor

from ..errors import InputError
from .dispatch import requested, select

ACTIVATIONS: dict[str, tuple[float, float]] = {
    "linear": (1.0, 1.0),
    "relu": (0.0, math.sqrt(2.0)),
    "lrelu": (0.2, math.sqrt(2.0)),
}
"""Slope below zero and default gain (keeps the variance, He et al. 2015) per activation."""


def bias_act(
    x: Tensor, bias: Tensor | None = None, activation: str = "linear", gain: float | None = None
) -> Tensor:
    """Return activation(x + bias) * gain.

    Args:
        x: [B, C, ...], any floating dtype.
        bias: [C] or None.
        activation: a key of `ACTIVATIONS`; StyleGAN2 uses only these piecewise linear ones.
        gain: positive factor of the result; None takes the activation's own.

    Returns:
        x's shape and dtype.

    Raises:
        InputError: unknown activation, a gain not above zero, or a bias that is not [C].

    Gradients: with respect to x and bias, of any order.

    Source: Karras et al. 2019, arXiv:1812.04948 (equalised leaky layers).
    """
    if activation not in ACTIVATIONS:
        raise InputError(
            f"an activation among {', '.join(ACTIVATIONS)}", repr(activation), "Choose one."
        )
    if x.ndim < 2 or (bias is not None and bias.shape != x.shape[1:2]):
        raise InputError(
            "x [B, C, ...] and a bias [C]",
            f"{tuple(x.shape)} and {None if bias is None else tuple(bias.shape)}",
            "Give one bias per channel.",
        )
    slope, default_gain = ACTIVATIONS[activation]
    gain = default_gain if gain is None else float(gain)
    if not gain > 0:  # also refuses NaN
        raise InputError("a positive gain", str(gain), "Negate the result instead.")
    return _BiasAct.apply(x, bias, slope, gain, requested())


class _BiasAct(torch.autograd.Function):
    """y = max(x + b, slope * (x + b)) * gain, so dy/dx = gain * (1 if y/gain > 0 else slope)."""

    @staticmethod
    def forward(
        ctx: Any,  # noqa: ANN401 - autograd's context has no public type
        x: Tensor,
        bias: Tensor | None,
        slope: float,
        gain: float,
        backend: str | None,
    ) -> Tensor:
        y = select("bias_act", x.device, backend)(x, bias, slope, gain)
        ctx.settings = (slope, gain, backend)
        ctx.bias_dtype = None if bias is None else bias.dtype
        # The sign of y tells the branch taken; a linear layer needs none.
        ctx.save_for_backward(None if slope == 1.0 else y)
        return y

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401
        (y,) = ctx.saved_tensors
        dx = _BiasActGradient.apply(dy, y, *ctx.settings)
        db = None
        if ctx.bias_dtype is not None and ctx.needs_input_grad[1]:
            db = dx.sum([0, *range(2, dx.ndim)]).to(ctx.bias_dtype)
        return dx, db, None, None, None


class _BiasActGradient(torch.autograd.Function):
    """dx = dy * gain * (1 or slope): linear in dy, so its own gradient is itself again."""

    @staticmethod
    def forward(
        ctx: Any,  # noqa: ANN401
        dy: Tensor,
        y: Tensor | None,
        slope: float,
        gain: float,
        backend: str | None,
    ) -> Tensor:
        ctx.settings = (slope, gain, backend)
        ctx.save_for_backward(y)
        if y is None:
            return dy * gain
        # Only the sign of y matters here, and a positive gain keeps it.
        return select("bias_act_gradient", dy.device, backend)(dy, y, slope, gain)

    @staticmethod
    def backward(ctx: Any, ddx: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401
        (y,) = ctx.saved_tensors
        return _BiasActGradient.apply(ddx, y, *ctx.settings), None, None, None, None
