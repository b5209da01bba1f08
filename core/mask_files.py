"""Hole masks from files: what varies in the file, its colour or its opacity, is the mask.

Legend: H x W pixels.
"""

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from .errors import InputError
from .hole_masks import HOLE_LEVEL
from .image_decoding import decode_upright, deep_grey, from_8_bits, opacity, read_file, to_rgb
from .printable import get_logger

_log = get_logger(__name__)

_SAME = 8  # /255: colours that a person takes for one, with a codec's noise
_BLACK = 0.1  # brightness up to which a stroke means "keep"


def read_mask(path: str | Path, data: bytes | None = None) -> Tensor:
    """Read a hole mask file.

    1. Of constant opacity: its brightness, white = fill. Colour profiles are ignored: a mask is
       data. A file with two values, the lower of which is black, is a label mask: the other one
       is filled, however dark.
    2. Of varying opacity, visible in one colour other than black: strokes on an empty layer, which
       are filled.
    3. Of varying opacity, visible in many colours: an image with a transparent hole; 1 - alpha is
       filled, as in ComfyUI.

    Readings other than the brightness and the image's hole are said in a warning.

    Args:
        path: of a PNG, JPEG, WebP, TIFF or another format that Pillow knows.
        data: what the file holds, if it was read already.

    Returns:
        [1, H, W] float32 in [0, 1], 1 = fill.

    Raises:
        InputError: as for `read_image`, or a mask that can be read in two ways.
    """
    path = Path(path)
    return mask_of(decode_upright(read_file(path) if data is None else data, path), path)


def mask_of(image: Image.Image, name: Path | str) -> Tensor:
    """Return the hole mask [1, H, W] in a decoded image, as `read_mask` does.

    Args:
        image: upright.
        name: of the mask, for messages.

    Raises:
        InputError: a mask that can be read in two ways.
    """
    grey = deep_grey(image, name)
    if grey is not None:
        return _from_brightness(grey, name)
    alpha = opacity(image)
    if alpha is not None and np.ptp(alpha) > 0:
        return _from_opacity(image, alpha, name)
    return _from_brightness(from_8_bits(to_rgb(image).convert("L")), name)


def _from_brightness(grey: np.ndarray, path: Path | str) -> Tensor:
    low, high = float(grey.min()), float(grey.max())
    if low == 0.0 < high < HOLE_LEVEL and len(np.unique(grey)) == 2:
        _log.warning("%s was read as a label mask: its lighter part is filled", path)
        grey = (grey > 0).astype(np.float32)
    elif low == 0.0 < high < HOLE_LEVEL:
        raise InputError(
            f"white where the image is to be filled in {path}",
            f"nothing lighter than {high:.2f} of white",
            "Make the part to fill white and the rest black. Of a mask with several labels, save "
            "the label to fill by itself.",
            problem=f"The mask {path} has nothing lighter than {high:.2f} of white.",
        )
    elif _BLACK < low < high:
        raise InputError(
            f"black where the image is kept in {path}",
            f"nothing darker than {low:.2f} of white",
            "Make the part to keep black.",
            problem=f"The mask {path} has nothing darker than {low:.2f} of white, so what to "
            "keep is not clear.",
        )
    return torch.from_numpy(grey)[None]


def _from_opacity(image: Image.Image, alpha: np.ndarray, path: Path | str) -> Tensor:
    """Tell strokes on an empty layer from an image with a hole."""
    visible = np.asarray(to_rgb(image))[alpha > alpha.max() / 2].astype(np.int16)
    is_one_colour = len(visible) > 0 and int(np.ptp(visible, axis=0).max()) <= _SAME
    if not is_one_colour:
        if _is_black_and_white(visible):
            raise _ambiguous(path, "black and white, and transparent in parts")
        return torch.from_numpy(1.0 - alpha)[None]
    if visible.mean() / 255 <= _BLACK:
        raise _ambiguous(path, "black and transparent")
    _log.warning("%s was read as strokes on an empty layer: what is opaque is filled", path)
    return torch.from_numpy(alpha)[None]


def _is_black_and_white(visible: np.ndarray) -> bool:
    near_black, near_white = (visible <= _SAME).all(axis=1), (visible >= 255 - _SAME).all(axis=1)
    return len(visible) > 0 and bool((near_black | near_white).all())


def _ambiguous(path: Path | str, got: str) -> InputError:
    return InputError(
        f"a mask {path} that is white where the image is to be filled",
        got,
        "Save it in black and white without transparency.",
        problem=f"The mask {path} is {got}, which can be read in two ways.",
    )
