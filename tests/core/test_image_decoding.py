"""What is decoded of every format: orientation, depth, colour profiles; and what is refused."""

import io
import logging

import numpy as np
import pytest
import torch
from PIL import Image

from colour_profiles import SRGB_COLORANTS, icc_profile
from diverse_inpainting.core import image_decoding
from diverse_inpainting.core.errors import InputError
from diverse_inpainting.core.image_files import read_image
from diverse_inpainting.core.mask_files import read_mask
from image_samples import random_pixels, save, unit

ORIENTATION = 0x0112


def srgb_from_gamma(array):
    values = (array / 255) ** 1.8
    return np.where(values <= 0.0031308, 12.92 * values, 1.055 * values ** (1 / 2.4) - 0.055)


@pytest.mark.parametrize(
    ("orientation", "show"),
    [
        (1, lambda stored: stored),
        (2, np.fliplr),
        (3, lambda stored: np.rot90(stored, 2)),
        (4, np.flipud),
        (5, lambda stored: stored.swapaxes(0, 1)),
        (6, lambda stored: np.rot90(stored, -1)),  # the camera was turned: show it clockwise
        (7, lambda stored: np.rot90(stored, 2).swapaxes(0, 1)),
        (8, np.rot90),
    ],
)
@pytest.mark.parametrize("name", ["turned.png", "turned.tif"])
def test_exif_orientation_is_applied(tmp_path, name, orientation, show):
    array = random_pixels(4, 6)
    array[0, 0] = 0  # as a mask, it needs black
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    path = save(tmp_path, Image.fromarray(array), name, exif=exif)
    assert torch.equal(read_image(path).image[0], unit(show(array).copy()))
    assert read_mask(path).shape == (1, *show(array).shape[:2])


def test_a_damaged_exif_block_is_ignored_with_a_warning(tmp_path, caplog):
    array = random_pixels()
    path = save(tmp_path, Image.fromarray(array), exif=b"Exif\0\0MM\xfb*\0\0\0\x08\0\x01")
    with caplog.at_level(logging.WARNING):
        assert torch.equal(read_image(path).image[0], unit(array))
    assert f"{path}: ignoring its damaged EXIF block" in caplog.text


@pytest.mark.parametrize("convert", ["L", "1"])
def test_greyscale_is_repeated(tmp_path, convert):
    image = Image.fromarray(random_pixels()).convert(convert)
    content = read_image(save(tmp_path, image))
    expected = unit(np.asarray(image.convert("L")))[None, :, :, None].expand(-1, -1, -1, 3)
    assert torch.equal(content.image, expected)


@pytest.mark.parametrize("name", ["deep.png", "deep.tif"])
def test_sixteen_bit_greyscale_keeps_its_depth(tmp_path, name):
    array = np.array([[0, 1, 257], [32768, 65534, 65535]], dtype=np.uint16)
    path = save(tmp_path, Image.fromarray(array), name)
    expected = torch.from_numpy((array / 65535).astype(np.float32))
    assert torch.equal(read_image(path).image[0, :, :, 1], expected)
    assert torch.equal(read_mask(path)[0], expected)
    assert read_image(path).image[0, 0, 2, 0] == np.float32(1 / 255)


def test_wide_integers_beyond_sixteen_bits_are_refused(tmp_path):
    path = save(tmp_path, Image.fromarray(np.array([[0, 70000]], dtype=np.int32)), "wide.tif")
    with pytest.raises(InputError, match=r"70000.*8 or 16 bits"):
        read_image(path)


def test_floating_point_greyscale(tmp_path):
    path = save(tmp_path, Image.fromarray(np.array([[0.0, 0.25, 1.0]], dtype=np.float32)), "f.tif")
    assert read_image(path).image[0, 0, :, 0].tolist() == [0.0, 0.25, 1.0]
    path = save(tmp_path, Image.fromarray(np.array([[0.0, np.nan]], dtype=np.float32)), "n.tif")
    with pytest.raises(InputError, match="nan"):
        read_image(path)


def test_a_palette_with_a_transparent_colour(tmp_path):
    image = Image.new("P", (3, 1))
    image.putpalette([10, 20, 30, 40, 50, 60, 70, 80, 90])
    image.putdata([0, 1, 2])
    content = read_image(save(tmp_path, image, "palette.png", transparency=1))
    expected = np.array([[[10, 20, 30], [40, 50, 60], [70, 80, 90]]])
    assert torch.equal(content.image[0], unit(expected))
    assert content.alpha.tolist() == [[[1.0, 0.0, 1.0]]]
    assert read_image(save(tmp_path, image, "opaque.png")).alpha is None


