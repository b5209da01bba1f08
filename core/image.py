"""Layouts, value ranges and mask polarity: the only place that converts.

Legend: B images, C channels, H x W pixels. Outside core an image is `[B, H, W, C]` in [0, 1]
(ComfyUI's IMAGE); the networks take `[B, 3, H, W]` in [-1, 1]; data sets are uint8. A hole mask is
1 where the image is to be filled, everywhere.

`image_to_...` takes images from outside and checks them. The functions between the three ranges
(`uint8_to_...`, `unit_to_...`, `network_to_...`) take our own tensors, of any shape, unchecked.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from .checks import check_finite, check_int
from .errors import InputError

_SLACK = 0.01  # resizing and colour conversion overshoot [0, 1] a little; a wrong range by far more
_ASPECT_SLACK = 0.02  # a mask at another size than its image's, each rounded to whole pixels
_EMPTY_MASK_SIDE = 64  # ComfyUI's LoadImage makes such a mask of zeros for an image without alpha
_HOLE_LEVEL = 0.5


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
    _check_tensor(image, "an image")
    bhwc = _image_to_bhwc(image)
    bchw = _to_unit_range(bhwc, "an image").movedim(-1, 1)
    if bchw.shape[1] == 1:
        return bchw.expand(-1, 3, -1, -1)
    return bchw[:, :3]


def image_to_bchw(image: Tensor) -> Tensor:
    """Return an image as the networks take it.

    Args:
        image: as for `image_to_unit_bchw`.

    Returns:
        [B, 3, H, W] float32 in [-1, 1], same device.

    Raises:
        InputError: as for `image_to_unit_bchw`.
    """
    return unit_to_network(image_to_unit_bchw(image))


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
    _check_tensor(image, "an image")
    if image.dtype == torch.uint8:
        return image
    return _unit_to_uint8(_to_unit_range(image, "an image"))


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
    return _unit_to_uint8(network_to_unit(image))


def hole_mask_to_b1hw(hole_mask: Tensor, batch: int, height: int, width: int) -> Tensor:
    """Return the hole mask of each image at the image's size.

    1. A mask of another size but the same aspect ratio (within 2 %) is resized with antialiasing;
       one mask serves a whole batch.
    2. Soft values stay: they blend. `valid_mask` thresholds them for the encoder.

    Args:
        hole_mask: [H, W], [B, H, W], [B, 1, H, W] or [B, H, W, 1]; floating point in [0, 1], bool,
            or uint8 (0 and 1, or 0..255). 1 = fill.
        batch: number of images.
        height: of the images, in pixels.
        width: of the images, in pixels.

    Returns:
        [B, 1, H, W] float32 in [0, 1], same device.

    Raises:
        InputError: another layout, batch or aspect ratio, NaN, values outside [0, 1], or a mask
            that erases nothing (nowhere 0.5 or more).
    """
    for value, name in ((batch, "batch"), (height, "height"), (width, "width")):
        check_int(value, name, 1, float("inf"))
    _check_tensor(hole_mask, "a hole mask")
    if hole_mask.dtype == torch.uint8 and int(hole_mask.max()) <= 1:
        hole_mask = hole_mask.bool()  # zeros and ones are as common as 0 and 255
    b1hw = _to_unit_range(_mask_to_b1hw(hole_mask, height, width), "a hole mask")
    _check_batch(b1hw.shape[0], batch)
    _check_erases(b1hw, height, width)
    if b1hw.shape[2:] != (height, width):
        _check_aspect_ratio(b1hw, height, width)
        b1hw = F.interpolate(b1hw, size=(height, width), mode="bilinear", antialias=True)
        b1hw = b1hw.clamp(0.0, 1.0)  # the resized sum of ones can be 1 + 1e-7
        _check_erases(b1hw, height, width)
    return b1hw.expand(batch, -1, -1, -1)


def valid_mask(hole_mask_b1hw: Tensor) -> Tensor:
    """Return the paper's M: 1 where the image is known, 0 where the soft mask is 0.5 or more.

    Args:
        hole_mask_b1hw: [B, 1, H, W] floating point in [0, 1], 1 = fill.

    Returns:
        [B, 1, H, W] float32, 0 or 1.
    """
    return (hole_mask_b1hw < _HOLE_LEVEL).to(torch.float32)


def _check_tensor(tensor: Tensor, what: str) -> None:
    if not isinstance(tensor, Tensor):
        raise InputError(
            f"{what} as a torch tensor",
            type(tensor).__name__,
            "Convert it with torch.from_numpy, or read a file with read_image.",
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


def _mask_to_b1hw(hole_mask: Tensor, height: int, width: int) -> Tensor:
    shape = tuple(hole_mask.shape)
    if hole_mask.ndim == 2:
        return hole_mask[None, None]
    if hole_mask.ndim == 3:
        return hole_mask[:, None]
    # [B, 1, H, W] unless only the other reading has the image's size: images can be 1 px wide.
    channel_last = hole_mask.ndim == 4 and shape[3] == 1
    if channel_last and (shape[1] != 1 or shape[1:3] == (height, width)):
        return hole_mask.movedim(-1, 1)
    if hole_mask.ndim == 4 and shape[1] == 1:
        return hole_mask
    raise InputError(
        "a hole mask of shape [H, W], [B, H, W], [B, 1, H, W] or [B, H, W, 1]",
        f"{shape}",
        "If it is an image, take one channel of it (Convert Image to Mask).",
    )


def _to_unit_range(tensor: Tensor, what: str) -> Tensor:
    """Float32 in [0, 1] from floating point, uint8 or bool; in-range values keep their bits."""
    if tensor.dtype == torch.bool:
        return tensor.to(torch.float32)
    if tensor.dtype == torch.uint8:
        return uint8_to_unit(tensor)
    if not tensor.is_floating_point():
        raise InputError(
            f"{what} in floating point or uint8", f"{tensor.dtype}", "Convert it with .to(float32)."
        )
    low, high = (float(bound) for bound in tensor.aminmax())  # both NaN where any value is
    if not (low >= -_SLACK and high <= 1.0 + _SLACK):
        check_finite(tensor, what.partition(" ")[2])
        raise InputError(
            f"{what} with values from 0 to 1",
            f"values from {low:.4g} to {high:.4g}",
            "Divide by 255, or map [-1, 1] to [0, 1] with (x + 1) / 2.",
        )
    unit = tensor.to(torch.float32)
    return unit if low >= 0.0 and high <= 1.0 else unit.clamp(0.0, 1.0)


def _unit_to_uint8(image_unit: Tensor) -> Tensor:
    return image_unit.mul(255.0).round_().to(torch.uint8)


def _check_batch(num_masks: int, batch: int) -> None:
    if num_masks not in (1, batch):
        raise InputError(
            f"one hole mask, or one for each of the {batch} images",
            f"{num_masks} hole masks",
            "Repeat the image or pick one mask, so that the numbers agree.",
        )


def _check_erases(hole_b1hw: Tensor, height: int, width: int) -> None:
    highest = hole_b1hw.amax(dim=(1, 2, 3))
    if bool((highest >= _HOLE_LEVEL).all()):
        return
    index = int(highest.argmin())
    value, (mask_height, mask_width) = float(highest[index]), hole_b1hw.shape[2:]
    which = f"Hole mask {index} of {len(highest)}" if len(highest) > 1 else "The hole mask"
    side = _EMPTY_MASK_SIDE
    if value > 0.0:
        problem = (
            f"{which} erases nothing: its highest value is {value:.3g} "
            f"at {mask_width} x {mask_height} pixels."
        )
        remedy = "Raise its opacity: pixels are erased where it is 0.5 or more."
    elif (mask_height, mask_width) == (side, side) != (height, width):
        problem = f"{which} is empty, {side} x {side} pixels for an image of {width} x {height}."
        remedy = (
            "The image has no alpha channel, for which LoadImage gives an empty 64x64 mask: "
            "paint a mask in the mask editor or connect one."
        )
    else:
        problem = f"{which} erases nothing: it is all zeros."
        remedy = "Paint the part to fill white (1), and leave the rest black (0)."
    expected = "a hole mask that is 1 where the image is to be filled"
    raise InputError(expected, f"values up to {value:.3g}", remedy, problem=problem)


def _check_aspect_ratio(hole_b1hw: Tensor, height: int, width: int) -> None:
    mask_height, mask_width = hole_b1hw.shape[2:]
    stretch = (mask_height * width) / (mask_width * height)
    if abs(stretch - 1.0) > _ASPECT_SLACK:
        raise InputError(
            f"a hole mask of {width} x {height}, the image's size, or of the same aspect ratio",
            f"{mask_width} x {mask_height}",
            "Resize or crop the mask as the image was resized or cropped.",
        )
