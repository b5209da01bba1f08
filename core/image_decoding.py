"""The one decoder of images: upright, in sRGB, whatever the format.

Legend: H x W pixels, C channels.
"""

import functools
import io
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from PIL import Image, ImageCms, UnidentifiedImageError

from .deep_colour import DEEP_MODES, is_cut, read_deep
from .errors import InputError
from .image_metadata import Metadata, read_metadata
from .printable import get_logger

_log = get_logger(__name__)
_Result = TypeVar("_Result")

# Twice the size at which Pillow warns, where Pillow itself refuses. ComfyUI and others lift
# Pillow's global limit, so it is checked here again.
_MAX_PIXELS = 178_956_970

# What Pillow's decoders raise on damaged files.
# fmt: off
_DECODE_ERRORS = (
    OSError, SyntaxError, ValueError, EOFError, RuntimeError, IndexError, KeyError,
    struct.error, zlib.error,
)
# fmt: on
_PROFILE_ERRORS = (ImageCms.PyCMSError, OSError, ValueError, TypeError, ImportError)

_ORIENTATION_TAG = 0x0112
_UPRIGHT = 1
# What shows an image of each other orientation upright.
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

_ALPHA_MODES = ("RGBA", "RGBa", "LA", "PA")


@dataclass(frozen=True, eq=False, kw_only=True)
class Decoded:
    """An image file with all that it holds."""

    image: Image.Image
    """Upright, in the file's own mode."""
    metadata: Metadata
    is_cut: bool
    """Whether the file has 16 bits per channel, of which the image has the upper 8."""
    deep: np.ndarray | None
    """[H, W, C] uint16: all 16 bits, where they could be read."""


def decode_rgb(data: bytes, name: str) -> Image.Image:
    """Return the bytes of an image file as 8-bit RGB: what `read_image` reads, rounded.

    What is transparent shows white: the colours hidden there are often garbage.

    Args:
        data: content of a PNG, JPEG, WebP, TIFF or another format that Pillow knows.
        name: of the file, for messages.

    Raises:
        InputError: not an image, damaged, or over 178 million pixels.
    """
    image = decode_upright(data, name)
    grey = deep_grey(image, name)
    if grey is None:
        rgb, alpha = to_srgb(image, name), opacity(image)
        if alpha is None or alpha.min() == 1:
            return rgb
        mask = Image.fromarray(np.rint(alpha * np.float32(255.0)).astype(np.uint8))
        return Image.composite(rgb, Image.new("RGB", rgb.size, "white"), mask)
    return Image.fromarray(np.rint(grey * np.float32(255.0)).astype(np.uint8)).convert("RGB")


def decode_upright(data: bytes, name: Path | str) -> Image.Image:
    """Return an image in the file's own mode, as the camera was held.

    Args:
        data: what the file holds.
        name: of the file, for messages.

    Raises:
        InputError: not an image, damaged, over 178 million pixels, an animation, or several pages.
    """
    return _decoded(name, lambda: _load(data, name, lambda _: None)[0])


def decode_fully(path: Path, data: bytes | None = None) -> Decoded:
    """Return an image as `decode_upright` does, with what else the file holds.

    Args:
        path: of the file.
        data: what it holds, if it was read already.

    Raises:
        InputError: as `decode_upright`, or no such file.
    """
    data = read_file(path) if data is None else data
    look = functools.partial(read_metadata, data=data)
    image, turn, cut, metadata = _decoded(path, lambda: _load(data, path, look))
    deep = read_deep(data, image, turn) if cut else None
    return Decoded(image=image, metadata=metadata, is_cut=cut, deep=deep)


def read_file(path: Path) -> bytes:
    """Return what an image file holds.

    Raises:
        InputError: there is no such file, or it cannot be read.
    """
    if not path.is_file():
        is_folder = path.is_dir()
        got = "a folder" if is_folder else "no such file"
        problem = f"{path} is a folder, not a file." if is_folder else f"No such file: {path}."
        raise InputError(f"an image file at {path}", got, "Check the path.", problem=problem)
    return _decoded(path, path.read_bytes)


def _load(
    data: bytes, name: Path | str, look: Callable[[Image.Image], _Result]
) -> tuple[Image.Image, Image.Transpose | None, bool, _Result]:
    """Return the image upright, what turned it, whether Pillow cut its depth, and a look at it."""
    with Image.open(io.BytesIO(data)) as image:
        if image.width * image.height > _MAX_PIXELS:
            raise Image.DecompressionBombError(f"{image.width} x {image.height} pixels")
        _check_single(image, name)
        cut = is_cut(image)
        image.load()
        turn = _TURNS.get(_orientation(image, name))
        upright = image.copy() if turn is None else image.transpose(turn)
        return upright, turn, cut, look(image)


def _check_single(image: Image.Image, name: Path | str) -> None:
    # Photographs of phones are MPO files: the second image is another view, or a depth map.
    if not getattr(image, "is_animated", False) or image.format == "MPO":
        return
    several = "pages" if image.format == "TIFF" else "frames"
    raise InputError(
        f"a single image in {name}",
        f"a file with several {several}",
        f"Save each of its {several} as a PNG, for example with ffmpeg or ImageMagick, and "
        "complete those.",
        problem=f"{name} has several {several}.",
    )


