"""Picture files: reading them as people see them, writing them exactly.

Legend: H x W pixels, C channels. Values are in [0, 1].
"""

import io
import logging
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageCms
from torch import Tensor

from .errors import InputError
from .files import atomic_write
from .image import image_to_uint8

_log = logging.getLogger(__name__)

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".gif")
"""Endings of the files in a folder that are taken for pictures."""

# Twice Pillow's warning limit, which is where Pillow itself refuses; ComfyUI and others lift
# Pillow's global limit, so it is checked here again.
_MAX_PIXELS = 178_956_970

# What Pillow's decoders raise on damaged files.
_DECODE_ERRORS = (
    *(OSError, SyntaxError, ValueError, EOFError, RuntimeError, IndexError, KeyError),
    *(struct.error, zlib.error),
)
_PROFILE_ERRORS = (ImageCms.PyCMSError, OSError, ValueError, TypeError, ImportError)

_ORIENTATION_TAG = 0x0112
_UPRIGHT = 1
# How to show a picture of each other orientation.
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

_WIDE_MODES = ("I", "I;16", "I;16B", "I;16L", "I;16N")
_ALPHA_MODES = ("RGBA", "RGBa", "LA", "PA")


@dataclass(frozen=True, eq=False)
class Picture:
    """A picture file as the rest of the library takes it."""

    image: Tensor
    """[1, H, W, 3] float32 in [0, 1], upright, sRGB."""
    alpha: Tensor | None
    """[1, H, W] float32 in [0, 1], 1 = opaque; None where the file has no transparency."""
    path: Path
    """The file it was read from."""

    @property
    def hole_mask(self) -> Tensor | None:
        """[1, H, W] float32, 1 = fill: what is transparent, as ComfyUI's LoadImage has it."""
        return None if self.alpha is None else 1.0 - self.alpha


def read_image(path: str | Path) -> Picture:
    """Read a picture file.

    1. EXIF orientation is applied; an embedded ICC profile other than sRGB is converted to sRGB,
       and a profile that cannot be read is ignored with a warning.
    2. Greyscale, palette, CMYK and 16-bit greyscale files are read; Pillow cuts 16-bit colour to
       its upper 8 bits. Of an animation the first frame is read.

    Args:
        path: of a PNG, JPEG, WebP, TIFF or another format that Pillow knows.

    Raises:
        InputError: no such file, not a picture, damaged, or over 178 million pixels.
    """
    path = Path(path)
    image = _open_upright(path)
    alpha = None
    if image.mode in _WIDE_MODES or image.mode == "F":
        grey = _deep_levels(image, path)
        rgb = np.repeat(grey[:, :, None], 3, axis=2)
    else:
        alpha = _alpha_of(image)
        rgb = _unit_levels(_decoded(path, lambda: _to_srgb(image, path)))
    alpha_1hw = None if alpha is None else torch.from_numpy(alpha)[None]
    return Picture(image=torch.from_numpy(rgb)[None], alpha=alpha_1hw, path=path)


def read_mask(path: str | Path) -> Tensor:
    """Read a hole mask file.

    1. A file with transparent pixels: 1 - alpha is the hole, as in ComfyUI.
    2. Any other: its brightness, white = fill. Colour profiles are left aside: a mask is data.

    Args:
        path: of a PNG, JPEG, WebP, TIFF or another format that Pillow knows.

    Returns:
        [1, H, W] float32 in [0, 1], 1 = fill.

    Raises:
        InputError: as `read_image`.
    """
    path = Path(path)
    image = _open_upright(path)
    if image.mode in _WIDE_MODES or image.mode == "F":
        return torch.from_numpy(_deep_levels(image, path))[None]
    alpha = _alpha_of(image)
    if alpha is not None and alpha.min() < 1.0:
        return torch.from_numpy(1.0 - alpha)[None]
    grey = _decoded(path, lambda: _to_rgb(image).convert("L"))
    return torch.from_numpy(_unit_levels(grey))[None]


def write_png(path: str | Path, image_hwc: Tensor | Image.Image) -> None:
    """Write an 8-bit PNG; a reader sees the old file or the whole new one.

    1. Values are rounded to the nearest of 256 levels: what came from 8 bits returns exactly.

    Args:
        path: ends in .png; its folder exists. A file there is replaced.
        image_hwc: [H, W] or [H, W, C] with C of 1, 3 or 4, floating point in [0, 1] or uint8; or
            what Pillow holds, such as a contact sheet.

    Raises:
        InputError: another layout or range, another file ending, or a place that cannot be written.
    """
    path = Path(path)
    if path.suffix.lower() != ".png":
        raise InputError("a file name that ends in .png", str(path), "Change the ending.")
    picture = image_hwc if isinstance(image_hwc, Image.Image) else to_pil(image_hwc)
    try:
        atomic_write(path, lambda file: picture.save(file, format="PNG"))
    except OSError as error:
        raise InputError(
            f"to be able to write {path}",
            f"{error.strerror or error}",
            "Check that the folder exists, is writable and has room.",
        ) from error


