"""Convolution whose weights every sample scales by a style of its own."""

from torch import Tensor

from ..errors import InputError
from .dispatch import requested, select


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
    With up = 2 the map is upsampled with the taps first, and the kernel is applied as a true
    convolution (flipped) as in the published checkpoints; with up = 1 as a correlation.

    Args:
        x: [B, Cin, H, W] float32, float16, bfloat16 or float64.
        weight: [Cout, Cin, K, K], K odd, shared by the batch.
        styles: [B, Cin].
        demodulate: normalise each sample's output channels.
        up: 1, or 2 with taps.
        taps: [T] separable upsampling filter; needed when up is 2.

    Returns:
        [B, Cout, H*up, W*up], x's dtype.

    Raises:
        InputError: shapes that do not belong together, or up without taps.

    Gradients: with respect to x, weight and styles, of any order.

    Source: Karras et al. 2020, arXiv:1912.04958, eqs. 1-3.
    """
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
            "Give each sample one style per input channel.",
        )
    if up not in (1, 2) or (up == 2 and (taps is None or taps.ndim != 1)):
        raise InputError(
            "up = 1, or up = 2 with taps [T]",
            f"up = {up}, taps {None if taps is None else tuple(taps.shape)}",
            "Pass `setup_filter()` as taps.",
        )
    function = select("modulated_conv2d", x.device, requested())
    return function(x, weight, styles, demodulate, up, taps)
