"""Layouts and value ranges of images: the only place that converts.

Legend: B images, C channels, H x W pixels. Outside core an image is `[B, H, W, C]` in [0, 1]
(ComfyUI's IMAGE); the networks take `[B, 3, H, W]` in [-1, 1]; data sets are uint8.

`image_to_...` takes images from outside and checks them. The functions between the three ranges
(`uint8_to_...`, `unit_to_...`, `network_to_...`) take our own tensors, of any shape, unchecked.
"""

import torch
from torch import Tensor

from .checks import check_finite
from .errors import InputError

_MANY = 2**22  # values; images with more are rounded in parts, to save memory
_SLACK = 0.01  # resizing and colour conversion overshoot [0, 1] a little; a wrong range by far more


def image_to_unit_bchw(image: Tensor) -> Tensor:
    """Return an image as planar RGB in [0, 1].

    Values in [0, 1] come back bit for bit, which [-1, 1] cannot promise in float32.

    Args:
        image: [H, W], [H, W, C] or [B, H, W, C] with C of 1, 3 or 4; floating point in [0, 1]
            (up to 0.01 beyond is clipped) or uint8. A fourth channel is dropped.

    Returns:
        [B, 3, H, W] float32 in [0, 1], same device; may be a view of the image.

    Raises:
        InputError: another layout, an empty image, NaN, infinity, values outside [0, 1].
    """
    check_tensor(image, "an image")
    bhwc = _image_to_bhwc(image)
    bchw = to_unit_range(bhwc, "an image").movedim(-1, 1)
    if bchw.shape[1] == 1:
        return bchw.expand(-1, 3, -1, -1)
    return bchw[:, :3]


def image_to_bhwc(image_bchw: Tensor) -> Tensor:
    """Return a network's output as ComfyUI shows it.

    Args:
        image_bchw: [B, 3, H, W] floating point, nominally in [-1, 1]; clamped.

    Returns:
        [B, H, W, 3] float32 in [0, 1], contiguous, same device.
    """
    return network_to_unit(image_bchw).movedim(1, -1).contiguous()


def image_to_uint8(image: Tensor) -> Tensor:
    """Return an image rounded to 8 bits, so that what was read from 8 bits comes back exactly.

    Args:
        image: any shape; floating point in [0, 1] (up to 0.01 beyond is clipped), or uint8.

    Returns:
        The same shape, uint8, same device.

    Raises:
        InputError: an empty image, NaN, infinity, values outside [0, 1].
    """
    check_tensor(image, "an image")
    if image.dtype == torch.uint8:
        return image
    return unit_to_uint8(to_unit_range(image, "an image"))


def unit_to_uint8(image_unit: Tensor) -> Tensor:
    """Return values in [0, 1] rounded to 8 bits."""
    if image_unit.numel() <= _MANY:
        return image_unit.mul(255.0).round_().to(torch.uint8)
    longest = max(range(image_unit.ndim), key=image_unit.shape.__getitem__)
    halves = image_unit.tensor_split(2, dim=longest)
    return torch.cat([unit_to_uint8(half) for half in halves], dim=longest)


def uint8_to_unit(image_uint8: Tensor) -> Tensor:
    """Return uint8 values as float32 in [0, 1]."""
    return image_uint8.to(torch.float32) / 255.0


def uint8_to_network(image_uint8: Tensor) -> Tensor:
    """Return uint8 values as float32 in [-1, 1]."""
    return unit_to_network(uint8_to_unit(image_uint8))


def unit_to_network(image_unit: Tensor) -> Tensor:
    """Return values in [0, 1] as values in [-1, 1], same dtype."""
    return image_unit * 2.0 - 1.0


def network_to_unit(image: Tensor) -> Tensor:
    """Return values in [-1, 1] as float32 in [0, 1], clamped."""
    return (image.to(torch.float32) * 0.5 + 0.5).clamp_(0.0, 1.0)


def network_to_uint8(image: Tensor) -> Tensor:
    """Return values in [-1, 1] rounded to 8 bits, clamped."""
    return unit_to_uint8(network_to_unit(image))


def check_tensor(tensor: Tensor, what: str) -> None:
    """Raise InputError unless this is a dense tensor that is not empty."""
    if not isinstance(tensor, Tensor):
        raise InputError(
            f"{what} as a torch tensor",
            type(tensor).__name__,
            "Convert it with torch.from_numpy, or read a file with read_image.",
        )
    if tensor.layout != torch.strided or tensor.is_meta:
        raise InputError(
            f"{what} as a dense tensor with values",
            "a meta tensor" if tensor.is_meta else f"one of layout {tensor.layout}",
            "Convert it with .to_dense().",
        )
    if tensor.numel() == 0:
        raise InputError(
            f"{what} with at least one pixel",
            f"the empty shape {tuple(tensor.shape)}",
            "Check the step that made it, for example a crop outside the image.",
        )


def _image_to_bhwc(image: Tensor) -> Tensor:
    if image.ndim == 2:
        return image[None, :, :, None]
    bhwc = image[None] if image.ndim == 3 else image
    if bhwc.ndim != 4 or bhwc.shape[-1] not in (1, 3, 4):
        raise InputError(
            "an image of shape [H, W], [H, W, C] or [B, H, W, C] with 1, 3 or 4 channels",
            f"{tuple(image.shape)}",
            "If the channels come first, move them last: image.movedim(-3, -1).",
        )
    return bhwc


def to_unit_range(tensor: Tensor, what: str) -> Tensor:
    """Return float32 in [0, 1] from floating point, uint8 or bool; in-range values keep their bits.

    Raises:
        InputError: other types, NaN, values outside [0, 1].
    """
    if tensor.dtype == torch.bool:
        return tensor.to(torch.float32)
    if tensor.dtype == torch.uint8:
        return uint8_to_unit(tensor)
    if not tensor.is_floating_point():
        raise InputError(
            f"{what} in floating point or uint8", f"{tensor.dtype}", "Convert it with .to(float32)."
        )
    low, high = torch.stack(tensor.aminmax()).tolist()  # both NaN where any value is
    if not (low >= -_SLACK and high <= 1.0 + _SLACK):
        check_finite(tensor, what.partition(" ")[2])
        raise InputError(
            f"{what} with values from 0 to 1",
            f"values from {low:.4g} to {high:.4g}",
            "Divide by 255, or map [-1, 1] to [0, 1] with (x + 1) / 2.",
        )
    unit = tensor.to(torch.float32)
    return unit if low >= 0.0 and high <= 1.0 else unit.clamp(0.0, 1.0)
