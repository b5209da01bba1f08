"""Results are the files that they were, around the completion: every property comes back."""

import io
import json

import numpy as np
import pytest
import torch
from PIL import Image, ImageCms
from PIL.PngImagePlugin import PngInfo

from colour_profiles import SRGB_COLORANTS, icc_profile
from diverse_inpainting.core.errors import InputError
from diverse_inpainting.core.image_files import read_image, write_result
from diverse_inpainting.core.image_metadata import read_record_text
from diverse_inpainting.core.originals import RESULT_FORMATS, losses, result_suffix
from image_samples import random_pixels, save

GAMMA_PROFILE = icc_profile(b"RGB ", (b"rTRC", b"gTRC", b"bTRC"), SRGB_COLORANTS)
SIZE = 24
ROWS, COLUMNS = slice(6, 15), slice(8, 21)
INSIDE = np.zeros((SIZE, SIZE), bool)
INSIDE[ROWS, COLUMNS] = True
COLOUR = (0.2, 0.6, 0.9)  # of the completion
RECORD = json.dumps({"seed": 3, "note": "<&> \u00e9"})


def filled(path, name, *, is_opaque=False, record=RECORD, colour=COLOUR):
    """Fill the box of a file with one colour and write the result."""
    file = read_image(path)
    image, weight = file.image[0].clone(), torch.from_numpy(INSIDE).float()
    image[INSIDE] = torch.tensor(colour)
    result = path.with_name(name)
    write_result(result, file, image, weight, is_opaque=is_opaque, record=record)
    return result


def stored(path):
    with Image.open(path) as image:
        return np.array(image)


def sample(mode, seed=0):
    """A random image; alpha is opaque in the lower half of the box only."""
    channels = {"1": 1, "L": 1, "LA": 2, "RGB": 3, "RGBA": 4, "CMYK": 4, "P": 3}[mode]
    array = random_pixels(SIZE, SIZE, channels, seed)
    if mode in ("LA", "RGBA"):
        return Image.fromarray(array)
    if mode == "CMYK":
        return Image.frombytes("CMYK", (SIZE, SIZE), array.tobytes())
    return Image.fromarray(array.squeeze()).convert(mode)


@pytest.mark.parametrize(
    ("mode", "source", "target", "kept"),
    [
        ("1", "a.png", "r.png", "L"),
        ("L", "a.png", "r.png", "L"),
        ("LA", "a.png", "r.png", "LA"),
        ("RGB", "a.png", "r.png", "RGB"),
        ("RGBA", "a.png", "r.png", "RGBA"),
        ("P", "a.png", "r.png", "RGB"),
        ("P", "a.gif", "r.png", "RGB"),
        ("RGB", "a.jpg", "r.png", "RGB"),
        ("L", "a.jpg", "r.png", "L"),
        ("RGBA", "a.tif", "r.tif", "RGBA"),
        ("CMYK", "a.tif", "r.tif", "CMYK"),
        ("RGB", "a.bmp", "r.bmp", "RGB"),
        ("RGBA", "a.tga", "r.tga", "RGBA"),
        ("RGB", "a.ppm", "r.ppm", "RGB"),
        ("RGB", "a.jp2", "r.jp2", "RGB"),
        ("RGBA", "a.webp", "r.webp", "RGBA"),
    ],
)
def test_pixels_outside_come_back_bit_for_bit(tmp_path, mode, source, target, kept):
    options = {"lossless": True, "exact": True} if source.endswith(".webp") else {}
    path = save(tmp_path, sample(mode), source, **options)
    with Image.open(path) as image:
        before = np.array(image.convert(kept))
    result = filled(path, target)
    with Image.open(result) as image:
        assert image.mode == kept
    after = stored(result)
    assert np.array_equal(after[~INSIDE], before[~INSIDE])
    assert (after != before).reshape(SIZE, SIZE, -1)[INSIDE].any(axis=1).mean() > 0.9
    if kept == "RGB":
        assert np.array_equal(after[10, 10], np.rint(np.array(COLOUR) * 255))
    if kept in ("LA", "RGBA"):
        assert np.array_equal(after[..., -1], before[..., -1])


def test_a_hole_of_alpha_becomes_opaque(tmp_path):
    array = random_pixels(SIZE, SIZE, 4)
    array[..., 3] = np.where(INSIDE, 0, 255)
    whole = filled(save(tmp_path, Image.fromarray(array)), "whole.png", is_opaque=True)
    assert np.array_equal(stored(whole)[~INSIDE], array[~INSIDE][:, :3])
    array[0, 0, 3] = 250  # outside the completion
    partly = stored(filled(save(tmp_path, Image.fromarray(array)), "part.png", is_opaque=True))
    assert np.array_equal(partly[~INSIDE], array[~INSIDE])
    assert (partly[INSIDE][:, 3] == 255).all()


