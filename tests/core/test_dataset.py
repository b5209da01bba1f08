"""Data sets: reading folders and zips, what is skipped, and the same pixels as `read_image`."""

import io
import logging
import zipfile

import numpy as np
import pytest
import torch
from PIL import Image

from colour_profiles import SRGB_COLORANTS, icc_profile
from diverse_inpainting.core import dataset
from diverse_inpainting.core.dataset import load_images
from diverse_inpainting.core.errors import InputError
from diverse_inpainting.core.image import image_to_uint8
from diverse_inpainting.core.image_files import read_image

R = 8


def encode(image, format_="PNG", **options):
    if not isinstance(image, Image.Image):
        image = Image.fromarray(image)
    file = io.BytesIO()
    image.save(file, format_, **options)
    return file.getvalue()


def plain(value, height=R, width=R):
    return np.full((height, width, 3), value, dtype=np.uint8)


@pytest.fixture(params=["folder", "zip"])
def pack(request, tmp_path):
    """Write {name: bytes} as a folder or a zip and return its path."""

    def write(files):
        if request.param == "folder":
            folder = tmp_path / "images"
            for name, data in files.items():
                path = folder / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(data)
            return folder
        path = tmp_path / "images.zip"
        with zipfile.ZipFile(path, "w") as archive:
            for name, data in files.items():
                archive.writestr(name, data)
        return path

    return write


def test_reads_sorted_by_name(pack):
    rng = np.random.default_rng(0)
    images = {name: rng.integers(0, 256, (R, R, 3), np.uint8) for name in ("b", "a", "c")}
    files = {f"{name}.png": encode(pixels) for name, pixels in images.items()}
    source = pack({**files, "notes.txt": b"no image", "sub/d.PNG": encode(plain(7))})
    names, tensor = load_images(source, R)
    assert [name.replace("\\", "/") for name in names] == ["a.png", "b.png", "c.png", "sub/d.PNG"]
    assert tensor.dtype == torch.uint8
    assert tensor.shape == (4, 3, R, R)
    for i, name in enumerate("abc"):
        assert torch.equal(tensor[i], torch.from_numpy(images[name]).permute(2, 0, 1))


@pytest.mark.parametrize(
    "suffix", [".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".gif"]
)
def test_formats(pack, suffix):
    format_ = {"JPG": "JPEG", "TIF": "TIFF"}.get(suffix[1:].upper(), suffix[1:].upper())
    _, tensor = load_images(pack({f"a{suffix}": encode(plain(90), format_)}), R)
    assert (tensor.int() - 90).abs().max() <= 2


@pytest.mark.parametrize("upright", [True, False])
def test_the_central_square_is_kept(pack, upright):
    """32 x 8: the middle 8 columns, bit for bit, since they need no resizing."""
    wide = np.concatenate([plain(10, R, 12), plain(200), plain(30, R, 12)], axis=1)
    pixels = wide.transpose(1, 0, 2) if upright else wide
    _, tensor = load_images(pack({"a.png": encode(np.ascontiguousarray(pixels))}), R)
    assert torch.equal(tensor, torch.full((1, 3, R, R), 200, dtype=torch.uint8))


@pytest.mark.parametrize("side", [64, 5])
def test_other_sizes_are_resized(pack, side):
    ramp = (np.arange(side) + 0.5) / side * 255
    ramp = np.tile(ramp[None, :, None], (side, 1, 3)).round().astype(np.uint8)
    _, tensor = load_images(pack({"a.png": encode(ramp), "b.png": encode(plain(77))}), R)
    assert tensor.shape == (2, 3, R, R)
    expected = (torch.arange(R) + 0.5) / R * 255
    assert (tensor[0, 0, 3, 2:-2] - expected[2:-2]).abs().max() < 6
    assert (tensor[1] == 77).all()


def test_grey_and_transparent_images(pack):
    files = {
        "grey.png": encode(Image.new("L", (R, R), 50)),
        "alpha.png": encode(Image.new("RGBA", (R, R), (1, 2, 3, 255))),
    }
    _, tensor = load_images(pack(files), R)
    assert tensor[0, :, 0, 0].tolist() == [1, 2, 3]
    assert tensor[1, :, 0, 0].tolist() == [50, 50, 50]


def test_exif_orientation(pack):
    """6 means: turn by 90 degrees to the right to see it upright."""
    pixels = plain(0)
    pixels[:, :2] = 255  # left edge
    exif = Image.Exif()
    exif[0x0112] = 6
    _, tensor = load_images(pack({"a.png": encode(pixels, exif=exif)}), R)
    assert (tensor[0, :, :2] == 255).all(), "the left edge is now the upper one"
    assert (tensor[0, :, 2:] == 0).all()


def animation():
    buffer = io.BytesIO()
    frames = [Image.fromarray(plain(i)) for i in range(2)]
    frames[0].save(buffer, "GIF", save_all=True, append_images=frames[1:])
    return buffer.getvalue()


DAMAGED = {
    "animated": animation(),
    "text": b"this is no image",
    "empty": b"",
    "truncated": encode(np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8))[:3000],
    "header": encode(plain(1))[:20],
    "beyond 16 bits": encode(Image.fromarray(np.full((R, R), 70_000, np.int32)), "TIFF"),
}


