"""EXIF and XMP: upright, without the small copy, otherwise byte for byte; records in them."""

import logging
import struct

import numpy as np
import pytest
from PIL import Image

from diverse_inpainting.core.image_decoding import decode_fully
from diverse_inpainting.core.image_metadata import (
    RECORD_KEY,
    read_record_text,
    upright_exif,
    upright_xmp,
    xmp_with_record,
)
from image_samples import random_pixels, save

PACKET = (
    b'<?xpacket begin=""?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
    b'<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    b'<rdf:Description xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="6"/>'
    b"</rdf:RDF></x:xmpmeta>"
)


def exif_block(order, orientation_type="H", copy=b"\xff\xd8small copy\xff\xd9"):
    """A directory with orientation and maker, a link to a second one, and a small copy in that."""
    head = b"II*\0" if order == "<" else b"MM\0*"
    kind = {"H": 3, "I": 4}[orientation_type]
    value = struct.pack(order + orientation_type, 6).ljust(4, b"\0")
    first = struct.pack(order + "HHHI", 2, 0x0112, kind, 1) + value
    first += struct.pack(order + "HHI", 0x010F, 2, 3) + b"Me\0\0"
    second = 8 + len(first) + 4
    data = second + 2 + 2 * 12 + 4
    entries = struct.pack(order + "HHHII", 2, 0x0201, 4, 1, data)
    entries += struct.pack(order + "HHII", 0x0202, 4, 1, len(copy)) + bytes(4)
    block = head + struct.pack(order + "I", 8) + first + struct.pack(order + "I", second)
    return block + entries + copy + b"maker's note"


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("kind", ["H", "I"])
@pytest.mark.parametrize("head", [b"", b"Exif\0\0"])
def test_exif_is_turned_upright_and_loses_the_small_copy(order, kind, head):
    block = exif_block(order, kind)
    upright = upright_exif(head + block)
    exif = Image.Exif()
    exif.load(upright)
    assert exif[0x0112] == 1 and exif[0x010F] == "Me"
    assert b"small copy" in block and b"small copy" not in upright
    assert upright.endswith(b"maker's note") and len(upright) == len(block) + 6
    changed = sum(a != b for a, b in zip(upright[6:], block, strict=True))
    assert changed <= 4 + 4 + len(b"\xff\xd8small copy\xff\xd9")


def test_exif_loses_a_preview_in_the_makers_note():
    block = exif_block("<")
    preview = b"\xff\xd8\xff\xdb\0C\n preview \xff\xd9"
    upright = upright_exif(block + preview + b"more")
    assert upright == upright_exif(block) + bytes(len(preview)) + b"more"


@pytest.mark.parametrize("damage", [b"", b"nonsense", b"II*\0", b"MM\0*\0\0\0\x08\0\x05abc"])
def test_damaged_exif_is_left_out(damage):
    assert upright_exif(b"Exif\0\0" + damage) == b""


def test_a_copy_that_points_outside_is_no_trouble():
    block = bytearray(exif_block("<"))
    where = block.index(struct.pack("<H", 0x0202)) + 8
    block[where : where + 4] = struct.pack("<I", 2**32 - 1)
    assert upright_exif(bytes(block))


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.webp", "a.tif", "a.avif"])
def test_no_file_keeps_its_orientation(tmp_path, name):
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "Maker"
    path = save(tmp_path, Image.fromarray(random_pixels(8, 12)), name, exif=exif.tobytes())
    decoded = decode_fully(path)
    assert decoded.image.size == (8, 12)
    kept = Image.Exif()
    kept.load(decoded.metadata.exif)
    assert kept.get(0x0112, 1) == 1 and kept[0x010F] == "Maker"


@pytest.mark.parametrize("name", ["a.jpg", "a.webp"])
def test_xmp_is_turned_upright(tmp_path, name):
    path = save(tmp_path, Image.fromarray(random_pixels(8, 12)), name, xmp=PACKET)
    decoded = decode_fully(path)
    assert decoded.image.size == (8, 12)
    assert decoded.metadata.xmp == PACKET.replace(b'"6"', b'"1"')