@pytest.mark.parametrize("name", ["a.png", "a.tif"])
@pytest.mark.parametrize("colour", [COLOUR, (0.5, 0.5, 0.5)])
def test_sixteen_bit_grey_stays(tmp_path, name, colour):
    array = np.random.default_rng(0).integers(0, 65536, (SIZE, SIZE), dtype=np.uint16)
    path = save(tmp_path, Image.fromarray(array), name)
    after = stored(filled(path, "r" + name[1:], colour=colour))
    assert after.dtype == np.uint16 and np.array_equal(after[~INSIDE], array[~INSIDE])
    grey = np.dot(colour, (0.299, 0.587, 0.114)) * 65535
    assert np.abs(after[INSIDE].astype(float) - grey).max() < 1


def test_floating_point_grey_stays_in_a_tiff(tmp_path):
    array = np.random.default_rng(0).random((SIZE, SIZE), dtype=np.float32)
    path = save(tmp_path, Image.fromarray(array), "a.tif")
    after = stored(filled(path, "r.tif"))
    assert after.dtype == np.float32 and np.array_equal(after[~INSIDE], array[~INSIDE])
    as_png = stored(filled(path, "r.png"))
    assert np.array_equal(as_png[~INSIDE], np.rint(array[~INSIDE] * 65535.0))
    assert "floating point" in losses(read_image(path).original, ".png")[0]


@pytest.mark.parametrize("source", ["a.png", "a.tif"])
def test_metadata_comes_back(tmp_path, source):
    exif, text = Image.Exif(), PngInfo()
    exif[0x010F], exif[0x0131] = "Maker", "Software"
    exif.get_ifd(0x8769)[0x9003] = "2020:01:02 03:04:05"
    text.add_text("parameters", "a prompt")
    text.add_itxt("Title", "\u732b", "ja", "title")
    options = {"pnginfo": text} if source == "a.png" else {}
    path = save(
        tmp_path,
        sample("RGB"),
        source,
        exif=exif.tobytes(),
        dpi=(300, 300),
        icc_profile=GAMMA_PROFILE,
        **options,
    )
    for target in ("r.png", "r.tif", "r.jpg", "r.webp"):
        result = filled(path, target)
        with Image.open(result) as image:
            image.load()
            found = image.getexif()
            assert (found[0x010F], found[0x0131]) == ("Maker", "Software"), target
            assert found.get_ifd(0x8769)[0x9003] == "2020:01:02 03:04:05"
            assert image.info["icc_profile"] == GAMMA_PROFILE
            if target != "r.webp":
                assert image.info["dpi"] == pytest.approx((300, 300), abs=0.01)
            if source == "a.png" and target == "r.png":
                assert image.text["parameters"] == "a prompt"
                assert (image.text["Title"], image.text["Title"].lang) == ("\u732b", "ja")
        assert read_record_text(result) == RECORD, target


def test_a_foreign_profile_is_kept_and_the_completion_converted(tmp_path):
    path = save(tmp_path, sample("RGB"), icc_profile=GAMMA_PROFILE)
    result = filled(path, "r.png")
    assert np.array_equal(stored(result)[~INSIDE], stored(path)[~INSIDE])
    shown = read_image(result).image[0][INSIDE]  # in sRGB again
    assert (shown - torch.tensor(COLOUR)).abs().max() < 2.5 / 255
    assert not np.array_equal(stored(result)[10, 10], np.rint(np.array(COLOUR) * 255))


def test_a_grey_profile_is_kept(tmp_path):
    path = save(tmp_path, sample("L"), icc_profile=icc_profile(b"GRAY", (b"kTRC",)))
    result = filled(path, "r.png", colour=(0.4, 0.4, 0.4))
    assert np.array_equal(stored(result)[~INSIDE], stored(path)[~INSIDE])
    assert (read_image(result).image[0][INSIDE] - 0.4).abs().max() < 2.5 / 255


def test_an_unusable_profile_is_kept_as_it_is(tmp_path):
    path = save(tmp_path, sample("RGB"), icc_profile=b"damaged")
    result = filled(path, "r.png")
    assert Image.open(result).info["icc_profile"] == b"damaged"
    assert np.array_equal(stored(result)[~INSIDE], stored(path)[~INSIDE])