@pytest.mark.parametrize("kind", DAMAGED)
def test_a_damaged_image_is_named_and_skipped(pack, caplog, kind):
    files = {f"{i:03d}.png": encode(plain(i)) for i in range(100)}
    with caplog.at_level(logging.WARNING):
        names, tensor = load_images(pack({**files, "050x.png": DAMAGED[kind]}), R)
    assert names == list(files)
    assert tensor[:, 0, 0, 0].tolist() == list(range(100))
    named, counted = (record.message for record in caplog.records)
    assert named.startswith("skipped 050x.png: ")
    assert counted == "skipped 1 of 101 images"


def test_a_damaged_zip_entry_is_named_and_skipped(tmp_path, caplog):
    path = tmp_path / "images.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for i in range(100):
            archive.writestr(f"{i:03d}.png", encode(plain(i)))
        archive.writestr("zz.png", b"MARK" + bytes(100))
    path.write_bytes(path.read_bytes().replace(b"MARK", b"park"))  # its checksum no longer fits
    with caplog.at_level(logging.WARNING):
        names, _ = load_images(path, R)
    assert len(names) == 100
    assert "zz.png" in caplog.text


def test_more_than_one_percent_damaged_stops(pack):
    files = {f"{i:03d}.png": encode(plain(i)) for i in range(98)}
    source = pack({**files, "x1.png": b"", "x2.png": b""})
    with pytest.raises(InputError) as caught:
        load_images(source, R)
    assert "98 readable and 2 unreadable" in caught.value.got
    assert "2 of 100 images" in str(caught.value) and "x1.png" in str(caught.value)


def test_hidden_files_do_not_count(pack):
    names, _ = load_images(pack({"a.png": encode(plain(1)), "__MACOSX/._a.png": b"\x00\x05"}), R)
    assert names == ["a.png"]


def test_folders_named_like_images_do_not_count(tmp_path):
    (tmp_path / "album.png").mkdir()
    (tmp_path / "album.png" / "a.png").write_bytes(encode(plain(1)))
    names, _ = load_images(tmp_path, R)
    assert len(names) == 1


@pytest.mark.parametrize(
    ("content", "message"),
    [("absent", "No such folder or zip"), ("empty", "No images"), ("text", "No images")],
)
def test_without_images(tmp_path, content, message):
    source = tmp_path / "source"
    if content == "empty":
        source.mkdir()
    elif content == "text":
        source.write_text("no zip")
    with pytest.raises(InputError, match=message):
        load_images(source, R)


def random_pixels(*shape, dtype=np.uint8):
    return np.random.default_rng(1).integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True)


def with_palette():
    image = Image.fromarray(random_pixels(R, R, 3)).quantize(16)
    return encode(image, transparency=3)


