"""PNGs of our own encoder, read by Pillow, OpenCV and zlib."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from diverse_inpainting.core import png_files
from diverse_inpainting.core.png_files import PngEncoder

LARGE = 1200, 700, 3  # several bands


def read(png):
    """Decode with Pillow, which checks the chunks' sums."""
    with Image.open(io.BytesIO(png)) as image:
        return np.asarray(image)


def scene(shape=LARGE, seed=0, noise=8):
    """Something like a photograph: a gradient and noise."""
    H, W, C = shape
    y, x, c = np.ogrid[:H, :W, :C]
    rng = np.random.default_rng(seed)
    values = 90 + 80 * np.sin(y / 90 + c) + 60 * np.cos(x / 70) + rng.normal(0, noise, shape)
    return values.clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (9, 1), (3, 5), (400, 333)])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_eight_bits_come_back(size, channels):
    pixels = scene((*size, channels), noise=40)
    found = read(PngEncoder().encode(pixels, {}))
    assert np.array_equal(found.reshape(pixels.shape), pixels)


def test_sixteen_bits_of_grey_come_back():
    pixels = np.random.default_rng(0).integers(0, 65536, (40, 30, 1)).astype(np.uint16)
    assert np.array_equal(read(PngEncoder().encode(pixels, {}))[..., None], pixels)


@pytest.mark.parametrize("channels", [3, 4])
def test_sixteen_bits_of_colour_come_back(channels):
    cv2 = pytest.importorskip("cv2")
    pixels = np.random.default_rng(0).integers(0, 65536, (40, 30, channels)).astype(np.uint16)
    png = np.frombuffer(PngEncoder().encode(pixels, {}), np.uint8)
    found = cv2.imdecode(png, cv2.IMREAD_UNCHANGED)
    assert np.array_equal(found[..., [2, 1, 0, 3][:channels]], pixels)


def test_pixels_may_lie_in_memory_in_any_way():
    pixels = scene()[::-1, ::2]
    assert np.array_equal(read(PngEncoder().encode(pixels, {})), pixels)


def test_the_stream_is_whole_and_has_the_sum_of_all_rows():
    png, data, place = PngEncoder().encode(scene(), {}), b"", 8
    while place < len(png):
        size, name = struct.unpack_from(">I4s", png, place)
        data += png[place + 8 : place + 8 + size] if name == b"IDAT" else b""
        place += 12 + size
    H, W, C = LARGE
    assert len(zlib.decompress(data)) == H * (W * C + 1), "zlib checks the sum"


@pytest.mark.parametrize("kind", range(5))
def test_every_filter_is_undone_by_readers(monkeypatch, kind):
    monkeypatch.setattr(png_files, "_FILTERS", {kind: png_files._FILTERS[kind]})
    pixels = scene((60, 50, 4), noise=60)
    assert np.array_equal(read(PngEncoder().encode(pixels, {})), pixels)


@pytest.mark.parametrize(
    ("pixels", "largest"),
    [
        (scene(), 1.0),
        (scene(noise=1), 1.05),
        (np.tile(scene((20, 30, 3), noise=80), (30, 20, 1)), 1.6),  # nothing but repetitions
        (np.full((500, 500, 3), 77, np.uint8), 1.6),
    ],
)
def test_files_are_about_as_small_as_pillows(pixels, largest):
    usual = io.BytesIO()
    Image.fromarray(pixels).save(usual, "PNG", compress_level=3)
    assert len(PngEncoder().encode(pixels, {})) <= largest * len(usual.getvalue())


def test_a_variant_compresses_only_the_bands_that_changed(monkeypatch):
    deflated, count = png_files._deflated, []
    monkeypatch.setattr(png_files, "_deflated", lambda *a: count.append(1) or deflated(*a))
    encoder, pixels = PngEncoder(), scene()
    encoder.encode(pixels, {})
    num_all = len(count)
    assert np.array_equal(read(encoder.encode(pixels, {})), pixels) and len(count) == num_all
    for seed in (1, 2):
        count.clear()
        variant = pixels.copy()
        variant[600:610, 100:200] = scene((10, 100, 3), seed)
        assert np.array_equal(read(encoder.encode(variant, {})), variant)
        assert 1 <= len(count) <= 2 < num_all / 3
    assert len(encoder._bands) <= num_all, "variants add nothing to keep"


def test_another_kind_of_pixels_shares_nothing():
    encoder, pixels = PngEncoder(), scene((40, 48, 4))
    encoder.encode(pixels, {})
    opaque = pixels[..., :3]
    assert np.array_equal(read(encoder.encode(opaque, {})), opaque)
    flat = pixels.reshape(40, 64, 3)  # the same bytes
    assert np.array_equal(read(encoder.encode(flat, {})), flat)


def test_metadata_are_those_of_pillow():
    text, exif = PngImagePlugin.PngInfo(), Image.Exif()
    text.add_text("diverse-inpainting", "{}")
    exif[0x010F] = "Maker"
    options = {"pnginfo": text, "exif": exif, "dpi": (300, 300), "icc_profile": b"a profile"}
    with Image.open(io.BytesIO(PngEncoder().encode(scene((4, 4, 1)), options))) as image:
        assert image.text == {"diverse-inpainting": "{}"}
        assert image.getexif()[0x010F] == "Maker"
        assert image.info["dpi"] == pytest.approx((300, 300), abs=0.01)
        assert image.info["icc_profile"] == b"a profile"
