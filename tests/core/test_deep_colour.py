"""Sixteen bits per channel of colour: all of them come back, or a warning."""

import numpy as np
import pytest
import torch
from PIL import Image

from diverse_inpainting.core import deep_colour
from diverse_inpainting.core.image_decoding import decode_upright
from diverse_inpainting.core.image_files import read_image, write_result
from diverse_inpainting.core.image_metadata import read_record_text
from diverse_inpainting.core.originals import losses
from diverse_inpainting.core.png_files import PngEncoder
from diverse_inpainting.core.tiff_files import encode_deep_tiff

cv2 = pytest.importorskip("cv2")
SIZE = 20
INSIDE = np.zeros((SIZE, SIZE + 4), bool)
INSIDE[5:12, 3:17] = True
PNG_ORIENTATION, TIFF_ORIENTATION = 0x0112, 274


def deep_file(path, channels=3, seed=0):
    array = np.random.default_rng(seed).integers(0, 65536, (SIZE, SIZE + 4, channels))
    array = array.astype(np.uint16)
    assert cv2.imwrite(str(path), array[..., [2, 1, 0, 3][:channels]])
    return array


def fill(path, result, record=""):
    file = read_image(path)
    image, weight = file.image[0].clone(), torch.from_numpy(INSIDE).float()
    image[INSIDE] = torch.tensor([0.1, 0.5, 0.7])
    write_result(result, file, image, weight, is_opaque=False, record=record)
    found = cv2.imread(str(result), cv2.IMREAD_UNCHANGED)
    return found[..., [2, 1, 0, 3][: found.shape[2]]]


@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize(
    ("source", "target"), [(".png", ".png"), (".tif", ".tif"), (".tif", ".png")]
)
def test_all_bits_outside_come_back(tmp_path, channels, source, target):
    path, result = tmp_path / f"a{source}", tmp_path / f"r{target}"
    array = deep_file(path, channels)
    assert read_image(path).original.pixels.dtype == np.uint16
    after = fill(path, result, '{"seed": 1}')
    assert after.dtype == np.uint16 and np.array_equal(after[~INSIDE], array[~INSIDE])
    colour = np.rint(np.array([0.1, 0.5, 0.7]) * 65535)
    assert np.abs(after[INSIDE][:, :3] - colour).max() <= 1
    assert read_record_text(result) == '{"seed": 1}'
    shown = np.asarray(decode_upright(result.read_bytes(), result))  # Pillow reads it, too
    assert np.array_equal(shown, after >> 8)


@pytest.mark.parametrize("name", ["a.png", "a.tif"])
def test_metadata_of_deep_images_comes_back(tmp_path, name):
    path, result = tmp_path / name, tmp_path / f"r{name[1:]}"
    exif = Image.Exif()
    exif[0x010F] = "Maker"
    rng = np.random.default_rng(0)
    array = rng.integers(0, 65536, (SIZE, SIZE + 4, 3)).astype(np.uint16)
    write = PngEncoder().encode if name == "a.png" else encode_deep_tiff
    path.write_bytes(write(array, {"exif": exif, "dpi": (300, 300)}))
    assert np.array_equal(fill(path, result)[~INSIDE], array[~INSIDE])
    with Image.open(result) as image:
        assert image.getexif()[0x010F] == "Maker"
        assert image.info["dpi"] == pytest.approx((300, 300), abs=0.01)


@pytest.mark.parametrize("name", ["a.png", "a.tif"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_deep_images_are_turned_upright(tmp_path, name, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    array = np.random.default_rng(0).integers(0, 65536, (SIZE, SIZE + 4, 3)).astype(np.uint16)
    write = PngEncoder().encode if name == "a.png" else encode_deep_tiff
    path = tmp_path / name
    path.write_bytes(write(array, {"exif": exif}))
    file = read_image(path)
    assert file.original.pixels.dtype == np.uint16 and not file.original.is_cut
    shown = np.asarray(decode_upright(path.read_bytes(), path))
    assert np.array_equal(file.original.pixels >> 8, shown)
    assert set(file.original.pixels.ravel()) == set(array.ravel())


def test_without_opencv_the_loss_is_said(tmp_path, monkeypatch):
    deep_file(tmp_path / "a.png")
    monkeypatch.setattr(deep_colour, "opencv", lambda: None)
    original = read_image(tmp_path / "a.png").original
    assert original.is_cut and original.pixels.dtype == np.uint8
    (sentence,) = losses(original, ".png")
    assert "16 bits" in sentence and "OpenCV" in sentence


def test_a_deep_ppm_is_cut_and_said(tmp_path):
    array = np.random.default_rng(0).integers(0, 65536, (4, 4, 3)).astype(">u2")
    (tmp_path / "a.ppm").write_bytes(b"P6 4 4 65535\n" + array.tobytes())
    assert read_image(tmp_path / "a.ppm").original.is_cut


def test_eight_bits_are_not_cut(tmp_path):
    for mode, name in (("RGB", "a.png"), ("L", "b.png"), ("RGB", "c.tif"), ("RGB", "d.ppm")):
        Image.new(mode, (4, 4)).save(tmp_path / name)
        assert not read_image(tmp_path / name).original.is_cut