def test_a_profile_without_a_way_back_gives_srgb(tmp_path, monkeypatch, caplog):
    def fail(*_):
        raise ImageCms.PyCMSError("no way back")

    path = save(tmp_path, sample("RGB"), icc_profile=GAMMA_PROFILE)
    seen = read_image(path).image[0]
    monkeypatch.setattr("diverse_inpainting.core.originals.from_srgb", fail)
    result = filled(path, "r.png")
    assert "icc_profile" not in Image.open(result).info and "in sRGB" in caplog.text
    assert torch.equal(read_image(result).image[0][~INSIDE], seen[~INSIDE])


def test_cmyk_becomes_srgb_in_a_png_and_stays_otherwise(tmp_path):
    path = save(tmp_path, sample("CMYK"), "a.tif")
    seen = read_image(path)
    assert "CMYK" in losses(seen.original, ".png")[0] and not losses(seen.original, ".tif")
    result = read_image(filled(path, "r.png"))
    assert torch.equal(result.image[0][~INSIDE], seen.image[0][~INSIDE])
    kept = filled(save(tmp_path, sample("CMYK"), "a.jpg", quality=95), "r.jpg")
    assert Image.open(kept).mode == "CMYK"


@pytest.mark.parametrize("subsampling", [0, 1, 2])
@pytest.mark.parametrize("quality", [60, 90])
def test_a_jpeg_keeps_its_quality(tmp_path, quality, subsampling):
    soft = Image.fromarray(random_pixels(8, 8)).resize((256, 256), Image.Resampling.BICUBIC)
    path = save(tmp_path, soft, "a.jpg", quality=quality, subsampling=subsampling, comment=b"hi")
    file = read_image(path)
    result = tmp_path / "r.jpg"
    write_result(result, file, file.image[0], torch.zeros(256, 256), is_opaque=False)
    with Image.open(path) as before, Image.open(result) as after:
        assert after.quantization == before.quantization
        assert [part[1:3] for part in after.layer] == [part[1:3] for part in before.layer]
        assert after.info["comment"] == b"hi"
        difference = np.abs(np.asarray(after, int) - np.asarray(before, int))
    assert difference.mean() < 0.5
    assert result.stat().st_size < 1.1 * path.stat().st_size


def test_lossless_webp_stays_lossless_and_lossy_small(tmp_path):
    image = sample("RGB").resize((256, 256))
    path = save(tmp_path, image, "a.webp", quality=80)
    file, result = read_image(path), tmp_path / "r.webp"
    write_result(result, file, file.image[0], torch.zeros(256, 256), is_opaque=False)
    assert result.read_bytes()[12:16] in (b"VP8 ", b"VP8X")
    assert result.stat().st_size < 3 * path.stat().st_size


def test_a_phones_second_image_is_dropped(tmp_path):
    first, second = sample("RGB"), sample("RGB", 1)
    path = tmp_path / "a.jpg"
    first.save(path, "MPO", save_all=True, append_images=[second])
    with Image.open(path) as image:
        assert image.format == "MPO"
    with Image.open(filled(path, "r.jpg")) as image:
        assert image.format == "JPEG"


def test_what_a_format_cannot_hold_is_refused(tmp_path):
    path = save(tmp_path, sample("RGBA"))
    with pytest.raises(InputError, match=r"JPEG.*--format png"):
        filled(path, "r.jpg")
    assert not (tmp_path / "r.jpg").exists()


def test_endings_of_results(tmp_path):
    for name, form, suffix in [
        ("a.JPG", "png", ".png"),
        ("a.JPG", "same", ".JPG"),
        ("a.gif", "same", ".png"),
        ("a", "same", ".png"),
    ]:
        assert result_suffix(tmp_path / name, form) == suffix
    with pytest.raises(InputError, match="'png', 'same'"):
        result_suffix(tmp_path / "a.png", "jpeg")


@pytest.mark.parametrize("suffix", RESULT_FORMATS)
def test_every_format_is_written_and_read_again(tmp_path, suffix):
    path = save(tmp_path, sample("RGB"))
    result = filled(path, "r" + suffix)
    assert np.abs(read_image(result).image[0][10, 14].numpy() - COLOUR).max() < 0.2
    has_metadata = RESULT_FORMATS[suffix] in ("PNG", "JPEG", "WEBP", "TIFF", "AVIF")
    assert (read_record_text(result) == RECORD) == has_metadata


def test_an_image_that_is_not_filled_comes_back(tmp_path):
    path, result = save(tmp_path, sample("RGB")), tmp_path / "r.png"
    file = read_image(path)
    write_result(result, file, file.image[0], torch.zeros(SIZE, SIZE), is_opaque=False)
    assert np.array_equal(stored(result), stored(path))
    assert read_record_text(result) is None and io.BytesIO(result.read_bytes()).read(4)
