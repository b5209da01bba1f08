"""Many images in one, for people to look at: labelled contact sheets and plain grids."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from .checks import check_int
from .errors import InputError
from .image import network_to_uint8
from .image_files import to_pil

_GAP_PX = 8
_ROW_GAP_PX = 12
_MARGIN_PX = 16
_MIN_CELL_PX = 128  # nobody can assess a face at 64 px
MAX_CELL_PX = 256  # eight variants in a row still fit on a screen
_LABEL_SIZE_PX = 14
_TITLE_SIZE_PX = 20
_ELLIPSIS = "..."
_GREY = 0.5
_COLUMNS = 5  # original, erased and eight results fill two rows


@dataclass(frozen=True)
class _Theme:
    """Colours as (red, green, blue) in 0..255."""

    background: tuple[int, int, int]
    text: tuple[int, int, int]


# Neutral greys: next to a coloured background images would seem tinted. Not white, against which
# masks would have no edges.
_LIGHT = _Theme(background=(240, 240, 240), text=(32, 32, 32))
_DARK = _Theme(background=(32, 32, 32), text=(224, 224, 224))

_Font = ImageFont.FreeTypeFont | ImageFont.ImageFont
_Labels = Sequence[Sequence[str]]


def contact_sheet(
    rows: Sequence[Sequence[Tensor | Image.Image]],
    labels: _Labels | None = None,
    *,
    title: str = "",
    row_titles: Sequence[str] | None = None,
    cell_px: int | None = None,
    dark: bool = False,
) -> Image.Image:
    """Return images laid out in rows, with titles and labels.

    1. Every image is scaled (Lanczos) until its longer side fills a cell; images of that size keep
       their pixels.
    2. Labels are placed below the images and truncated to their width, row titles above their rows,
       and the title at the top.

    Args:
        rows: images as for `to_pil`; rows may differ in length. A fourth channel is dropped.
        labels: one text per image, or None.
        title: of the sheet; "" for none.
        row_titles: one text per row, "" for none, or None.
        cell_px: side of a cell in pixels, 16 to 4096; None takes the longest side of the images,
            but at least 128 and at most 256.
        dark: a dark grey background instead of a light one.

    Returns:
        An RGB image.

    Raises:
        InputError: no images, unusable images, or a wrong number of labels or titles.
    """
    images = [[to_pil(image_hwc).convert("RGB") for image_hwc in row] for row in rows]
    labels = labels if labels is not None else [[""] * len(row) for row in rows]
    row_titles = row_titles if row_titles is not None else [""] * len(rows)
    _check_counts(images, labels, row_titles)
    side = _cell_side(images, cell_px)
    cells = [[_fit(image, side) for image in row] for row in images]
    theme = _DARK if dark else _LIGHT
    column_px = max(cell.width for row in cells for cell in row)
    width = max(len(row) for row in cells) * (column_px + _GAP_PX) - _GAP_PX
    strips = [_text_strip(title, width, _TITLE_SIZE_PX, theme)] if title else []
    for row, texts, row_title in zip(cells, labels, row_titles, strict=True):
        if row_title:
            strips.append(_text_strip(row_title, width, _LABEL_SIZE_PX, theme))
        strips.append(_row_strip(row, texts, column_px, width, theme))
    return _stack(strips, theme.background)


def in_rows(
    images: Sequence[Tensor | Image.Image], labels: Sequence[str], columns: int = _COLUMNS
) -> Image.Image:
    """Return the contact sheet of labelled images, so many to a row."""
    starts = range(0, len(images), columns)
    return contact_sheet(
        [images[i : i + columns] for i in starts], [labels[i : i + columns] for i in starts]
    )


def tile_images(images_bchw: Tensor, columns: int) -> Image.Image:
    """Return images side by side, row by row, without gaps or labels.

    Args:
        images_bchw: [B, 3, H, W] in [-1, 1]; B is a multiple of columns.
        columns: images in a row.
    """
    pixels = network_to_uint8(images_bchw)
    B, _, H, W = pixels.shape
    rows = pixels.reshape(B // columns, columns, 3, H, W).permute(0, 3, 1, 4, 2)
    return Image.fromarray(rows.reshape(-1, columns * W, 3).cpu().numpy())


def thumbnail(image: Tensor | Image.Image) -> Image.Image:
    """Return a copy that fits in the largest cell; keeping all results would double the memory."""
    small = image.copy() if isinstance(image, Image.Image) else to_pil(image)
    small.thumbnail((MAX_CELL_PX, MAX_CELL_PX), Image.Resampling.LANCZOS)
    return small


def show_erased(image_hwc: Tensor, hole_mask_hw: Tensor) -> Tensor:
    """Return an image, [H, W, 3] in [0, 1], with the hole filled with grey."""
    return torch.lerp(image_hwc, torch.full_like(image_hwc, _GREY), hole_mask_hw[:, :, None])


def _stack(strips: list[Image.Image], background: tuple[int, int, int]) -> Image.Image:
    """Strips of one width, one below the other, with a margin around them."""
    height = sum(strip.height + _ROW_GAP_PX for strip in strips) - _ROW_GAP_PX
    size = (strips[0].width + 2 * _MARGIN_PX, height + 2 * _MARGIN_PX)
    sheet = Image.new("RGB", size, background)
    y = _MARGIN_PX
    for strip in strips:
        sheet.paste(strip, (_MARGIN_PX, y))
        y += strip.height + _ROW_GAP_PX
    return sheet


def _row_strip(
    cells: list[Image.Image], labels: Sequence[str], column_px: int, width: int, theme: _Theme
) -> Image.Image:
    """Cells aligned at the bottom, and their labels below."""
    line = max((cell.height for cell in cells), default=0)
    texts = [_text_strip(label, column_px, _LABEL_SIZE_PX, theme) for label in labels]
    height = line + (texts[0].height if any(labels) else 0)
    strip = Image.new("RGB", (width, height), theme.background)
    for index, (cell, text) in enumerate(zip(cells, texts, strict=True)):
        x = index * (column_px + _GAP_PX)
        strip.paste(cell, (x, line - cell.height))
        strip.paste(text, (x, line))  # clipped where the row has no labels
    return strip


def _text_strip(text: str, width: int, size_px: int, theme: _Theme) -> Image.Image:
    """One line of text, truncated to the width; the height depends on the font size only."""
    font = load_font(size_px)
    strip = Image.new("RGB", (width, round(size_px * 1.5)), theme.background)
    middle = strip.height / 2
    shown = _shorten(text, width, font)
    if isinstance(font, ImageFont.FreeTypeFont):
        ImageDraw.Draw(strip).text((0, middle), shown, theme.text, font, anchor="lm")
    else:
        ImageDraw.Draw(strip).text((0, 0), shown, theme.text, font)
    return strip


def _check_counts(
    images: list[list[Image.Image]], labels: _Labels, row_titles: Sequence[str]
) -> None:
    counts = [len(row) for row in images]
    if sum(counts) == 0:
        raise InputError(
            "at least one image", "none", "Pass rows of images.", problem="There are no images."
        )
    if [len(row) for row in labels] != counts:
        raise InputError(
            f"as many labels as images, by row {counts}",
            f"{[len(row) for row in labels]}",
            "Pass one label per image; it may be empty.",
        )
    if len(row_titles) != len(counts):
        raise InputError(
            f"{len(counts)} row titles", f"{len(row_titles)}", "Pass one per row; it may be empty."
        )


def _cell_side(images: list[list[Image.Image]], cell_px: int | None) -> int:
    if cell_px is not None:
        check_int(cell_px, "cell_px", 16, 4096)
        return cell_px
    longest = max(max(image.size) for row in images for image in row)
    return min(max(longest, _MIN_CELL_PX), MAX_CELL_PX)


def _fit(image: Image.Image, side: int) -> Image.Image:
    """Scale an image until its longer side fills the cell."""
    longest = max(image.size)
    if longest == side:
        return image
    width, height = (max(1, round(length * side / longest)) for length in image.size)
    return image.resize((width, height), Image.Resampling.LANCZOS)


def load_font(size_px: int) -> _Font:
    """Return Pillow's own font; of one small size where Pillow lacks FreeType."""
    try:
        return ImageFont.load_default(size=size_px)
    except (ImportError, OSError):  # without FreeType Pillow has one bitmap font only
        return ImageFont.load_default()


def _shorten(text: str, width: int, font: _Font) -> str:
    """The text, or as much of its beginning as fits, with an ellipsis."""
    text = " ".join(text.split())
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(text + _ELLIPSIS) > width:
        text = text[:-1]
    return text.rstrip() + _ELLIPSIS
