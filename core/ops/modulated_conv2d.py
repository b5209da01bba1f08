"""Convolution with weights that are scaled by a style per sample.

Scaling the input by the style and the output by the demodulation coefficient is equivalent to
convolving each sample with its own weights, but needs only one convolution for the batch.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import InputError
from .bias_act import scale_channels
from .upfirdn2d import upfirdn2d


def modulated_conv2d(
    x: Tensor,
    weight: Tensor,
    styles: Tensor,
    *,
    demodulate: bool = True,
    up: int = 1,
    taps: Tensor | None = None,
) -> Tensor:
    """Convolve each sample with weights scaled by its styles.

    w'[o, i] = styles[i] * w[o, i];  w''[o] = w'[o] / sqrt(sum of w'[o]^2 + 1e-8) if demodulate.
    With up = 2 the map is first upsampled with the taps, and the kernel is applied as a true
    convolution (flipped), as in the published checkpoints; with up = 1 as a correlation.

    Args:
        x: [B, Cin, H, W] float32, float16, bfloat16 or float64.
        weight: [Cout, Cin, K, K] with K odd, shared by the batch.
        styles: [B, Cin].
        demodulate: whether to normalise each sample's output channels.
        up: 1, or 2 with taps.
        taps: [T] separable upsampling filter; required if up is 2.

    Returns:
        [B, Cout, H*up, W*up], x's dtype.

    Raises:
        InputError: shapes do not match, or up is 2 without taps.

    Gradients: with respect to x, weight and styles, of any order.

    Source: Karras et al. 2020, arXiv:1912.04958, eqs. 1-3.
    """
    if demodulate:
        return scale_channels(*style_convolve(x, weight, styles, up=up, taps=taps))
    _check(x, weight, styles, up, taps)
    return _convolve(scale_channels(x, styles), weight.to(x.dtype), up, taps)


def style_convolve(
    x: Tensor, weight: Tensor, styles: Tensor, *, up: int = 1, taps: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Return the two factors of `modulated_conv2d`, to fuse their product with what follows.

    Args: as in `modulated_conv2d`.

    Returns:
        The convolution before demodulation, [B, Cout, H*up, W*up], x's dtype; scaled in float16 so
            that no sum exceeds 65504.
        The coefficients that demodulate it, [B, Cout], float32 (float64 for float64 weights).

    Raises:
        InputError: as in `modulated_conv2d`.

    Gradients: with respect to x, weight and styles, of any order.
    """
    _check(x, weight, styles, up, taps)
    if x.dtype == torch.float16:
        weight, styles = normalized_weight(weight), normalized_styles(styles)
    y = _convolve(scale_channels(x, styles), weight.to(x.dtype), up, taps)
    precise = torch.promote_types(weight.dtype, torch.float32)  # 1e-8 is zero in float16
    power = weight.to(precise).square().sum(dim=(2, 3))
    return y, torch.rsqrt(styles.to(precise).square() @ power.t() + 1e-8)


def _check(x: Tensor, weight: Tensor, styles: Tensor, up: int, taps: Tensor | None) -> None:
    fits = (
        x.ndim == 4
        and weight.ndim == 4
        and weight.shape[1] == x.shape[1]
        and weight.shape[2] == weight.shape[3]
        and weight.shape[2] % 2 == 1
        and tuple(styles.shape) == tuple(x.shape[:2])
    )
    if not fits:
        raise InputError(
            "x [B, Cin, H, W], weight [Cout, Cin, K, K] with K odd, styles [B, Cin]",
            f"{tuple(x.shape)}, {tuple(weight.shape)}, {tuple(styles.shape)}",
            "Pass one style per sample and input channel.",
        )
    if up not in (1, 2) or (up == 2 and (taps is None or taps.ndim != 1)):
        raise InputError(
            "up = 1, or up = 2 with taps [T]",
            f"up = {up}, taps {None if taps is None else tuple(taps.shape)}",
            "Pass `setup_filter()` as taps.",
        )


def normalized_weight(weight: Tensor) -> Tensor:
    """Scale [Cout, Cin, K, K] so that no sum exceeds float16's 65504 with `normalized_styles`.

    Demodulation undoes any scale, so the scale has no gradient.
    """
    largest = weight.detach().abs().amax(dim=(1, 2, 3), keepdim=True)
    return weight / (_or_one(largest) * math.sqrt(weight[0].numel()))


def normalized_styles(styles: Tensor) -> Tensor:
    """Scale each sample's styles [B, Cin] to at most one; see `normalized_weight`."""
    return styles / _or_one(styles.detach().abs().amax(dim=1, keepdim=True))


def _or_one(scale: Tensor) -> Tensor:
    """Replace zeros by one, to divide by."""
    return scale.masked_fill(scale == 0, 1.0)


def _convolve(x: Tensor, weight: Tensor, up: int, taps: Tensor | None) -> Tensor:
    """Convolve with zero padding that keeps the size, or doubles it if up is 2."""
    K = weight.shape[-1]
    if up == 1 or taps is None:
        return F.conv2d(x, weight, padding=K // 2)
    # The transposed convolution skips the multiplications by inserted zeros; it returns 2H - 2 + K
    # samples, which the filter smooths and its padding crops to 2H.
    y = F.conv_transpose2d(x, weight.transpose(0, 1), stride=2)
    before = (taps.shape[0] + 1) // 2 + K // 2 - (K - 1)
    after = (taps.shape[0] - 2) // 2 + K // 2 - (K - 2)
    return upfirdn2d(y, taps, padding=(before, after) * 2, gain=4.0)
