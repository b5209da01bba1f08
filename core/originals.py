"""Image files as they were: their own pixels and metadata, around a completion.

Legend: H x W pixels, C channels. Modes are Pillow's: L, LA, RGB, RGBA, CMYK; the depth is the
array's. The mode of 16-bit grey is L, too.
"""

import dataclasses
import io
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any, Self

import numpy as np
import torch
from PIL import Image, ImageCms
from PIL.PngImagePlugin import PngInfo, iTXt
from torch import Tensor

from .checks import check_choice
from .deep_colour import DEEP_MODES
from .errors import InputError
from .image import image_to_uint8
from .image_decoding import Decoded, foreign_profile, from_srgb, to_rgb
from .image_metadata import RECORD_KEY, Metadata, tiff_options, xmp_with_record
from .png_files import PngEncoder
from .printable import get_logger
from .tiff_files import encode_deep_tiff, encode_tiff

_log = get_logger(__name__)

RESULT_FORMATS = {
    **dict.fromkeys((".png", ".apng"), "PNG"),
    **dict.fromkeys((".jpg", ".jpeg", ".jpe", ".jfif"), "JPEG"),
    **dict.fromkeys((".tif", ".tiff"), "TIFF"),
    **dict.fromkeys((".bmp", ".dib"), "BMP"),
    **dict.fromkeys((".jp2", ".j2k", ".jpx"), "JPEG2000"),
    **dict.fromkeys((".ppm", ".pgm", ".pbm", ".pnm"), "PPM"),
    **{".webp": "WEBP", ".avif": "AVIF", ".tga": "TGA"},
}
"""Pillow's names of the formats that results are written in, by extension."""

# Where the quality of a file is not known. Of Pillow's defaults, 75 to 80 would show.
_QUALITY = {"JPEG": 95, "WEBP": 90, "AVIF": 85}
_LUMA = np.array([0.299, 0.587, 0.114])  # ITU-R BT.601, as Pillow converts to L
_SAVE_ERRORS = (OSError, ValueError, KeyError, TypeError, OverflowError)