def test_a_transparent_colour_of_an_rgb_file(tmp_path):
    array = random_pixels()
    path = save(tmp_path, Image.fromarray(array), transparency=tuple(array[2, 3].tolist()))
    assert read_image(path).alpha[0, 2, 3] == 0.0
    assert torch.equal(read_image(path).image[0], unit(array))


def test_cmyk_without_a_profile(tmp_path):
    image = Image.new("CMYK", (4, 4), (0, 255, 255, 0))
    content = read_image(save(tmp_path, image, "print.tif"))
    assert content.image[0, 0, 0].tolist() == [1.0, 0.0, 0.0]


def test_a_foreign_colour_profile_is_converted_to_srgb(tmp_path):
    array = random_pixels(8, 8)
    profile = icc_profile(b"RGB ", (b"rTRC", b"gTRC", b"bTRC"), SRGB_COLORANTS)
    content = read_image(save(tmp_path, Image.fromarray(array), icc_profile=profile))
    expected = srgb_from_gamma(array)
    assert np.abs(content.image[0].numpy() - expected).max() < 1.5 / 255


def test_a_greyscale_profile_is_converted_to_srgb(tmp_path):
    array = random_pixels(8, 8, 1)[..., 0]
    profile = icc_profile(b"GRAY", (b"kTRC",))
    path = save(tmp_path, Image.fromarray(array), icc_profile=profile)
    expected = srgb_from_gamma(array)
    assert np.abs(read_image(path).image[0, ..., 0].numpy() - expected).max() < 1.5 / 255
    assert torch.equal(read_mask(path)[0], unit(array))


def test_an_srgb_profile_changes_nothing(tmp_path):
    # Converting could: the curves of sRGB profiles differ in the last place, and this one by more.
    array = random_pixels(16, 16)
    curves = (b"rTRC", b"gTRC", b"bTRC")
    profile = icc_profile(b"RGB ", curves, SRGB_COLORANTS, name=b"sRGB IEC61966-2.1")
    path = save(tmp_path, Image.fromarray(array), icc_profile=profile)
    assert torch.equal(read_image(path).image[0], unit(array))


@pytest.mark.parametrize(
    "profile",
    [b"not a profile", icc_profile(b"GRAY", (b"kTRC",))],
    ids=["broken", "of another mode"],
)
def test_an_unusable_profile_is_ignored_with_a_warning(tmp_path, caplog, profile):
    array = random_pixels()
    path = save(tmp_path, Image.fromarray(array), icc_profile=profile)
    with caplog.at_level(logging.WARNING):
        assert torch.equal(read_image(path).image[0], unit(array))
    assert str(path) in caplog.text
    assert "profile" in caplog.text


def damaged_files():
    buffer = io.BytesIO()
    Image.fromarray(random_pixels(64, 64)).save(buffer, "PNG")
    png = buffer.getvalue()
    buffer = io.BytesIO()
    Image.fromarray(random_pixels(64, 64)).save(buffer, "JPEG")
    jpeg = buffer.getvalue()
    return {
        "empty.png": b"",
        "text.png": b"not an image at all",
        "half.png": png[: len(png) // 2],
        "head.png": png[:20],
        "flipped.png": png[:60] + bytes(200) + png[260:],
        "half.jpg": jpeg[: len(jpeg) // 2],
    }


@pytest.mark.parametrize("name", damaged_files())
@pytest.mark.parametrize("read", [read_image, read_mask])
def test_damaged_files_name_their_path(tmp_path, name, read):
    path = tmp_path / name
    path.write_bytes(damaged_files()[name])
    with pytest.raises(InputError) as caught:
        read(path)
    assert str(path) in str(caught.value)
    assert "save it again" in str(caught.value)


@pytest.mark.parametrize("pillow_limit", [10, None], ids=["Pillow's limit", "our limit"])
def test_decompression_bombs_are_refused(tmp_path, monkeypatch, pillow_limit):
    path = save(tmp_path, Image.new("L", (100, 100)))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", pillow_limit)
    monkeypatch.setattr(image_decoding, "_MAX_PIXELS", 9999)
    with pytest.raises(InputError, match="Scale the image down") as caught:
        read_image(path)
    assert str(path) in str(caught.value)