def to_pil(image_hwc: Tensor) -> Image.Image:
    """Return a picture for Pillow, rounded to 8 bits.

    Args:
        image_hwc: [H, W] or [H, W, C] with C of 1, 3 or 4; floating point in [0, 1], or uint8.

    Raises:
        InputError: another layout, NaN, or values outside [0, 1].
    """
    levels = image_to_uint8(image_hwc)
    if levels.ndim == 3 and levels.shape[2] == 1:
        levels = levels[:, :, 0]
    if levels.ndim != 2 and not (levels.ndim == 3 and levels.shape[2] in (3, 4)):
        raise InputError(
            "a picture of shape [H, W] or [H, W, C] with 1, 3 or 4 channels",
            f"{tuple(image_hwc.shape)}",
            "Take one picture of the batch, channels last.",
        )
    return Image.fromarray(levels.cpu().contiguous().numpy())


def _open_upright(path: Path) -> Image.Image:
    """The first frame, decoded, as the camera was held."""
    if not path.is_file():
        got = "a folder" if path.is_dir() else "no such file"
        raise InputError(f"a picture file at {path}", got, "Check the path.")
    return _decoded(path, lambda: _load(path))


def _load(path: Path) -> Image.Image:
    with Image.open(path) as image:
        if image.width * image.height > _MAX_PIXELS:
            raise Image.DecompressionBombError(f"{image.width} x {image.height} pixels")
        image.load()
        turn = _TURNS.get(_orientation(image, path))
        return image.copy() if turn is None else image.transpose(turn)


def _orientation(image: Image.Image, path: Path) -> int:
    # ImageOps.exif_transpose would write the other EXIF tags anew, and fail on damaged ones.
    try:
        return image.getexif().get(_ORIENTATION_TAG, _UPRIGHT)
    except (*_DECODE_ERRORS, TypeError) as error:
        _log.warning("%s: its EXIF block is damaged and ignored (%s)", path, error)
        return _UPRIGHT


def _decoded(path: Path, decode: Callable[[], Image.Image]) -> Image.Image:
    """Run one decoding step and name the file where it fails."""
    try:
        return decode()
    except Image.DecompressionBombError as error:
        raise InputError(
            f"a picture of at most {_MAX_PIXELS:,} pixels in {path}",
            f"{error}",
            "Scale the picture down.",
        ) from error
    except _DECODE_ERRORS as error:
        raise InputError(
            f"a complete picture in a format that Pillow reads in {path}",
            f"{type(error).__name__}: {error}",
            "Open it in an image editor and save it again as PNG.",
        ) from error


def _unit_levels(image: Image.Image) -> np.ndarray:
    """[H, W] or [H, W, C] float32 from 8 bits."""
    return np.asarray(image, dtype=np.float32) / np.float32(255.0)


def _deep_levels(image: Image.Image, path: Path) -> np.ndarray:
    """[H, W] float32 in [0, 1] from 16-bit integer or floating-point greyscale."""
    values = np.asarray(image).astype(np.float64)
    highest = 1.0 if image.mode == "F" else 65535.0
    if not (values.min() >= 0.0 and values.max() <= highest):
        raise InputError(
            f"greyscale values from 0 to {highest:g} in {path}",
            f"values from {values.min():g} to {values.max():g}",
            "Save the picture with 8 or 16 bits per channel.",
        )
    return (values / highest).astype(np.float32)


def _alpha_of(image: Image.Image) -> np.ndarray | None:
    """[H, W] float32 opacity; None without an alpha channel or a transparent colour."""
    if image.mode not in _ALPHA_MODES and "transparency" not in image.info:
        return None
    return _unit_levels(image.convert("RGBA").getchannel("A"))


def _to_rgb(image: Image.Image) -> Image.Image:
    # By way of RGBA: a palette's or pre-multiplied picture's colours get lost otherwise.
    if image.mode in ("RGBa", "PA") or (image.mode == "P" and "transparency" in image.info):
        image = image.convert("RGBA")
    return image.convert("RGB")


def _to_srgb(image: Image.Image, path: Path) -> Image.Image:
    """8-bit RGB in sRGB, transparency dropped."""
    profile = image.info.get("icc_profile")
    if profile:
        try:
            return _convert_profile(image, profile)
        except _PROFILE_ERRORS as error:
            _log.warning("%s: its colour profile cannot be used and is ignored (%s)", path, error)
    return _to_rgb(image)


def _convert_profile(image: Image.Image, profile: bytes) -> Image.Image:
    source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    name = ImageCms.getProfileDescription(source).lower()
    if "srgb" in name and "linear" not in name:
        return _to_rgb(image)  # converting would change some pixels by rounding alone
    if image.mode in ("1", "L", "LA"):
        image = image.convert("L")
    elif image.mode != "CMYK":
        image = _to_rgb(image)
    target = ImageCms.createProfile("sRGB")
    converted = ImageCms.profileToProfile(image, source, target, outputMode="RGB")
    assert converted is not None, "only in-place conversion returns nothing"
    return converted
