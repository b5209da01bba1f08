"""What an image file holds beside its pixels, and the record of what made a result.

Legend: EXIF and XMP are blocks of bytes as files store them. Orientation is not among them, since
pixels are held upright; nor are small copies of the image, which would show what was erased.
"""

import html
import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image, JpegImagePlugin, PngImagePlugin

from .printable import get_logger

_log = get_logger(__name__)

RECORD_KEY = "diverse-inpainting"
"""Keyword of the PNG text that says how a result was made."""

_NAMESPACE = "urn:diverse-inpainting"
_XMP_KEY = "XML:com.adobe.xmp"  # keyword of the PNG text that holds it
_RAW_EXIF_KEY = "Raw profile type exif"  # ImageMagick's way to put EXIF into a PNG
_RAW_KEY = "raw profile type "  # of any such text; Photoshop's and APP1 have small copies, too
_EXIF_HEAD = b"Exif\0\0"
_ORIENTATION, _UPRIGHT = 0x0112, 1
_IFD_ENTRY, _RIFF_HEAD = 12, 12  # bytes
# Where the data of a small copy starts, and how long it is: as JPEG, and as strips.
_COPIES = ((0x0201, 0x0202), (0x0111, 0x0117))
_STORED = {3: "H", 4: "I"}  # EXIF's types of whole numbers
# One in a maker's note: its place is known to the maker only, its first markers to all.
_PREVIEW = re.compile(rb"\xff\xd8\xff[\xc0-\xc4\xdb\xe0-\xef\xfe].*?\xff\xd9", re.DOTALL)
# The same in XMP, and the whole image or its depth as phones store them there.
_XMP_COPIES = rb"(?:x[am]pGImg:image|GImage:Data|GDepth:Data)"

# What Pillow's reader of EXIF raises on damaged blocks.
_EXIF_ERRORS = (OSError, SyntaxError, ValueError, LookupError, TypeError, struct.error)

_EXIF_IFD, _GPS_IFD = 0x8769, 0x8825
# What a TIFF says in words: description, make, model, software, date, artist, copyright.
_TIFF_TAGS = (270, 271, 272, 305, 306, 315, 33432)
_TIFF_XMP = 700
_LOSSLESS_TIFF = ("raw", "tiff_lzw", "tiff_adobe_deflate", "packbits", "zstd", "lzma")


@dataclass(frozen=True, kw_only=True)
class Metadata:
    """What an image file holds beside its pixels."""

    format: str = ""
    """Pillow's name of the format."""
    icc_profile: bytes | None = None
    """As stored, usable or not."""
    exif: bytes = b""
    """Without orientation and small copies; empty where there is none."""
    xmp: bytes | None = None
    """Likewise; None where there is none."""
    text: Mapping[str, str] = field(default_factory=dict)
    """PNG text by keyword, without XMP and other blocks."""
    dpi: tuple[float, float] | None = None
    encoding: Mapping[str, Any] = field(default_factory=dict)
    """Options with which Pillow writes this format in the same quality."""
    chunks: Mapping[bytes, bytes] = field(default_factory=dict)
    """PNG chunks on colour, by name."""


def read_metadata(image: Image.Image, data: bytes) -> Metadata:
    """Return the metadata of an image that was opened from a file's data and loaded."""
    file_format = "JPEG" if image.format == "MPO" else image.format or ""
    text = dict(image.text) if isinstance(image, PngImagePlugin.PngImageFile) else {}
    exif = _stored_exif(image)
    xmp = text.pop(_XMP_KEY, None) or image.info.get("xmp")
    text = {key: said for key, said in text.items() if not key.lower().startswith(_RAW_KEY)}
    return Metadata(
        format=file_format,
        icc_profile=image.info.get("icc_profile"),
        exif=upright_exif(exif),
        xmp=None if not xmp else upright_xmp(xmp.encode() if isinstance(xmp, str) else xmp),
        text=text,
        dpi=_dpi(image),
        encoding=_encoding(image, file_format, data),
        chunks=_colour_chunks(image) if file_format == "PNG" else {},
    )