PROFILE = icc_profile(b"RGB ", (b"rTRC", b"gTRC", b"bTRC"), SRGB_COLORANTS)
PLANTED = {
    "plain.jpg": encode(random_pixels(R, R, 3), "JPEG"),
    "profile.jpg": encode(random_pixels(R, R, 3), "JPEG", icc_profile=PROFILE),
    "profile.png": encode(random_pixels(R, R, 3), icc_profile=PROFILE),
    "unusable profile.png": encode(random_pixels(R, R, 3), icc_profile=b"none"),
    "grey 16.png": encode(random_pixels(R, R, dtype=np.uint16)),
    "grey 16.tif": encode(random_pixels(R, R, dtype=np.uint16), "TIFF"),
    "print.tif": encode(Image.fromarray(random_pixels(R, R, 4), "CMYK"), "TIFF"),
    "print.jpg": encode(Image.fromarray(random_pixels(R, R, 4), "CMYK"), "JPEG"),
    "palette.png": with_palette(),
    "palette.gif": encode(Image.fromarray(random_pixels(R, R, 3)).quantize(16), "GIF"),
    "alpha.png": encode(random_pixels(R, R, 4)),
    "alpha.webp": encode(random_pixels(R, R, 4), "WEBP", lossless=True, exact=True),
    "grey alpha.png": encode(Image.fromarray(random_pixels(R, R, 2), "LA")),
}


@pytest.mark.parametrize("name", PLANTED)
def test_the_pixels_are_those_that_inpainting_reads_or_white(pack, tmp_path, name):
    path = tmp_path / name
    path.write_bytes(PLANTED[name])
    _, tensor = load_images(pack({name: PLANTED[name]}), R)
    content = read_image(path)
    if content.alpha is None:
        assert torch.equal(tensor[0].movedim(0, -1), image_to_uint8(content.image[0]))
    else:  # what is transparent shows white
        on_white = torch.lerp(torch.ones(()), content.image[0], content.alpha[0, :, :, None])
        difference = tensor[0].movedim(0, -1).float() - 255 * on_white
        assert difference.abs().max() < 1


def test_profiles_change_pixels_and_greyscale_of_16_bits_is_rounded(pack):
    names = ("plain.jpg", "profile.jpg", "grey 16.png")
    _, tensor = load_images(pack({name: PLANTED[name] for name in names}), R)
    grey, plain_, converted = tensor  # sorted by name
    assert (plain_.int() - converted.int()).abs().max() > 8
    expected = np.round(random_pixels(R, R, dtype=np.uint16) / 65535 * 255)
    assert np.array_equal(grey[0].numpy(), expected)


def test_what_does_not_fit_in_memory_lies_in_a_file(pack, monkeypatch):
    source = pack({f"{k}.png": encode(plain(k)) for k in range(5)})
    expected = load_images(source, R)
    monkeypatch.setattr(dataset, "_MAX_BYTES_IN_MEMORY", 5 * 3 * R * R - 1)
    names, images = load_images(source, R)
    assert isinstance(dataset._allocate(5, R), np.memmap)
    assert not isinstance(dataset._allocate(4, R), np.memmap)
    assert names == expected[0]
    assert torch.equal(images, expected[1])


def test_a_list_names_files_beside_it_in_an_order_of_its_own(tmp_path):
    for k in (1, 2, 3):
        (tmp_path / f"{k}.png").write_bytes(encode(plain(k)))
    (tmp_path / "some.txt").write_text("\ufeff3.png\r\n\n 1.png \n", "utf-8")
    names, images = load_images(tmp_path / "some.txt", R)
    assert names == ["3.png", "1.png"]
    assert images[:, 0, 0, 0].tolist() == [3, 1]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"absent.png", "'absent.png' .no such file"),
        (b"1.png\n1.png", "'1.png' twice"),
        (b"some.txt", "'some.txt' .not an image"),
        (b"\xe9.png", "not UTF-8"),
        (b"\n", "No images"),
    ],
)
def test_a_wrong_list_is_refused(tmp_path, text, words):
    (tmp_path / "1.png").write_bytes(encode(plain(1)))
    (tmp_path / "some.txt").write_bytes(text)
    with pytest.raises(InputError, match=words):
        load_images(tmp_path / "some.txt", R)
