"""Layouts, value ranges and mask polarity: the only place that converts.

Legend: B pictures, C channels, H x W pixels. Outside core a picture is `[B, H, W, C]` in [0, 1]
(ComfyUI's IMAGE); the networks take `[B, 3, H, W]` in [-1, 1]. A hole mask is 1 where the picture
is to be filled, everywhere.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from .checks import check_finite, check_int
from .errors import InputError

_SLACK = 0.01  # resizing and colour conversion overshoot [0, 1] a little; a wrong range by far more
_ASPECT_SLACK = 0.02  # a mask at another size than its picture's, each rounded to whole pixels
_EMPTY_MASK_SIDE = 64  # ComfyUI's LoadImage gives a 64 x 64 mask of zeros without alpha channel
_HOLE_LEVEL = 0.5


def image_to_unit_bchw(image: Tensor) -> Tensor:
    """Return a picture as planar RGB in [0, 1], its values otherwise untouched.

    Values that are in [0, 1] come back bit for bit, which [-1, 1] cannot promise in float32.

    Args:
        image: [H, W], [H, W, C] or [B, H, W, C] with C of 1, 3 or 4; floating point in [0, 1]
            (0.01 beyond is cut off) or uint8 in 0..255. A fourth channel is dropped.

    Returns:
        [B, 3, H, W] float32 in [0, 1], same device; may be a view of the image.

    Raises:
        InputError: another layout, an empty picture, NaN, infinity, values outside [0, 1].
    """
    _check_tensor(image, "a picture")
    bhwc = _picture_to_bhwc(image)
    bchw = _to_unit_range(bhwc, "a picture").movedim(-1, 1)
    if bchw.shape[1] == 1:
        return bchw.expand(-1, 3, -1, -1)
    return bchw[:, :3]


def image_to_bchw(image: Tensor) -> Tensor:
    """Return a picture as the networks take it.

    Args:
        image: as for `image_to_unit_bchw`.

    Returns:
        [B, 3, H, W] float32 in [-1, 1], same device.

    Raises:
        InputError: as `image_to_unit_bchw`.
    """
    return image_to_unit_bchw(image) * 2.0 - 1.0


def image_to_bhwc(image_bchw: Tensor) -> Tensor:
    """Return what a network made as ComfyUI shows it.

    Args:
        image_bchw: [B, 3, H, W] floating point, nominally in [-1, 1]; clamped.

    Returns:
        [B, H, W, 3] float32 in [0, 1], contiguous, same device.
    """
    unit = (image_bchw.to(torch.float32) * 0.5 + 0.5).clamp_(0.0, 1.0)
    return unit.movedim(1, -1).contiguous()


def image_to_uint8(image: Tensor) -> Tensor:
    """Return the nearest 8-bit levels, so that what was read from 8 bits comes back exactly.

    Args:
        image: any shape; floating point in [0, 1] (0.01 beyond is cut off), or uint8 in 0..255.

    Returns:
        The same shape, uint8, same device.

    Raises:
        InputError: an empty picture, NaN, infinity, values outside [0, 1].
    """
    _check_tensor(image, "a picture")
    if image.dtype == torch.uint8:
        return image
    return _to_unit_range(image, "a picture").mul(255.0).round_().to(torch.uint8)


def hole_mask_to_b1hw(hole_mask: Tensor, batch: int, height: int, width: int) -> Tensor:
    """Return the hole mask of each picture at the picture's size.

    1. A mask of another size and the same shape (aspect ratio within 2 %) is resized, with
       antialiasing; one mask serves a whole batch.
    2. Soft values stay: they blend. `valid_mask` thresholds them for the encoder.

    Args:
        hole_mask: [H, W], [B, H, W], [B, 1, H, W] or [B, H, W, 1]; floating point in [0, 1], bool,
            or uint8 (0 and 1, or 0..255). 1 = fill.
        batch: number of pictures.
        height: of the pictures, in pixels.
        width: of the pictures, in pixels.

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
    """Return M of the paper: 1 where the picture is known, 0 where the soft mask is 0.5 or more.

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
            f"{type(tensor).__name__}",
            "Convert it with torch.from_numpy or read the file with read_image.",
        )
    if tensor.numel() == 0:
        raise InputError(
            f"{what} with at least one pixel",
            f"the empty shape {tuple(tensor.shape)}",
            "Look at the step that made it: a crop outside the picture gives this.",
        )


def _picture_to_bhwc(image: Tensor) -> Tensor:
    if image.ndim == 2:
        return image[None, :, :, None]
    bhwc = image[None] if image.ndim == 3 else image
    if bhwc.ndim != 4 or bhwc.shape[-1] not in (1, 3, 4):
        raise InputError(
            "a picture of shape [H, W], [H, W, C] or [B, H, W, C] with 1, 3 or 4 channels",
            f"{tuple(image.shape)}",
            "Move the channels last (image.movedim(-3, -1)) if they come first.",
        )
    return bhwc


def _mask_to_b1hw(hole_mask: Tensor, height: int, width: int) -> Tensor:
    shape = tuple(hole_mask.shape)
    if hole_mask.ndim == 2:
        return hole_mask[None, None]
    if hole_mask.ndim == 3:
        return hole_mask[:, None]
    # [B, 1, H, W] unless only the other reading has the picture's size: pictures can be 1 wide.
    channel_last = hole_mask.ndim == 4 and shape[3] == 1
    if channel_last and (shape[1] != 1 or shape[1:3] == (height, width)):
        return hole_mask.movedim(-1, 1)
    if hole_mask.ndim == 4 and shape[1] == 1:
        return hole_mask
    raise InputError(
        "a hole mask of shape [H, W], [B, H, W], [B, 1, H, W] or [B, H, W, 1]",
        f"{shape}",
        "Take one channel of a picture (Convert Image to Mask) if that is what it is.",
    )


def _to_unit_range(tensor: Tensor, what: str) -> Tensor:
    """Float32 in [0, 1] from floating point, uint8 or bool; in-range values keep their bits."""
    if tensor.dtype == torch.bool:
        return tensor.to(torch.float32)
    if tensor.dtype == torch.uint8:
        return tensor.to(torch.float32) / 255.0
    if not tensor.is_floating_point():
        raise InputError(
            f"{what} in floating point or uint8", f"{tensor.dtype}", "Convert it with .to(float32)."
        )
    low, high = (float(bound) for bound in tensor.aminmax())  # both NaN where any value is
    if not (low >= -_SLACK and high <= 1.0 + _SLACK):
        check_finite(tensor, what.removeprefix("a "))
        raise InputError(
            f"{what} with values from 0 to 1",
            f"values from {low:.4g} to {high:.4g}",
            "Divide by 255, or map [-1, 1] to [0, 1] with (x + 1) / 2.",
        )
    unit = tensor.to(torch.float32)
    return unit if low >= 0.0 and high <= 1.0 else unit.clamp(0.0, 1.0)


def _check_batch(num_masks: int, batch: int) -> None:
    if num_masks not in (1, batch):
        raise InputError(
            f"one hole mask, or one for each of the {batch} pictures",
            f"{num_masks} hole masks",
            "Repeat the picture or pick one mask, so that the numbers agree.",
        )


def _check_erases(hole_b1hw: Tensor, height: int, width: int) -> None:
    highest = hole_b1hw.amax(dim=(1, 2, 3))
    if bool((highest >= _HOLE_LEVEL).all()):
        return
    index = int(highest.argmin())
    shape = tuple(hole_b1hw.shape[2:])
    which = f" (mask {index} of {len(highest)})" if len(highest) > 1 else ""
    side = _EMPTY_MASK_SIDE
    if float(highest[index]) > 0.0:
        got = f"a mask with no value above {float(highest[index]):.3g} at {shape}{which}"
        remedy = "Raise the mask's opacity: from 0.5 on a pixel counts as erased."
    elif shape == (side, side) and (height, width) != (side, side):
        got = f"an empty mask of {side} x {side}{which} for a picture of {width} x {height}"
        remedy = (
            "The picture has no alpha channel: LoadImage gave its empty 64x64 mask; paint a mask "
            "in the mask editor or connect one."
        )
    else:
        got = f"a mask of zeros{which}, which erases nothing"
        remedy = "Paint the part to fill white (1), and leave the rest black (0)."
    raise InputError("a hole mask that is 1 where the picture is to be filled", got, remedy)


def _check_aspect_ratio(hole_b1hw: Tensor, height: int, width: int) -> None:
    mask_height, mask_width = hole_b1hw.shape[2:]
    stretch = (mask_height * width) / (mask_width * height)
    if abs(stretch - 1.0) > _ASPECT_SLACK:
        raise InputError(
            f"a hole mask of {width} x {height}, the picture's size, or of the same proportions",
            f"{mask_width} x {mask_height}",
            "Resize or crop the mask as the picture was resized or cropped.",
        )
