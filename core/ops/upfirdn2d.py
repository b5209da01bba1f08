"""Upsample, filter and downsample a batch of feature maps."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ..errors import InputError
from .dispatch import is_exporting, requested, select
from .reference import upfirdn2d as reference


def setup_filter(taps: Sequence[float] = (1.0, 3.0, 3.0, 1.0)) -> Tensor:
    """Return separable filter taps that sum to one: [K] float32.

    Source: Karras et al. 2020, arXiv:1912.04958, appendix B: the binomial [1, 3, 3, 1].
    """
    filter_taps = torch.tensor(taps, dtype=torch.float32)
    return filter_taps / filter_taps.sum()


def upfirdn2d(
    x: Tensor,
    taps: Tensor,
    *,
    up: int = 1,
    down: int = 1,
    padding: Sequence[int] = (0, 0, 0, 0),
    flip: bool = False,
    gain: float = 1.0,
) -> Tensor:
    """Resample feature maps with an FIR filter.

    1. Insert up - 1 zeros after every sample, along both axes.
    2. Pad with zeros; a negative amount crops.
    3. Convolve with the taps times gain (correlate if flip).
    4. Keep every down-th sample, starting with the first.

    Args:
        x: [B, C, H, W], any floating dtype, any memory format.
        taps: [K] separable, or [KH, KW]; has no gradient.
        up: integer upsampling factor, at least 1.
        down: integer downsampling factor, at least 1.
        padding: (left, right, top, bottom), counted after upsampling.
        flip: correlate instead of convolving.
        gain: factor of the whole filter; up**2 preserves the mean when upsampling.

    Returns:
        [B, C, (H*up + top + bottom - KH) // down + 1, (W*up + left + right - KW) // down + 1].

    Raises:
        InputError: a wrong rank, factor or padding, or a filter larger than the padded map.

    Gradients: with respect to x, of any order.

    Source: equals SciPy's `upfirdn` along both axes.
    """
    padding = tuple(padding)
    _check(x, taps, up, down, padding)
    if is_exporting():  # the exporter knows no autograd functions
        return reference.upfirdn2d(x, taps, up, down, padding, flip, gain)
    return _Upfirdn2d.apply(x, taps, up, down, padding, flip, float(gain), requested())


def _check(x: Tensor, taps: Tensor, up: int, down: int, padding: tuple[int, ...]) -> None:
    if x.ndim != 4 or taps.ndim not in (1, 2) or up < 1 or down < 1 or len(padding) != 4:
        raise InputError(
            "x [B, C, H, W], taps [K] or [KH, KW], up and down of at least 1, four paddings",
            f"{tuple(x.shape)}, {tuple(taps.shape)}, {up}, {down}, {padding}",
            "Correct the argument.",
        )
    height = x.shape[2] * up + padding[2] + padding[3]
    width = x.shape[3] * up + padding[0] + padding[1]
    if height < taps.shape[0] or width < taps.shape[-1]:
        raise InputError(
            f"a padded map of at least {taps.shape[0]} x {taps.shape[-1]}, the filter's size",
            f"{height} x {width}",
            "Pad more or use a shorter filter.",
        )


class _Upfirdn2d(torch.autograd.Function):
    """Its adjoint is the same op with up and down swapped and the filter flipped."""

    @staticmethod
    def forward(
        ctx: Any,  # noqa: ANN401 - autograd's context has no public type
        x: Tensor,
        taps: Tensor,
        up: int,
        down: int,
        padding: tuple[int, ...],
        flip: bool,
        gain: float,
        backend: str | None,
    ) -> Tensor:
        ctx.save_for_backward(taps)
        ctx.settings = (x.shape, up, down, padding, flip, gain, backend)
        return select("upfirdn2d", x.device, backend)(x, taps, up, down, padding, flip, gain)

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401
        (taps,) = ctx.saved_tensors
        (_, _, H, W), up, down, (left, _, top, _), flip, gain, backend = ctx.settings
        KH, KW = taps.shape[0], taps.shape[-1]
        adjoint = (
            KW - 1 - left,
            W * up - dy.shape[3] * down + left - up + 1,
            KH - 1 - top,
            H * up - dy.shape[2] * down + top - up + 1,
        )
        dx = None
        if ctx.needs_input_grad[0]:
            dx = _Upfirdn2d.apply(dy, taps, down, up, adjoint, not flip, gain, backend)
        return dx, None, None, None, None, None, None, None


def upsample2d(x: Tensor, taps: Tensor) -> Tensor:
    """Double the size of feature maps, with the filter centred: [B, C, 2H, 2W].

    Source: Karras et al. 2020, arXiv:1912.04958, appendix B.
    """
    K = taps.shape[0]
    before, after = (K + 1) // 2, (K - 2) // 2
    return upfirdn2d(x, taps, up=2, padding=(before, after) * 2, gain=4.0)


def downsample2d(x: Tensor, taps: Tensor) -> Tensor:
    """Halve the size of feature maps, with the filter centred: [B, C, H/2, W/2].

    Source: Karras et al. 2020, arXiv:1912.04958, appendix B.
    """
    K = taps.shape[0]
    before, after = (K - 1) // 2, (K - 2) // 2
    return upfirdn2d(x, taps, down=2, padding=(before, after) * 2)