@pytest.mark.parametrize(
    ("stored", "kept"),
    [
        (b"<xmpGImg:image>/9j/4AA&#xA;Qg==</xmpGImg:image>", b"<xmpGImg:image></xmpGImg:image>"),
        (b"<xapGImg:image>/9j/</xapGImg:image>", b"<xapGImg:image></xapGImg:image>"),
        (b'<a xmpGImg:w="9"\nxmpGImg:image="/9j/\nQ"/>', b'<a xmpGImg:w="9"\nxmpGImg:image=""/>'),
        (b"<a GImage:Data='/9j/' GImage:Mime='x'/>", b"<a GImage:Data='' GImage:Mime='x'/>"),
        (b'<a GDepth:Data="/9j/" b="c"/>', b'<a GDepth:Data="" b="c"/>'),
    ],
)
def test_xmp_loses_copies_of_the_image(stored, kept):
    assert upright_xmp(b"<x>" + stored + b"</x>") == b"<x>" + kept + b"</x>"


@pytest.mark.parametrize("kind", ["8bim", "APP1", "xmp"])
def test_a_png_loses_the_blocks_that_imagemagick_puts_into_text(tmp_path, kind):
    from PIL.PngImagePlugin import PngInfo

    info = PngInfo()
    info.add_text(f"Raw profile type {kind}", f"\n{kind}\n2\nffd8\n")
    info.add_text("Author", "me")
    path = save(tmp_path, Image.fromarray(random_pixels(8, 12)), pnginfo=info)
    assert decode_fully(path).metadata.text == {"Author": "me"}


def test_exif_as_imagemagick_puts_it_into_a_png(tmp_path):
    from PIL.PngImagePlugin import PngInfo

    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "Maker"
    info, block = PngInfo(), exif.tobytes()
    info.add_text("Raw profile type exif", f"\nexif\n{len(block)}\n{block.hex()}\n")
    path = save(tmp_path, Image.fromarray(random_pixels(8, 12)), pnginfo=info)
    metadata = decode_fully(path).metadata
    assert metadata.text == {}  # readers would turn the image again
    kept = Image.Exif()
    kept.load(metadata.exif)
    assert kept[0x0112] == 1 and kept[0x010F] == "Maker"


def test_damaged_exif_of_a_file_is_said(tmp_path, caplog):
    path = save(tmp_path, Image.fromarray(random_pixels()), exif=b"Exif\0\0MM\xfb*\0\0\0\x08\0\x01")
    with caplog.at_level(logging.WARNING):
        assert decode_fully(path).metadata.exif == b""
    assert "damaged EXIF" in caplog.text


def test_a_record_joins_what_is_in_xmp():
    record = '{"a": "<b> & \u00e9"}'
    alone, joined = xmp_with_record(None, record), xmp_with_record(PACKET, record)
    assert joined.startswith(PACKET[:200]) and joined.endswith(b"</rdf:RDF></x:xmpmeta>")
    assert alone.count(b"di:record>") == joined.count(b"di:record>") == 2
    again = xmp_with_record(joined, "{}")
    assert again.count(b"di:record>") == 2 and b"&lt;b&gt;" not in again
    assert xmp_with_record(b"damaged", record) == alone


def test_xmp_with_a_record_is_xml():
    from xml.etree import ElementTree

    for packet in (xmp_with_record(None, "<&>"), xmp_with_record(PACKET, "<&>")):
        texts = [element.text for element in ElementTree.fromstring(packet).iter()]
        assert "<&>" in texts


def test_no_record(tmp_path):
    path = save(tmp_path, Image.fromarray(random_pixels()))
    assert read_record_text(path) is None
    path.write_text("no image")
    assert read_record_text(path) is None
    assert read_record_text(tmp_path / "absent") is None
    assert RECORD_KEY == "diverse-inpainting"  # results of earlier versions have it


def test_colour_chunks_of_a_png_come_back(tmp_path):
    from PIL.PngImagePlugin import PngInfo

    info = PngInfo()
    info.add(b"gAMA", struct.pack(">I", 45455))
    info.add(b"cHRM", struct.pack(">8I", *range(31270, 31278)))
    path = save(tmp_path, Image.fromarray(random_pixels()), pnginfo=info)
    chunks = decode_fully(path).metadata.chunks
    assert chunks[b"gAMA"] == struct.pack(">I", 45455)
    assert np.frombuffer(chunks[b"cHRM"], ">u4").tolist() == list(range(31270, 31278))
