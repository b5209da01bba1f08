"""Contact sheets, grids, thumbnails: where everything lies, and what is refused."""

import numpy as np
import pytest
import torch
from PIL import Image, ImageFont

from diverse_inpainting.core.contact_sheet import (
    contact_sheet,
    show_erased,
    thumbnail,
    tile_images,
)
from diverse_inpainting.core.errors import InputError
from diverse_inpainting.core.image_files import to_pil, write_png

RED, GREEN, BLUE = (torch.eye(3)[i].expand(128, 128, 3) for i in range(3))


def pixels(sheet):
    return np.asarray(sheet).astype(int)


def area_of(sheet, colour):
    """First row, first column, height and width of what has this colour, which is a rectangle."""
    found = (pixels(sheet) == colour).all(axis=2)
    rows, columns = np.flatnonzero(found.any(axis=1)), np.flatnonzero(found.any(axis=0))
    height, width = rows[-1] - rows[0] + 1, columns[-1] - columns[0] + 1
    assert found.sum() == height * width
    return rows[0], columns[0], height, width


def ink(sheet):
    """Rows that hold something darker or lighter than the ground."""
    return (pixels(sheet) != pixels(sheet)[0, 0]).any(axis=(1, 2))


def test_images_stand_in_rows_in_their_order():
    sheet = contact_sheet([[RED, GREEN], [BLUE]])
    red, green, blue = (area_of(sheet, c) for c in ((255, 0, 0), (0, 255, 0), (0, 0, 255)))
    assert red[2:] == green[2:] == blue[2:] == (128, 128)
    assert red[0] == green[0]
    assert green[1] >= red[1] + 128 + 4
    assert blue[1] == red[1]
    assert blue[0] >= red[0] + 128 + 4


def test_an_image_of_the_cell_size_keeps_its_pixels():
    array = np.random.default_rng(0).integers(0, 256, (200, 150, 3), dtype=np.uint8)
    sheet = pixels(contact_sheet([[torch.from_numpy(array)]]))
    assert any(
        np.array_equal(sheet[y : y + 200, x : x + 150], array)
        for y in range(sheet.shape[0] - 199)
        for x in range(sheet.shape[1] - 149)
    )


@pytest.mark.parametrize(
    ("size", "cell_px", "expected"),
    [
        ((64, 64), None, (128, 128)),
        ((1, 1), None, (128, 128)),
        ((32, 64), None, (64, 128)),
        ((200, 100), None, (200, 100)),
        ((1024, 512), None, (256, 128)),
        ((64, 64), 48, (48, 48)),
        ((3, 900), None, (1, 256)),
    ],
)
def test_images_are_scaled_to_be_seen(size, cell_px, expected):
    sheet = contact_sheet([[RED[:1, :1].expand(*size, 3)]], cell_px=cell_px)
    assert area_of(sheet, (255, 0, 0))[2:] == expected


def test_labels_and_titles_are_legible_text():
    plain = contact_sheet([[RED]])
    labelled = contact_sheet([[RED]], [["variant 0"]])
    titled = contact_sheet([[RED]], [["variant 0"]], title="Cats", row_titles=["seed 7"])
    assert plain.height < labelled.height < titled.height
    bottom = area_of(labelled, (255, 0, 0))[0] + 128
    label_rows = ink(labelled)[bottom:]
    assert 8 <= label_rows.sum() <= 20  # the height of letters
    assert ink(titled)[: area_of(titled, (255, 0, 0))[0]].sum() > label_rows.sum()


def test_a_long_label_stays_in_its_column():
    sheet = contact_sheet([[RED, GREEN]], [["a label that is far too long " * 3, ""]])
    top, left, _, width = area_of(sheet, (255, 0, 0))
    beyond = pixels(sheet)[top + 128 :, left + width :]
    assert (beyond == pixels(sheet)[0, 0]).all()
    assert ink(sheet)[top + 128 :].any()


def test_a_shortened_label_ends_in_dots():
    sheet = contact_sheet([[RED]], [["W" * 100]])
    label = pixels(sheet)[area_of(sheet, (255, 0, 0))[0] + 128 :, :, 0] < 200
    last = np.flatnonzero(label.any(axis=0))[-1]
    assert label[:, last - 5 : last + 1].any(axis=1).sum() <= 3
    assert label.any(axis=1).sum() >= 8


