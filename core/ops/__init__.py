"""StyleGAN2's operations: public functions that choose a backend (see dispatch.py)."""

from .bias_act import ACTIVATIONS, bias_act
from .dispatch import is_exporting, list_backends, use_backend
from .modulated_conv2d import (
    modulated_conv2d,
    normalized_styles,
    normalized_weight,
    style_convolve,
)
from .upfirdn2d import downsample2d, setup_filter, upfirdn2d, upsample2d

__all__ = [
    "ACTIVATIONS",
    "bias_act",
    "downsample2d",
    "is_exporting",
    "list_backends",
    "modulated_conv2d",
    "normalized_styles",
    "normalized_weight",
    "setup_filter",
    "style_convolve",
    "upfirdn2d",
    "upsample2d",
    "use_backend",
]