def _orientation(image: Image.Image, name: Path | str) -> int:
    # ImageOps.exif_transpose would write the other EXIF tags anew, and fail on damaged ones.
    try:
        return image.getexif().get(_ORIENTATION_TAG, _UPRIGHT)
    except (*_DECODE_ERRORS, TypeError) as error:
        _log.warning("%s: ignoring its damaged EXIF block (%s)", name, error)
        return _UPRIGHT


def _decoded(name: Path | str, decode: Callable[[], _Result]) -> _Result:
    """Run one decoding step and name the file where it fails."""
    try:
        return decode()
    except Image.DecompressionBombError as error:
        raise InputError(
            f"an image of at most {_MAX_PIXELS:,} pixels in {name}",
            str(error),
            "Scale the image down.",
            problem=f"{name} is larger than {_MAX_PIXELS:,} pixels.",
        ) from error
    except _DECODE_ERRORS as error:
        is_unknown = isinstance(error, UnidentifiedImageError)  # its text names a file object
        reason = "unknown format" if is_unknown else f"{type(error).__name__}: {error}"
        raise InputError(
            f"a complete image in a format that Pillow reads in {name}",
            reason,
            "Open it in an image editor and save it again as PNG.",
            problem=f"{name} is damaged or not an image ({reason}).",
        ) from error


def to_srgb(image: Image.Image, name: Path | str) -> Image.Image:
    """Return a decoded image as 8-bit RGB in sRGB, without its transparency.

    An embedded profile that cannot be used is ignored with a warning.

    Raises:
        InputError: Pillow cannot convert it.
    """
    return _decoded(name, lambda: _to_srgb(image, name))


def to_rgb(image: Image.Image) -> Image.Image:
    """Return a decoded image as 8-bit RGB, its colour profile and transparency ignored."""
    # Through RGBA: otherwise colours of palettes and premultiplied images are lost.
    if image.mode in ("RGBa", "PA") or (image.mode == "P" and "transparency" in image.info):
        image = image.convert("RGBA")
    return image.convert("RGB")


def deep_grey(image: Image.Image, name: Path | str) -> np.ndarray | None:
    """Return 16-bit or floating-point greyscale as [H, W] float32 in [0, 1]; else None.

    Raises:
        InputError: values that lie outside the range of the type.
    """
    if image.mode not in DEEP_MODES:
        return None
    values = np.asarray(image).astype(np.float64)
    highest = 1.0 if image.mode == "F" else 65535.0
    if not (values.min() >= 0.0 and values.max() <= highest):
        raise InputError(
            f"greyscale values from 0 to {highest:g} in {name}",
            f"values from {values.min():g} to {values.max():g}",
            "Save the image with 8 or 16 bits per channel.",
        )
    return (values / highest).astype(np.float32)


def opacity(image: Image.Image) -> np.ndarray | None:
    """Return alpha as [H, W] float32, 1 = opaque; None without alpha or a transparent colour."""
    if image.mode not in _ALPHA_MODES and "transparency" not in image.info:
        return None
    return from_8_bits(image.convert("RGBA").getchannel("A"))


def from_8_bits(image: Image.Image) -> np.ndarray:
    """Return an 8-bit image as [H, W] or [H, W, C] float32 in [0, 1]."""
    values = np.array(image, dtype=np.float32)
    values /= np.float32(255.0)  # in place: large images count
    return values


def foreign_profile(image: Image.Image) -> bytes | None:
    """Return the colour profile that `to_srgb` converts from; None where it converts nothing."""
    profile = image.info.get("icc_profile")
    if not profile:
        return None
    try:
        _convert_profile(image.crop((0, 0, 1, 1)), profile)
        return None if _is_srgb(ImageCms.ImageCmsProfile(io.BytesIO(profile))) else profile
    except _PROFILE_ERRORS:
        return None


def from_srgb(rgb: Image.Image, mode: str, profile: bytes | None) -> Image.Image:
    """Return an 8-bit RGB image in sRGB in another mode, L, RGB or CMYK, and profile.

    Raises:
        ImageCms.PyCMSError: the profile leads to sRGB but not back.
    """
    if profile is None:
        return rgb.convert(mode)
    target = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    source = ImageCms.createProfile("sRGB")
    converted = ImageCms.profileToProfile(rgb, source, target, outputMode=mode)
    assert converted is not None, "only in-place conversion returns nothing"
    return converted


def _is_srgb(profile: ImageCms.ImageCmsProfile) -> bool:
    name = ImageCms.getProfileDescription(profile).lower()
    return "srgb" in name and "linear" not in name


def _to_srgb(image: Image.Image, name: Path | str) -> Image.Image:
    profile = image.info.get("icc_profile")
    if profile:
        try:
            return _convert_profile(image, profile)
        except _PROFILE_ERRORS as error:
            _log.warning("%s: ignoring its unusable colour profile (%s)", name, error)
    return to_rgb(image)


def _convert_profile(image: Image.Image, profile: bytes) -> Image.Image:
    source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    if _is_srgb(source):
        return to_rgb(image)  # converting would change some pixels by rounding alone
    if image.mode in ("1", "L", "LA"):
        image = image.convert("L")
    elif image.mode != "CMYK":
        image = to_rgb(image)
    target = ImageCms.createProfile("sRGB")
    converted = ImageCms.profileToProfile(image, source, target, outputMode="RGB")
    assert converted is not None, "only in-place conversion returns nothing"
    return converted
