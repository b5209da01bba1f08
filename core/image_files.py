"""Image files: read as people see them, written exactly.

Legend: H x W pixels, C channels. Values are in [0, 1].
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from torch import Tensor

from .errors import InputError
from .files import atomic_write, explain_writing
from .image import image_to_uint8
from .image_decoding import decode_fully, deep_grey, from_8_bits, opacity, to_srgb
from .originals import RESULT_FORMATS, Original, encode
from .png_files import PngEncoder

_WRITING_REMEDY = "Check that the folder exists, is writable and has room."


@dataclass(frozen=True, eq=False)
class ImageFile:
    """The content of an image file."""

    image: Tensor
    """[1, H, W, 3] float32 in [0, 1], upright, sRGB."""
    alpha: Tensor | None
    """[1, H, W] float32 in [0, 1], 1 = opaque; None where the file has no transparency."""
    path: Path
    """The file it was read from."""
    original: Original
    """Its own pixels and metadata."""

    @property
    def hole_mask(self) -> Tensor | None:
        """[1, H, W] float32, 1 = fill: what is transparent, as for ComfyUI's LoadImage."""
        return None if self.alpha is None else 1.0 - self.alpha


def read_image(path: str | Path, data: bytes | None = None) -> ImageFile:
    """Read an image file.

    1. EXIF orientation is applied. An embedded ICC profile other than sRGB is converted to sRGB;
       one that cannot be read is ignored with a warning.
    2. Greyscale, palette, CMYK and 16-bit files are read. Of 16-bit colour, `image` has the upper
       8 bits; `original` has all of them if OpenCV is installed.

    Args:
        path: of a PNG, JPEG, WebP, TIFF or another format that Pillow knows.
        data: what the file holds, if it was read already.

    Raises:
        InputError: no such file, not an image, damaged, over 178 million pixels, an animation, or
            several pages.
    """
    path = Path(path)
    decoded = decode_fully(path, data)
    image, alpha = decoded.image, None
    grey = deep_grey(image, path)
    if grey is None:
        rgb, alpha = from_8_bits(to_srgb(image, path)), opacity(image)
    else:
        rgb = np.repeat(grey[:, :, None], 3, axis=2)
    return ImageFile(
        image=torch.from_numpy(rgb)[None],
        alpha=None if alpha is None else torch.from_numpy(alpha)[None],
        path=path,
        original=Original.from_file(decoded),
    )


def write_result(
    path: Path,
    file: ImageFile,
    image_hwc: Tensor,
    weight_hw: Tensor,
    *,
    is_opaque: bool,
    record: str = "",
) -> None:
    """Write a completed image as its file was: its pixels, depth, colours and metadata.

    Where the completion has no weight, lossless formats have the file's pixels bit for bit; only
    of CMYK, a PNG has them in sRGB.

    Args:
        path: ends in a key of `RESULT_FORMATS`; its folder exists.
        file: what was completed.
        image_hwc: [H, W, 3] in [0, 1], sRGB.
        weight_hw: [H, W] in [0, 1], weight of the completion.
        is_opaque: as for `Original.filled`.
        record: as for `encode`.

    Raises:
        InputError: the format cannot hold the image, or the path cannot be written.
    """
    is_cmyk_png = file.original.mode == "CMYK" and RESULT_FORMATS[path.suffix.lower()] == "PNG"
    if is_cmyk_png:
        filled = file.original.in_srgb(image_hwc)
    else:
        filled = file.original.filled(image_hwc, weight_hw, is_opaque=is_opaque)
    data = encode(filled, path.suffix, record)
    with explain_writing(path, _WRITING_REMEDY):
        atomic_write(path, lambda target: target.write(data))


def write_png(
    path: str | Path,
    image_hwc: Tensor | Image.Image,
    text: Mapping[str, str] | None = None,
    encoder: PngEncoder | None = None,
) -> None:
    """Write an 8-bit PNG; a reader sees the old file or the whole new one.

    Values are rounded to 8 bits, so what was read from 8 bits is written exactly.

    Args:
        path: ends in .png; its folder exists. A file there is replaced.
        image_hwc: as for `to_pil`; a Pillow image is grey or RGB, with or without alpha.
        text: of the file's text chunks, by keyword.
        encoder: of similar images; None for one of this image alone.

    Raises:
        InputError: another layout, range or file extension, or a path that cannot be written.
    """
    path = Path(path)
    if path.suffix.lower() != ".png":
        raise InputError("a file name that ends in .png", str(path), "Change the extension.")
    image, chunks = to_pil(image_hwc), PngInfo()
    for keyword, content in (text or {}).items():
        chunks.add_text(keyword, content)
    pixels = np.asarray(image)
    pixels = pixels[:, :, None] if pixels.ndim == 2 else pixels
    data = (encoder or PngEncoder()).encode(pixels, {"pnginfo": chunks})
    with explain_writing(path, _WRITING_REMEDY):
        atomic_write(path, lambda file: file.write(data))


def to_pil(image_hwc: Tensor | Image.Image) -> Image.Image:
    """Return a Pillow image, rounded to 8 bits.

    Args:
        image_hwc: [H, W] or [H, W, C] with C of 1, 3 or 4, floating point in [0, 1] or uint8. A
            Pillow image comes back as it is.

    Raises:
        InputError: another layout, NaN, or values outside [0, 1].
    """
    if isinstance(image_hwc, Image.Image):
        return image_hwc
    pixels = image_to_uint8(image_hwc)
    if pixels.ndim == 3 and pixels.shape[2] == 1:
        pixels = pixels[:, :, 0]
    if pixels.ndim != 2 and not (pixels.ndim == 3 and pixels.shape[2] in (3, 4)):
        raise InputError(
            "an image of shape [H, W] or [H, W, C] with 1, 3 or 4 channels",
            f"{tuple(image_hwc.shape)}",
            "Pass one image of the batch, channels last.",
        )
    return Image.fromarray(pixels.cpu().contiguous().numpy())
