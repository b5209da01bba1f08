"""Hole masks of any layout, as the method takes them: 1 where the image is to be filled.

Legend: B images, H x W pixels.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from .checks import check_int
from .errors import InputError
from .image import check_tensor, to_unit_range
from .printable import get_logger

_log = get_logger(__name__)

HOLE_LEVEL = 0.5
"""From here on a pixel is erased for the networks."""

# Black that is not 0 (JPEG, video levels) must not touch the image, nor widen the crop.
_FLOOR, _CEILING = 0.1, 0.9
_REPORTED_FRAC = 0.01  # of an image's pixels: a soft brush has a few such values, too
_ASPECT_SLACK = 0.02  # a mask at another size than its image's, each rounded to whole pixels
_EMPTY_MASK_SIDE = 64  # ComfyUI's LoadImage makes such a mask of zeros for an image without alpha


def hole_mask_to_b1hw(
    hole_mask: Tensor, batch: int, height: int, width: int, *, may_be_empty: bool = False
) -> Tensor:
    """Return the hole mask of each image at the image's size.

    1. A mask of another size but the same aspect ratio (within 2 %) is resized with antialiasing;
       one mask serves a whole batch.
    2. Values are stretched so that 0.1 becomes 0 and 0.9 becomes 1; 0.5 stays. A warning says so
       where more than 1 % of the pixels were almost black.
    3. Other soft values stay: they blend. `valid_mask` thresholds them for the encoder.
    4. Among several masks, one that is nowhere 0.5 or more becomes 0, with a warning: its image
       stays unchanged.

    Args:
        hole_mask: [H, W], [B, H, W], [B, 1, H, W] or [B, H, W, 1]; floating point in [0, 1], bool,
            or uint8 (0 and 1, or 0..255). 1 = fill.
        batch: number of images.
        height: of the images, in pixels.
        width: of the images, in pixels.
        may_be_empty: whether masks that are 0 everywhere are used when there are no others.

    Returns:
        [B, 1, H, W] float32 in [0, 1], same device.

    Raises:
        InputError: another layout, batch or aspect ratio, NaN, values outside [0, 1], or masks
            that erase nothing at all (nowhere 0.5 or more).
    """
    for value, name in ((batch, "batch"), (height, "height"), (width, "width")):
        check_int(value, name, 1, float("inf"))
    check_tensor(hole_mask, "a hole mask")
    if hole_mask.dtype == torch.uint8 and int(hole_mask.max()) <= 1:
        hole_mask = hole_mask.bool()  # zeros and ones are as common as 0 and 255
    b1hw = to_unit_range(_mask_to_b1hw(hole_mask, height, width), "a hole mask")
    _check_batch(b1hw.shape[0], batch)
    if may_be_empty and not b1hw.any():
        return b1hw.new_zeros(batch, 1, height, width)
    _check_erases(b1hw, height, width)
    if b1hw.shape[2:] != (height, width):
        _check_aspect_ratio(b1hw, height, width)
        b1hw = F.interpolate(b1hw, size=(height, width), mode="bilinear", antialias=True)
        _check_erases(b1hw, height, width)
    b1hw = _without_idle(_stretch(b1hw))
    return b1hw.expand(batch, -1, -1, -1)


def num_hole_masks(hole_mask: Tensor, height: int, width: int) -> int:
    """Return how many masks a tensor for `hole_mask_to_b1hw` has.

    Raises:
        InputError: not a tensor, or another layout.
    """
    check_tensor(hole_mask, "a hole mask")
    return len(_mask_to_b1hw(hole_mask, height, width))


def valid_mask(hole_mask_b1hw: Tensor) -> Tensor:
    """Return the paper's M: 1 where the image is known, 0 where the soft mask is 0.5 or more.

    Args:
        hole_mask_b1hw: [B, 1, H, W] floating point in [0, 1], 1 = fill.

    Returns:
        [B, 1, H, W] float32, 0 or 1.
    """
    return (hole_mask_b1hw < HOLE_LEVEL).to(torch.float32)


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


def _stretch(hole_b1hw: Tensor) -> Tensor:
    """Return the mask with almost black and almost white pixels made black and white."""
    if bool(((hole_b1hw == 0) | (hole_b1hw == 1)).all()):
        return hole_b1hw  # large images have no memory for copies
    faint = (hole_b1hw > 0) & (hole_b1hw <= _FLOOR)
    frac = float(faint.float().mean())
    if frac > _REPORTED_FRAC:
        highest = float(hole_b1hw[faint].max())
        _log.warning(
            "the black of the hole mask is not 0: %.0f %% of its pixels, up to %.2f, were taken "
            "as 0",
            100 * frac,
            highest,
        )
    # Around 0.5, which must stay to the last bit.
    return ((hole_b1hw - HOLE_LEVEL) / (_CEILING - _FLOOR) + HOLE_LEVEL).clamp(0.0, 1.0)


def _check_batch(num_masks: int, batch: int) -> None:
    if num_masks not in (1, batch):
        raise InputError(
            f"one hole mask, or one for each of the {batch} images",
            f"{num_masks} hole masks",
            "Repeat the image or pick one mask, so that the numbers agree.",
        )


def _highest(hole_b1hw: Tensor) -> Tensor:
    return hole_b1hw.amax(dim=(1, 2, 3))


def _without_idle(hole_b1hw: Tensor) -> Tensor:
    """Set masks that erase nothing to 0, so that their images stay as they are."""
    erases = _highest(hole_b1hw) >= HOLE_LEVEL
    for index in erases.logical_not().nonzero().flatten().tolist():
        _log.warning(
            "hole mask %d of %d erases nothing: its image stays as it is", index, len(hole_b1hw)
        )
    return hole_b1hw if bool(erases.all()) else hole_b1hw * erases[:, None, None, None]


def _check_erases(hole_b1hw: Tensor, height: int, width: int) -> None:
    """Refuse masks of which not one erases anything."""
    highest = _highest(hole_b1hw)
    if bool((highest >= HOLE_LEVEL).any()):
        return
    value, (mask_height, mask_width) = float(highest.max()), hole_b1hw.shape[2:]
    which = f"None of the {len(highest)} hole masks" if len(highest) > 1 else "The hole mask"
    erases = "erases anything" if len(highest) > 1 else "erases nothing"
    side = _EMPTY_MASK_SIDE
    if value > 0.0:
        problem = (
            f"{which} {erases}: its highest value is {value:.3g} "
            f"at {mask_width} x {mask_height} pixels."
        )
        remedy = "Make the part to fill white: pixels are erased where the mask is 0.5 or more."
    elif (mask_height, mask_width) == (side, side) != (height, width):
        problem = f"{which} is empty, {side} x {side} pixels for an image of {width} x {height}."
        remedy = (
            "The image has no alpha channel, for which LoadImage gives an empty 64x64 mask: "
            "paint a mask in the mask editor or connect one."
        )
    else:
        problem = f"{which} {erases}: it is all zeros."
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
