"""Scale channels, add noise and a bias, apply a leaky ReLU and a gain: all in one pass."""

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import InputError
from .dispatch import is_exporting, requested, select
from .reference.bias_act import split_gradient

ACTIVATIONS: dict[str, tuple[float, float]] = {
    "linear": (1.0, 1.0),
    "relu": (0.0, math.sqrt(2.0)),
    "lrelu": (0.2, math.sqrt(2.0)),
}
"""Slope below zero and default gain (preserves the variance, He et al. 2015) per activation."""


def bias_act(
    x: Tensor,
    bias: Tensor | None = None,
    activation: str = "linear",
    gain: float | None = None,
    *,
    scale: Tensor | None = None,
    noise: Tensor | None = None,
) -> Tensor:
    """Return activation(x * scale + noise + bias) * gain.

    Args:
        x: [B, C, ...], any floating dtype.
        bias: [C] or None.
        activation: a key of `ACTIVATIONS`; StyleGAN2 uses only these piecewise linear ones.
        gain: positive factor of the result; None for the activation's default.
        scale: [B, C] factors of each sample's channels, or None.
        noise: [B or 1, 1, ...], shared by the channels, or None.

    Returns:
        x's shape and dtype.

    Raises:
        InputError: an unknown activation, a gain of zero or less, or a shape that does not fit x.

    Gradients: with respect to x, bias, scale and noise, of any order.

    Source: Karras et al. 2019, arXiv:1812.04948 (equalised leaky layers).
    """
    if activation not in ACTIVATIONS:
        raise InputError(
            f"one of the activations {', '.join(ACTIVATIONS)}", repr(activation), "Choose one."
        )
    _check_shapes(x, bias, scale, noise)
    slope, default_gain = ACTIVATIONS[activation]
    gain = default_gain if gain is None else float(gain)
    if not gain > 0:  # rejects NaN, too
        raise InputError("a positive gain", str(gain), "Negate the result instead.")
    if is_exporting():
        return _in_graph(x, bias, scale, noise, slope, gain)
    return _BiasAct.apply(x, bias, scale, noise, slope, gain, requested())


def scale_channels(x: Tensor, scale: Tensor) -> Tensor:
    """Return x [B, C, ...] times scale [B, C], as `bias_act` does."""
    return bias_act(x, scale=scale)


def _check_shapes(
    x: Tensor, bias: Tensor | None, scale: Tensor | None, noise: Tensor | None
) -> None:
    given = [None if tensor is None else tensor.shape for tensor in (x, bias, scale, noise)]
    one_map = (1, *x.shape[2:])
    fits = (
        x.ndim >= 2
        and given[1] in (None, x.shape[1:2])
        and given[2] in (None, x.shape[:2])
        and given[3] in (None, (1, *one_map), (x.shape[0], *one_map))
    )
    if not fits:
        raise InputError(
            "x [B, C, ...], bias [C], scale [B, C] and noise [B or 1, 1, ...]",
            ", ".join("None" if shape is None else str(tuple(shape)) for shape in given),
            "Pass one bias per channel, and one scale per sample and channel.",
        )


def _in_graph(
    x: Tensor,
    bias: Tensor | None,
    scale: Tensor | None,
    noise: Tensor | None,
    slope: float,
    gain: float,
) -> Tensor:
    """Return the same for the ONNX exporter, which knows no autograd functions.

    The gain moves from the features to the constants: the activations allow it, being piecewise
    linear.
    """
    ones = [1] * (x.ndim - 2)
    if scale is not None:
        x = x * (scale * gain).reshape(-1, x.shape[1], *ones)
    elif gain != 1.0:
        x = x * gain
    if noise is not None:
        x = x + noise * gain
    if bias is not None:
        x = x + (bias * gain).reshape(-1, *ones)
    return x if slope == 1.0 else F.leaky_relu(x, slope)


class _BiasAct(torch.autograd.Function):
    """y = max(z, slope * z) * gain, so dy/dz = gain * (1 if y > 0 else slope)."""

    @staticmethod
    def forward(
        ctx: Any,  # noqa: ANN401 - autograd's context has no public type
        x: Tensor,
        bias: Tensor | None,
        scale: Tensor | None,
        noise: Tensor | None,
        slope: float,
        gain: float,
        backend: str | None,
    ) -> Tensor:
        y = select("bias_act", x.device, backend)(x, bias, scale, noise, slope, gain)
        ctx.settings = (slope, gain, backend)
        ctx.noise_shape = None if noise is None else noise.shape
        wants_x, _, wants_scale, _ = ctx.needs_input_grad[:4]
        ctx.save_for_backward(
            None if slope == 1.0 else y,  # its sign tells which branch was taken
            x if wants_scale else None,
            scale if wants_x else None,
        )
        return y

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401
        y, x, scale = ctx.saved_tensors
        slope, gain, backend = ctx.settings
        *wants, wants_noise = ctx.needs_input_grad[:4]
        dz = None
        if torch.is_grad_enabled():  # to be differentiated again
            dz = _rectify(dy, y, slope, gain, backend)
            fused = split_gradient(dz, x, scale, wants)
        else:
            gradients = select("bias_act_gradients", dy.device, backend)
            fused = gradients(dy, y, x, scale, slope, gain, wants)
        dnoise = None
        if wants_noise:  # a separate pass: noise with a learned strength is rare
            dz = _rectify(dy, y, slope, gain, backend) if dz is None else dz
            dnoise = dz.sum(1, keepdim=True).sum_to_size(ctx.noise_shape)
        # Autograd casts each gradient to the dtype of its input.
        return *fused, dnoise, None, None, None


def _rectify(
    dy: Tensor, y: Tensor | None, slope: float, gain: float, backend: str | None
) -> Tensor:
    """Return dz for dy; differentiable."""
    return dy if y is None and gain == 1.0 else _Rectify.apply(dy, y, slope, gain, backend)


class _Rectify(torch.autograd.Function):
    """dz = dy * gain * (1 or slope): linear in dy, so its own gradient is itself again."""

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
        gradients = select("bias_act_gradients", dy.device, backend)
        # Only the sign of y matters here, and a positive gain keeps it.
        return gradients(dy, y, None, None, slope, gain, (True, False, False))[0]

    @staticmethod
    def backward(ctx: Any, ddz: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401
        (y,) = ctx.saved_tensors
        return _rectify(ddz, y, *ctx.settings), None, None, None, None