def _stored_exif(image: Image.Image) -> bytes:
    try:
        if image.format == "TIFF":
            return _words_of_tiff(image.getexif())
        if "exif" not in image.info and _RAW_EXIF_KEY in image.info:
            return image.getexif().tobytes()
        return image.info.get("exif", b"")
    except _EXIF_ERRORS as error:
        _log.warning("a damaged EXIF block is left out (%s)", error)
        return b""


def _words_of_tiff(found: Image.Exif) -> bytes:
    """Return the words of a TIFF's directory; the rest describes how its pixels are stored."""
    kept = Image.Exif()
    for tag in _TIFF_TAGS:
        if tag in found:
            kept[tag] = found[tag]
    inner = {tag: found.get_ifd(tag) for tag in (_EXIF_IFD, _GPS_IFD)}
    for tag, entries in inner.items():
        kept.get_ifd(tag).update(entries)
    return kept.tobytes() if len(kept) or any(inner.values()) else b""


def tiff_options(exif: bytes, xmp: bytes | None) -> dict[str, Any]:
    """Return EXIF and XMP as options of `encode_tiff`."""
    found, words = Image.Exif(), Image.Exif()
    inner: dict[int, dict[int, Any]] = {}
    try:
        found.load(exif)
        words.update({tag: found[tag] for tag in _TIFF_TAGS if tag in found})
        inner = {tag: dict(found.get_ifd(tag)) for tag in (_EXIF_IFD, _GPS_IFD)}
    except _EXIF_ERRORS as error:
        _log.warning("a damaged EXIF block is left out (%s)", error)
    if xmp:
        words[_TIFF_XMP] = xmp
    return {
        "exif": words,
        "directories": {tag: entries for tag, entries in inner.items() if entries},
    }


def upright_exif(exif: bytes) -> bytes:
    """Return EXIF with the orientation set to upright and without small copies of the image.

    JPEGs in makers' notes count as such. All other bytes stay where they are: makers' notes refer
    to positions.

    Args:
        exif: with or without its head; a damaged block comes back empty.
    """
    data = bytearray(exif.removeprefix(_EXIF_HEAD))
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(bytes(data[:4]))
    if order is None:
        return b""
    try:
        (start,) = struct.unpack_from(order + "I", data, 4)
        entries, link = _entries(data, start, order)
        if _ORIENTATION in entries:
            kind, where = entries[_ORIENTATION]
            struct.pack_into(order + kind, data, where, _UPRIGHT)
        (copy,) = struct.unpack_from(order + "I", data, link)
        struct.pack_into(order + "I", data, link, 0)
        if copy:
            _blank_copy(data, copy, order)
    except struct.error:
        return b""
    return _EXIF_HEAD + _PREVIEW.sub(lambda found: bytes(len(found[0])), bytes(data))


def _entries(data: bytearray, start: int, order: str) -> tuple[dict[int, tuple[str, int]], int]:
    """Return the type and place of each single number by tag, and the place of the next link."""
    (count,) = struct.unpack_from(order + "H", data, start)
    found: dict[int, tuple[str, int]] = {}
    for place in range(start + 2, start + 2 + count * _IFD_ENTRY, _IFD_ENTRY):
        tag, kind, number = struct.unpack_from(order + "HHI", data, place)
        if number == 1 and kind in _STORED:
            found[tag] = (_STORED[kind], place + 8)
    return found, start + 2 + count * _IFD_ENTRY


def _blank_copy(data: bytearray, start: int, order: str) -> None:
    entries, _ = _entries(data, start, order)
    for first, length in _COPIES:
        if first in entries and length in entries:
            begin, size = (
                struct.unpack_from(order + entries[tag][0], data, entries[tag][1])[0]
                for tag in (first, length)
            )
            end = min(begin + size, len(data))
            data[begin:end] = bytes(max(end - begin, 0))


