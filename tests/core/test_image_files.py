"""Image files: what is read of every format, what is refused, and exact writing."""

import io
import logging
import os

import numpy as np
import pytest
import torch
from colour_profiles import SRGB_COLORANTS, icc_profile
from PIL import Image

from diverse_inpainting.core import image_decoding
from diverse_inpainting.core.errors import InputError
from diverse_inpainting.core.image_files import (
    is_image_name,
    read_image,
    read_mask,
    to_pil,
    write_png,
)

ORIENTATION = 0x0112


def random_pixels(height=5, width=7, channels=3, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, channels), dtype=np.uint8)


def save(tmp_path, image, name="image.png", **options):
    path = tmp_path / name
    image.save(path, **options)
    return path


def unit(array):
    return torch.from_numpy(np.asarray(array, dtype=np.float32) / np.float32(255))


def srgb_from_gamma(array):
    values = (array / 255) ** 1.8
    return np.where(values <= 0.0031308, 12.92 * values, 1.055 * values ** (1 / 2.4) - 0.055)


def test_an_eight_bit_image_is_read_exactly(tmp_path):
    array = random_pixels()
    path = save(tmp_path, Image.fromarray(array))
    content = read_image(path)
    assert torch.equal(content.image, unit(array)[None])
    assert content.alpha is None
    assert content.hole_mask is None
    assert content.path == path


def test_every_level_survives_reading_and_writing(tmp_path):
    array = np.arange(256, dtype=np.uint8).reshape(16, 16, 1).repeat(3, axis=2)
    first = read_image(save(tmp_path, Image.fromarray(array))).image[0]
    write_png(tmp_path / "again.png", first)
    assert np.array_equal(np.asarray(Image.open(tmp_path / "again.png")), array)


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


@pytest.mark.parametrize(("mode", "channels"), [("RGBA", 4), ("LA", 2)])
def test_alpha_is_the_hole(tmp_path, mode, channels):
    array = random_pixels(channels=channels)
    array[0, 0, -1], array[1, 1, -1] = 0, 255
    path = save(tmp_path, Image.fromarray(array, mode=mode))
    content = read_image(path)
    assert torch.equal(content.alpha, unit(array[..., -1])[None])
    assert torch.equal(content.hole_mask, 1 - content.alpha)
    assert torch.equal(read_mask(path), 1 - content.alpha)
    # The colour under transparent pixels is kept: a mask made elsewhere may want it.
    assert torch.equal(content.image[0, ..., 0], unit(array[..., 0]))


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


def test_a_mask_file_is_white_where_it_fills(tmp_path):
    array = np.array([[0, 128, 255]], dtype=np.uint8)
    for image in (Image.fromarray(array), Image.fromarray(array).convert("RGBA")):
        assert torch.equal(read_mask(save(tmp_path, image))[0], unit(array))


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


def test_names_of_images():
    names = ("a.png", "sub/B.JPEG", "c.d.tif", ".hidden.png", "sub/._a.png", "png", "a.txt")
    assert [name for name in names if is_image_name(name)] == ["a.png", "sub/B.JPEG", "c.d.tif"]


def test_what_is_no_file_is_named(tmp_path):
    with pytest.raises(InputError, match="No such file"):
        read_image(tmp_path / "absent.png")
    with pytest.raises(InputError, match="is a folder"):
        read_image(str(tmp_path))


@pytest.mark.parametrize("pillow_limit", [10, None], ids=["Pillow's limit", "our limit"])
def test_decompression_bombs_are_refused(tmp_path, monkeypatch, pillow_limit):
    path = save(tmp_path, Image.new("L", (100, 100)))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", pillow_limit)
    monkeypatch.setattr(image_decoding, "_MAX_PIXELS", 9999)
    with pytest.raises(InputError, match="Scale the image down") as caught:
        read_image(path)
    assert str(path) in str(caught.value)


def test_write_png_rounds_to_the_nearest_level(tmp_path):
    path = tmp_path / "out.png"
    values = torch.tensor([0.0, 0.49 / 255, 0.51 / 255, 254.6 / 255, 1.0, 1.005]).reshape(1, 6, 1)
    write_png(path, values)
    assert np.asarray(Image.open(path)).tolist() == [[0, 0, 1, 255, 255, 255]]


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_write_png_takes_uint8_and_every_channel_count(tmp_path, channels):
    array = random_pixels(channels=channels)
    write_png(tmp_path / "out.PNG", torch.from_numpy(array))
    assert np.array_equal(np.asarray(Image.open(tmp_path / "out.PNG")), array.squeeze())


def test_write_png_replaces_a_file_and_leaves_nothing_else(tmp_path):
    path = tmp_path / "out.png"
    path.write_bytes(b"old")
    write_png(path, torch.zeros(4, 4, 3))
    assert [entry.name for entry in tmp_path.iterdir()] == ["out.png"]
    assert Image.open(path).size == (4, 4)


def test_write_png_takes_pillow_images_and_text(tmp_path):
    image = Image.fromarray(random_pixels())
    write_png(tmp_path / "out.png", image, {"made by": "a test"})
    with Image.open(tmp_path / "out.png") as written:
        assert written.text == {"made by": "a test"}
        assert np.array_equal(np.asarray(written), np.asarray(image))


def test_a_failed_write_keeps_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "out.png"
    path.write_bytes(b"old")

    def full_disk(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full_disk)
    with pytest.raises(InputError, match="No space left on device"):
        write_png(path, torch.zeros(4, 4, 3))
    assert path.read_bytes() == b"old"
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize(
    ("name", "image", "message"),
    [
        ("out.jpg", torch.zeros(4, 4, 3), "ends in .png"),
        ("absent/out.png", torch.zeros(4, 4, 3), "folder exists"),
        ("out.png", torch.zeros(1, 4, 4, 3), r"\(1, 4, 4, 3\)"),
        ("out.png", torch.zeros(4, 4, 2), "1, 3 or 4 channels"),
        ("out.png", torch.full((4, 4, 3), 2.0), "values from 2 to 2"),
        ("out.png", torch.full((4, 4, 3), float("nan")), "NaN"),
    ],
)
def test_write_png_refuses_what_it_cannot_write(tmp_path, name, image, message):
    with pytest.raises(InputError, match=message):
        write_png(tmp_path / name, image)
    assert not list(tmp_path.iterdir())


def test_to_pil_keeps_levels():
    array = random_pixels()
    assert np.array_equal(np.asarray(to_pil(unit(array))), array)
    assert to_pil(torch.zeros(4, 6)).size == (6, 4)
    image = Image.new("L", (3, 3))
    assert to_pil(image) is image
