"""Images and masks as people have them: tensors, NumPy arrays, Pillow images, paths."""

import os
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from .errors import InputError
from .image_decoding import deep_grey, from_8_bits, opacity, to_srgb
from .image_files import read_image
from .mask_files import mask_of, read_mask

ImageInput = Tensor | np.ndarray | Image.Image | str | os.PathLike[str]
"""A tensor or array in a layout of `image_to_unit_bchw` or `hole_mask_to_b1hw`, a Pillow image, or
the path of a file."""


def image_and_alpha(image: ImageInput) -> tuple[Tensor, Tensor | None]:
    """Return an image in a layout of `image_to_unit_bchw`, and its alpha.

    Returns:
        The image, and alpha [1, H, W] in [0, 1]; None without, and for tensors and arrays.

    Raises:
        InputError: another type, or a file that is no image.
    """
    if isinstance(image, Tensor):
        return image, None
    if isinstance(image, np.ndarray):
        return _from_numpy(image), None
    if isinstance(image, Image.Image):
        grey, alpha = deep_grey(image, "the image"), opacity(image)
        pixels = from_8_bits(to_srgb(image, "the image")) if grey is None else grey
        return torch.from_numpy(pixels), None if alpha is None else torch.from_numpy(alpha)[None]
    if isinstance(image, str | os.PathLike):
        file = read_image(Path(image))
        return file.image, file.alpha
    raise _wrong_type("an image", image)


def mask_tensor(hole_mask: ImageInput) -> Tensor:
    """Return a hole mask as a tensor, in a layout of `hole_mask_to_b1hw`.

    Raises:
        InputError: another type, or a file that is no mask.
    """
    if isinstance(hole_mask, Tensor):
        return hole_mask
    if isinstance(hole_mask, np.ndarray):
        return _from_numpy(hole_mask)
    if isinstance(hole_mask, Image.Image):
        return mask_of(hole_mask, "the mask")
    if isinstance(hole_mask, str | os.PathLike):
        return read_mask(Path(hole_mask))
    raise _wrong_type("a hole mask", hole_mask)


def _from_numpy(array: np.ndarray) -> Tensor:
    # Arrays of Pillow images are read-only, of which PyTorch warns; TIFFs can be big-endian.
    native = array.astype(array.dtype.newbyteorder("="), copy=False)
    try:
        return torch.from_numpy(np.require(native, requirements=("C", "W")))
    except TypeError as error:
        raise InputError(
            "an array of floating point, uint8 or bool", f"{array.dtype}", "Convert it."
        ) from error


def _wrong_type(what: str, value: object) -> InputError:
    return InputError(
        f"{what} as a tensor, NumPy array, Pillow image or path",
        type(value).__name__,
        "Convert it.",
    )
