"""TIFFs beyond Pillow's writer: EXIF beside every compression, for grey and colour of any depth."""

import io

import numpy as np
import pytest
from PIL import Image

from diverse_inpainting.core.tiff_files import encode_deep_tiff, encode_tiff
from image_samples import random_pixels

COMPRESSIONS = ("raw", "tiff_lzw", "tiff_adobe_deflate", "packbits", "zstd", "lzma")
OPTIONS = {
    "dpi": (300, 300),
    "icc_profile": b"a profile",
    "directories": {0x8769: {0x9003: "2020:01:02 03:04:05", 0x829A: 0.5}, 0x8825: {1: "N"}},
}


def words():
    exif = Image.Exif()
    exif[0x010E], exif[700] = "an odd number of bytes", b"<x:xmpmeta/>"
    return exif


def check_metadata(image):
    exif = image.getexif()
    assert exif[0x010E] == "an odd number of bytes"
    assert exif.get_ifd(0x8769) == {0x9003: "2020:01:02 03:04:05", 0x829A: 0.5}
    assert exif.get_ifd(0x8825) == {1: "N"}
    assert image.info["xmp"] == b"<x:xmpmeta/>"
    assert image.info["icc_profile"] == b"a profile"
    assert image.info["dpi"] == (300, 300)


@pytest.mark.parametrize("compression", COMPRESSIONS)
@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA", "CMYK", "I;16", "F"])
def test_exif_beside_every_compression(mode, compression):
    array = random_pixels(9, 11, 4)
    if mode == "I;16":
        image = Image.fromarray(array[..., 0].astype(np.uint16) * 257)
    elif mode == "F":
        image = Image.fromarray(array[..., 0].astype(np.float32) / 255)
    else:
        image = Image.fromarray(array[..., : len(mode)].squeeze())
        image = image if mode != "CMYK" else Image.frombytes(mode, (11, 9), array.tobytes())
    data = encode_tiff(image, {**OPTIONS, "exif": words(), "compression": compression})
    with Image.open(io.BytesIO(data)) as written:
        assert written.mode == mode and np.array_equal(np.asarray(written), np.asarray(image))
        assert written.info["compression"] == compression
        check_metadata(written)


@pytest.mark.parametrize("compression", COMPRESSIONS)
@pytest.mark.parametrize("channels", [3, 4])
def test_sixteen_bit_colour(compression, channels):
    pixels = np.random.default_rng(0).integers(0, 65536, (7, 5, channels)).astype(np.uint16)
    data = encode_deep_tiff(pixels, {**OPTIONS, "exif": words(), "compression": compression})
    with Image.open(io.BytesIO(data)) as written:
        assert np.array_equal(np.asarray(written), pixels >> 8)
        check_metadata(written)


def test_without_metadata():
    image = Image.fromarray(random_pixels())
    with Image.open(io.BytesIO(encode_tiff(image, {}))) as written:
        assert np.array_equal(np.asarray(written), np.asarray(image))
