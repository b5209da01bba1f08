"""Photographs: reading folders and zips, what is skipped, and the order of batches."""

import io
import logging
import zipfile

import numpy as np
import pytest
import torch
from PIL import Image

from diverse_inpainting.core.dataset import load_images
from diverse_inpainting.core.errors import InputError
from diverse_inpainting.training.config import DataConfig
from diverse_inpainting.training.data import Photographs

R = 8


def encode(picture, format_="PNG", **options):
    if not isinstance(picture, Image.Image):
        picture = Image.fromarray(picture)
    file = io.BytesIO()
    picture.save(file, format_, **options)
    return file.getvalue()


def plain(value, height=R, width=R):
    return np.full((height, width, 3), value, dtype=np.uint8)


@pytest.fixture(params=["folder", "zip"])
def pack(request, tmp_path):
    """Write {name: bytes} as a folder or a zip and return its path."""

    def write(files):
        if request.param == "folder":
            folder = tmp_path / "pictures"
            for name, data in files.items():
                path = folder / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(data)
            return folder
        path = tmp_path / "pictures.zip"
        with zipfile.ZipFile(path, "w") as archive:
            for name, data in files.items():
                archive.writestr(name, data)
        return path

    return write


def test_reads_sorted_by_name(pack):
    rng = np.random.default_rng(0)
    pictures = {name: rng.integers(0, 256, (R, R, 3), np.uint8) for name in ("b", "a", "c")}
    files = {f"{name}.png": encode(pixels) for name, pixels in pictures.items()}
    source = pack({**files, "notes.txt": b"no picture", "sub/d.PNG": encode(plain(7))})
    names, tensor = load_images(source, R)
    assert [name.replace("\\", "/") for name in names] == ["a.png", "b.png", "c.png", "sub/d.PNG"]
    assert tensor.dtype == torch.uint8
    assert tensor.shape == (4, 3, R, R)
    for i, name in enumerate("abc"):
        assert torch.equal(tensor[i], torch.from_numpy(pictures[name]).permute(2, 0, 1))


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".jpeg", ".webp", ".bmp"])
def test_formats(pack, suffix):
    format_ = {".jpg": "JPEG", ".jpeg": "JPEG"}.get(suffix, suffix[1:].upper())
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


def test_grey_and_transparent_pictures(pack):
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


DAMAGED = {
    "text": b"this is no picture",
    "empty": b"",
    "truncated": encode(np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8))[:3000],
    "header": encode(plain(1))[:20],
    "deep": encode(Image.fromarray(np.full((R, R), 60_000, np.uint16))),
}


@pytest.mark.parametrize("kind", DAMAGED)
def test_a_damaged_picture_is_named_and_skipped(pack, caplog, kind):
    files = {f"{i:03d}.png": encode(plain(i)) for i in range(100)}
    with caplog.at_level(logging.WARNING):
        names, tensor = load_images(pack({**files, "050x.png": DAMAGED[kind]}), R)
    assert names == list(files)
    assert tensor[:, 0, 0, 0].tolist() == list(range(100))
    named, counted = (record.message for record in caplog.records)
    assert named.startswith("skipped 050x.png: ")
    assert counted == "skipped 1 of 101 pictures"


def test_a_damaged_zip_entry_is_named_and_skipped(tmp_path, caplog):
    path = tmp_path / "pictures.zip"
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
    with pytest.raises(InputError, match="98 readable and 2 unreadable") as caught:
        load_images(source, R)
    assert "x1.png" in caught.value.got


def test_hidden_files_do_not_count(pack):
    names, _ = load_images(pack({"a.png": encode(plain(1)), "__MACOSX/._a.png": b"\x00\x05"}), R)
    assert names == ["a.png"]


def test_folders_named_like_pictures_do_not_count(tmp_path):
    (tmp_path / "album.png").mkdir()
    (tmp_path / "album.png" / "a.png").write_bytes(encode(plain(1)))
    names, _ = load_images(tmp_path, R)
    assert len(names) == 1