@dataclass(frozen=True, eq=False, kw_only=True)
class Original:
    """An image file's own pixels and metadata."""

    pixels: np.ndarray
    """[H, W, C] uint8, uint16, or float32 in [0, 1]; upright."""
    mode: str
    profile: bytes | None = None
    """The colour profile that the pixels are in; None for sRGB or an unknown one."""
    metadata: Metadata = dataclasses.field(default_factory=Metadata)
    is_cut: bool = False
    """Whether the file has more bits per channel than the pixels."""
    png: PngEncoder = dataclasses.field(default_factory=PngEncoder)
    """Of all results: what they have in common is compressed once."""

    @classmethod
    def from_file(cls, decoded: Decoded) -> Self:
        """Return what a file holds. Palettes become colours; black and white become grey."""
        pixels, mode = _native(decoded.image)
        if decoded.deep is not None:
            pixels, mode = decoded.deep, "RGB" if decoded.deep.shape[2] == 3 else "RGBA"
        return cls(
            pixels=pixels,
            mode=mode,
            profile=foreign_profile(decoded.image),
            metadata=decoded.metadata,
            is_cut=decoded.is_cut and decoded.deep is None,
        )

    def filled(self, image_hwc: Tensor, weight_hw: Tensor, *, is_opaque: bool) -> Self:
        """Return the original with a completion where that has any weight.

        Elsewhere the pixels stay bit for bit.

        Args:
            image_hwc: [H, W, 3] in [0, 1], sRGB, the completed image.
            weight_hw: [H, W] in [0, 1], weight of the completion.
            is_opaque: whether what is completed becomes opaque; otherwise alpha stays. An image
                that is opaque everywhere loses its alpha channel.
        """
        changed = (weight_hw > 0).cpu().numpy()
        if not changed.any():
            return self
        rows, columns = _box(changed)
        pixels, changed = self.pixels.copy(), changed[rows, columns]
        area = pixels[rows, columns]
        try:
            colours = self._own_colours(image_hwc[rows, columns])
        except ImageCms.PyCMSError:
            _log.warning("its colour profile does not lead back from sRGB; the result is in sRGB")
            return self.in_srgb(image_hwc)
        np.copyto(area[..., : colours.shape[2]], colours, where=changed[..., None])
        if not self.mode.endswith("A") or not is_opaque:
            return dataclasses.replace(self, pixels=pixels)
        area[changed, -1] = highest = np.iinfo(pixels.dtype).max
        if pixels[..., -1].min() < highest:
            return dataclasses.replace(self, pixels=pixels)
        opaque = np.ascontiguousarray(pixels[..., :-1])
        return dataclasses.replace(self, pixels=opaque, mode=self.mode[:-1])

    def in_srgb(self, image_hwc: Tensor) -> Self:
        """Return an 8-bit image in sRGB with the metadata of this one."""
        pixels = image_to_uint8(image_hwc).cpu().numpy()
        metadata = dataclasses.replace(self.metadata, icc_profile=None, chunks={})
        return dataclasses.replace(self, pixels=pixels, mode="RGB", profile=None, metadata=metadata)

    def _own_colours(self, image_hwc: Tensor) -> np.ndarray:
        """Return sRGB in this file's colours and depth, without alpha."""
        mode = self.mode.removesuffix("A")
        depth = self.pixels.dtype
        if depth != np.uint8 and self.profile is None:
            unit = image_hwc.cpu().to(torch.float64).clamp(0, 1).numpy()
            unit = (unit @ _LUMA)[..., None] if mode == "L" else unit
            return unit.astype(depth) if depth == np.float32 else _rounded(unit)
        pixels = image_to_uint8(image_hwc).cpu().contiguous().numpy()
        if mode == "RGB" and self.profile is None and depth == np.uint8:
            return pixels
        rgb = Image.fromarray(pixels)
        colours = np.atleast_3d(np.asarray(from_srgb(rgb, mode, self.profile)))
        if depth == np.uint16:
            return colours.astype(depth) * 257  # Pillow converts 8 bits only
        return colours if depth == np.uint8 else (colours / 255).astype(depth)


def _rounded(unit: np.ndarray) -> np.ndarray:
    return np.rint(unit * 65535.0).astype(np.uint16)


def _box(changed: np.ndarray) -> tuple[slice, slice]:
    """Return the rows and columns from the first change to the last."""
    rows, columns = (np.flatnonzero(changed.any(axis=axis)) for axis in (1, 0))
    return slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)


def _native(image: Image.Image) -> tuple[np.ndarray, str]:
    """Return the pixels of a decoded image and their mode."""
    if image.mode in DEEP_MODES:
        depth = np.float32 if image.mode == "F" else np.uint16
        return np.asarray(image).astype(depth)[..., None], "L"
    is_grey = image.mode in ("1", "L", "LA", "La")
    if "transparency" in image.info or image.mode in ("LA", "La", "RGBA", "RGBa", "PA"):
        image = image.convert("RGBA")
        if is_grey:
            return np.asarray(image)[..., [0, 3]], "LA"
        return np.asarray(image), "RGBA"
    if image.mode == "CMYK":
        return np.asarray(image), "CMYK"
    image = image.convert("L") if is_grey else to_rgb(image)
    return np.atleast_3d(np.asarray(image)), image.mode


def losses(original: Original, suffix: str) -> list[str]:
    """Return sentences on what a result loses that the file had."""
    file_format, found = RESULT_FORMATS[suffix.lower()], []
    if original.is_cut:
        found.append(
            "the file has 16 bits per channel, the result 8; to keep 16, save it as a PNG or TIFF "
            "and install OpenCV: pip install 'diverse-inpainting[deep]'"
        )
    if original.mode == "CMYK" and file_format == "PNG":
        found.append("the file is in CMYK, the result in sRGB; --format same keeps CMYK")
    if original.pixels.dtype == np.float32 and file_format != "TIFF":
        found.append("the file is in floating point, the result has 16 bits")
    return found