def test_rows_with_and_without_labels_do_not_overlap():
    sheet = contact_sheet([[RED], [BLUE]], [["label"], [""]])
    red, blue = area_of(sheet, (255, 0, 0)), area_of(sheet, (0, 0, 255))
    assert blue[0] > red[0] + 128 + 10


@pytest.mark.parametrize(("dark", "level"), [(False, 240), (True, 32)])
def test_the_ground_is_neutral(dark, level):
    sheet = contact_sheet([[RED]], [["label"]], dark=dark)
    assert sheet.mode == "RGB"
    assert sheet.getpixel((0, 0)) == (level,) * 3


def test_greyscale_uint8_and_alpha_images(tmp_path):
    row = [
        torch.zeros(64, 64),
        torch.full((64, 64, 1), 255, dtype=torch.uint8),
        torch.cat([RED, torch.zeros(128, 128, 1)], dim=2),
    ]
    sheet = contact_sheet([row])
    for colour in ((0, 0, 0), (255, 255, 255), (255, 0, 0)):
        assert area_of(sheet, colour)[2:] == (128, 128)
    write_png(tmp_path / "sheet.png", sheet)
    assert np.array_equal(pixels(Image.open(tmp_path / "sheet.png")), pixels(sheet))


@pytest.mark.skipif(
    not hasattr(ImageFont, "load_default_imagefont"), reason="this Pillow has no bitmap font"
)
def test_the_sheet_is_drawn_without_freetype(monkeypatch):
    bitmap_font = ImageFont.load_default_imagefont()

    def load_default(size=None):
        if size is not None:
            raise ImportError("The _imagingft C module is not installed")
        return bitmap_font

    monkeypatch.setattr(ImageFont, "load_default", load_default)
    sheet = contact_sheet([[RED]], [["a label that is far too long for the image"]])
    assert ink(sheet)[area_of(sheet, (255, 0, 0))[0] + 128 :].any()


@pytest.mark.parametrize(
    ("rows", "options", "message"),
    [
        ([], {}, "no images"),
        ([[]], {}, "no images"),
        ([[RED, RED]], {"labels": [["one"]]}, "as many labels"),
        ([[RED]], {"labels": [["one"], ["two"]]}, "as many labels"),
        ([[RED]], {"row_titles": ["one", "two"]}, "1 row titles"),
        ([[RED]], {"cell_px": 1}, "cell_px"),
        ([[RED[None]]], {}, "one image of the batch"),
    ],
)
def test_what_cannot_be_laid_out_is_refused(rows, options, message):
    with pytest.raises(InputError, match=message):
        contact_sheet(rows, **options)


def test_tiles_fill_rows_from_the_left():
    """By hand: six images of 2 x 3 pixels, each of one value, and no gaps between them."""
    values = torch.tensor([-1.0, -0.5, 0.0, 0.5, 1.0, 1.5])
    images = values[:, None, None, None].expand(6, 3, 2, 3)
    tiles = tile_images(images, 3)
    assert tiles.size == (9, 4)
    assert np.asarray(tiles)[::2, ::3, 1].tolist() == [[0, 64, 128], [191, 255, 255]]


def test_a_tile_keeps_its_rows_columns_and_channels():
    image = torch.arange(12).reshape(1, 3, 2, 2) / 12
    expected = (image[0].movedim(0, -1) + 1).mul(127.5).round()
    assert np.array_equal(np.asarray(tile_images(image, 1)), expected.numpy())


def test_thumbnails_are_small_and_small_images_keep_their_pixels():
    image = to_pil(torch.rand(300, 600, 3, generator=torch.Generator().manual_seed(0)))
    assert thumbnail(image).size == (256, 128)
    assert image.size == (600, 300), "the original stays"
    small = image.crop((0, 0, 7, 9))
    assert np.array_equal(np.asarray(thumbnail(small)), np.asarray(small))


def test_erased_shows_grey_in_the_hole_only():
    image, hole = torch.zeros(2, 2, 3), torch.tensor([[1.0, 0.0], [0.0, 0.5]])
    assert show_erased(image, hole)[:, :, 0].tolist() == [[0.5, 0.0], [0.0, 0.25]]