def upright_xmp(xmp: bytes) -> bytes:
    """Return XMP with the orientation set to upright and without copies of the image."""
    xmp = re.sub(rb'(tiff:Orientation(?:="|>))[2-8]', rb"\g<1>1", xmp)
    xmp = re.sub(rb"(<" + _XMP_COPIES + rb"[^>]*>)[^<]+", rb"\1", xmp)
    return re.sub(
        rb"(\b" + _XMP_COPIES + rb"\s*=\s*)([\"']).*?\2", rb"\1\2\2", xmp, flags=re.DOTALL
    )


def _dpi(image: Image.Image) -> tuple[float, float] | None:
    dpi = image.info.get("dpi")
    try:
        x, y = (float(value) for value in dpi)  # type: ignore[union-attr]
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    return (x, y) if 0 < x < 1e6 and 0 < y < 1e6 else None


def _encoding(image: Image.Image, file_format: str, data: bytes) -> dict[str, Any]:
    """Return what Pillow's writer needs for the same quality."""
    if isinstance(image, JpegImagePlugin.JpegImageFile):
        sampling = JpegImagePlugin.get_sampling(image)
        found = {
            "qtables": image.quantization,
            "subsampling": max(sampling, 0),  # an unusual one is written without loss
            "progressive": bool(image.info.get("progressive")),
        }
        comment = image.info.get("comment")
        return found | ({"comment": comment} if comment else {})
    if file_format == "TIFF":
        compression = image.info.get("compression")
        known = compression in _LOSSLESS_TIFF
        return {"compression": compression if known else "tiff_adobe_deflate"}
    if file_format == "WEBP" and _is_lossless_webp(data):
        return {"lossless": True, "exact": True}
    return {}


def _is_lossless_webp(data: bytes) -> bool:
    """Look for the chunk of lossless pixels: Pillow does not tell."""
    place = _RIFF_HEAD
    while place + 8 <= len(data):
        name, size = struct.unpack_from("<4sI", data, place)
        if name in (b"VP8L", b"VP8 "):
            return name == b"VP8L"
        place += 8 + size + size % 2
    return False


def _colour_chunks(image: Image.Image) -> dict[bytes, bytes]:
    def scaled(*numbers: float) -> bytes:
        return struct.pack(f">{len(numbers)}I", *(round(number * 1e5) for number in numbers))

    info, chunks = image.info, {}
    if "gamma" in info:
        chunks[b"gAMA"] = scaled(info["gamma"])
    if len(info.get("chromaticity", ())) == 8:
        chunks[b"cHRM"] = scaled(*info["chromaticity"])
    if "srgb" in info and "icc_profile" not in info:
        chunks[b"sRGB"] = bytes([info["srgb"]])
    return chunks


def xmp_with_record(xmp: bytes | None, record: str) -> bytes:
    """Return XMP that holds a record, beside what was there; an older record is replaced."""
    ours = (
        f'<rdf:Description rdf:about="" xmlns:di="{_NAMESPACE}"><di:record>'
        f"{html.escape(record, quote=False)}</di:record></rdf:Description>"
    ).encode()
    head, end, tail = _without_record(xmp or b"").rpartition(b"</rdf:RDF>")
    if end:
        return head + ours + end + tail
    if xmp:
        _log.warning("a damaged XMP block is left out")
    rdf = (
        b'<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">' + ours + b"</rdf:RDF>"
    )
    begin = (
        b'<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
    )
    return begin + rdf + b'</x:xmpmeta><?xpacket end="w"?>'


def _without_record(xmp: bytes) -> bytes:
    return re.sub(
        rb'<rdf:Description[^>]*xmlns:di="' + _NAMESPACE.encode() + rb'".*?</rdf:Description>',
        b"",
        xmp,
        flags=re.DOTALL,
    )


def read_record_text(path: Path) -> str | None:
    """Return the record that a result or contact sheet holds; None if there is none."""
    try:
        with Image.open(path) as image:
            if RECORD_KEY not in image.info and image.format == "PNG":
                image.load()  # another program may have put the text behind the pixels
            text, xmp = image.info.get(RECORD_KEY), image.info.get("xmp")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None
    if isinstance(text, str):
        return text
    found = re.search(rb"<di:record>(.*?)</di:record>", xmp or b"", flags=re.DOTALL)
    return html.unescape(found[1].decode(errors="replace")) if found else None