def encode(original: Original, suffix: str, record: str = "") -> bytes:
    """Return an image file.

    Args:
        original: pixels and metadata.
        suffix: a key of `RESULT_FORMATS`, in any case.
        record: what the result was made from and how, see `read_record_text`. Formats without
            metadata (BMP, TGA, PPM, JPEG 2000) do not hold it.

    Raises:
        InputError: the format cannot hold such an image.
    """
    file_format, buffer = RESULT_FORMATS[suffix.lower()], io.BytesIO()
    options = _options(original.metadata, file_format, record)
    pixels = original.pixels
    try:
        if file_format == "PNG":
            if pixels.dtype == np.float32:
                pixels = _rounded(pixels)
            return original.png.encode(pixels, options)
        if pixels.dtype == np.uint16 and original.mode != "L" and file_format == "TIFF":
            return encode_deep_tiff(pixels, options)
        image = _to_pillow(original, file_format)
        if file_format == "TIFF":
            return encode_tiff(image, options)
        image.save(buffer, file_format, **options)
    except _SAVE_ERRORS as error:
        raise InputError(
            f"an image that a {file_format} file can hold",
            f"mode {original.mode} with {8 * pixels.itemsize} bits ({error})",
            "Write PNGs: --format png.",
        ) from error
    return buffer.getvalue()


def _to_pillow(original: Original, file_format: str) -> Image.Image:
    pixels = original.pixels
    if pixels.dtype == np.float32 and file_format != "TIFF":
        pixels = _rounded(pixels)
    if pixels.dtype != np.uint8:
        return Image.fromarray(np.ascontiguousarray(pixels[..., 0]))
    height, width, _ = pixels.shape
    return Image.frombytes(original.mode, (width, height), pixels.tobytes())


def _options(metadata: Metadata, file_format: str, record: str) -> dict[str, Any]:
    """Return the options for Pillow's writer of a format."""
    options: dict[str, Any] = {"quality": _QUALITY[file_format]} if file_format in _QUALITY else {}
    if metadata.format == file_format and metadata.encoding:
        options = dict(metadata.encoding)
    known: dict[str, Any] = {"icc_profile": metadata.icc_profile, "dpi": metadata.dpi}
    if file_format == "PNG":
        known |= {"exif": metadata.exif, "pnginfo": _png_info(metadata, record)}
    else:
        xmp = xmp_with_record(metadata.xmp, record) if record else metadata.xmp
        is_tiff = file_format == "TIFF"
        known |= (
            tiff_options(metadata.exif, xmp) if is_tiff else {"exif": metadata.exif, "xmp": xmp}
        )
    return options | {name: value for name, value in known.items() if value}


def _png_info(metadata: Metadata, record: str) -> PngInfo:
    info = PngInfo()
    for name, data in metadata.chunks.items():
        info.add(name, data)
    for keyword, content in metadata.text.items():
        if isinstance(content, iTXt):
            info.add_itxt(keyword, content, content.lang or "", content.tkey or "")
        else:
            info.add_text(keyword, content)
    if metadata.xmp:
        info.add_itxt("XML:com.adobe.xmp", metadata.xmp.decode(errors="replace"))
    if record:
        info.add_text(RECORD_KEY, record)
    return info


def result_suffix(path: PurePath, result_format: str) -> str:
    """Return the extension of an image's results.

    Args:
        path: the image.
        result_format: `png`, or `same` for the image's own; GIF, which has 256 colours, gives PNG.

    Raises:
        InputError: another format.
    """
    check_choice(result_format, "format", ("png", "same"))
    is_same = result_format == "same" and path.suffix.lower() in RESULT_FORMATS
    return path.suffix if is_same else ".png"