@pytest.mark.parametrize("content", ["absent", "empty", "text"])
def test_without_pictures(tmp_path, content):
    source = tmp_path / "source"
    if content == "empty":
        source.mkdir()
    elif content == "text":
        source.write_text("no zip")
    with pytest.raises(InputError, match="0 readable"):
        load_images(source, R)


def numbered(count):
    """Pictures whose left half says which one it is."""
    pictures = torch.zeros(count, 3, R, R, dtype=torch.uint8)
    pictures[:, :, :, : R // 2] = torch.arange(1, count + 1, dtype=torch.uint8)[:, None, None, None]
    return pictures


def shown(batch):
    """Return [(number, is mirrored), ...] of a batch."""
    values = batch.add(1).mul(127.5).round().long()[:, 0, 0]
    return [(int(row.max()) - 1, bool(row[0] == 0)) for row in values]


def photographs(count=10, seed=3, **config):
    return Photographs(numbered(count), DataConfig(**config), seed)


def test_values_lie_in_minus_one_to_one():
    pictures = torch.tensor([0, 255], dtype=torch.uint8)[:, None, None, None].expand(2, 3, R, R)
    batch = Photographs(pictures, DataConfig(), 0).batch(0, 2)
    assert batch.dtype == torch.float32
    assert sorted(batch[:, 0, 0, 0].tolist()) == [-1.0, 1.0]


@pytest.mark.parametrize("every", [2, 3, 11])
def test_every_nth_is_held_out(every):
    data = photographs(30, holdout_every=every, mirror=False)
    held = [int(p.max()) - 1 for p in data.held_out]
    assert held == list(range(0, 30, every))
    seen = {number for number, _ in shown(data.batch(0, len(data.training)))}
    assert seen == set(range(30)) - set(held)


def test_nothing_held_out_by_default():
    data = photographs(10)
    assert len(data.held_out) == 0
    assert len(data.training) == 10


def test_a_single_picture_is_trained_on():
    data = photographs(1, holdout_every=11, mirror=False)
    assert shown(data.batch(0, 3)) == [(0, False)] * 3


def test_each_picture_once_per_epoch():
    data = photographs(10)
    batches = [shown(data.batch(nimg, 4)) for nimg in range(0, 40, 4)]
    numbers = [number for batch in batches for number, _ in batch]
    epochs = [numbers[i : i + 10] for i in range(0, 40, 10)]
    assert all(sorted(epoch) == list(range(10)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 4, "each epoch has an order of its own"
    assert epochs[0] != sorted(epochs[0])


def test_batches_depend_on_seed_and_position_alone():
    data = photographs()
    expected = data.batch(12, 4)
    for nimg in (0, 100, 36):
        data.batch(nimg, 4)
    torch.manual_seed(1)
    assert torch.equal(data.batch(12, 4), expected)
    assert torch.equal(photographs().batch(12, 4), expected)
    assert not torch.equal(photographs(seed=4).batch(12, 4), expected)


def test_a_batch_may_span_epochs():
    numbers = [number for number, _ in shown(photographs(4).batch(2, 10))]
    assert sorted(numbers[2:6]) == sorted(numbers[6:10]) == [0, 1, 2, 3]


def test_mirroring():
    data = photographs(10)
    mirrored = [flag for nimg in range(0, 400, 8) for _, flag in shown(data.batch(nimg, 8))]
    assert 0.4 < sum(mirrored) / len(mirrored) < 0.6
    plain_ = photographs(10, mirror=False)
    assert not any(flag for nimg in range(0, 80, 8) for _, flag in shown(plain_.batch(nimg, 8)))


def test_training_does_not_write_into_the_pictures():
    data = photographs(mirror=False)
    before = data.training.clone()
    data.batch(0, 10).zero_()
    assert torch.equal(data.training, before)
