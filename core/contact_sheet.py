"""Many pictures on one sheet, with labels, to be looked at."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from .checks import check_int
from .errors import InputError
from .image_files import to_pil

_GAP_PX = 8
_ROW_GAP_PX = 12
_MARGIN_PX = 16
_SMALLEST_CELL_PX = 128  # people cannot judge a face at 64 px
_LARGEST_CELL_PX = 256  # eight variants in a row still fit a screen
_LABEL_SIZE_PX = 14
_TITLE_SIZE_PX = 20
_ELLIPSIS = "..."
_THUMBNAIL_PX = 256  # a cell at most: keeping whole results would double the memory
_GREY = 0.5


@dataclass(frozen=True)
class _Theme:
    """Colours as (red, green, blue) in 0..255."""

    background: tuple[int, int, int]
    text: tuple[int, int, int]


# Neutral greys: a coloured ground would tint the pictures to the eye. Not white, which would hide
# the edges of masks.
_LIGHT = _Theme(background=(240, 240, 240), text=(32, 32, 32))
_DARK = _Theme(background=(32, 32, 32), text=(224, 224, 224))

_Font = ImageFont.FreeTypeFont | ImageFont.ImageFont
_Labels = Sequence[Sequence[str]]


def contact_sheet(
    rows: Sequence[Sequence[Tensor]],
    labels: _Labels | None = None,
    *,
    title: str = "",
    row_titles: Sequence[str] | None = None,
    cell_px: int | None = None,
    dark: bool = False,
) -> Image.Image:
    """Lay pictures out in rows.

    1. Every picture is scaled (Lanczos) until its longer side fills a cell; pictures that already
       do keep their pixels.
    2. Labels stand beneath the pictures and are shortened where they are wider; row titles stand
       above their rows, the title above all.

    Args:
        rows: pictures [H, W] or [H, W, C] with C of 1, 3 or 4, floating point in [0, 1] or uint8;
            rows may differ in length. A fourth channel is left out.
        labels: one text per picture, or None.
        title: of the sheet; "" for none.
        row_titles: one text per row, "" for none, or None.
        cell_px: side of a cell in pixels, 16 to 4096; None takes the longest side of the pictures,
            but at least 128 and at most 256.
        dark: a dark grey ground instead of a light one.

    Returns:
        An RGB picture.

    Raises:
        InputError: no pictures, numbers of labels or titles that disagree, unusable pictures.
    """
    pictures = [[to_pil(image_hwc).convert("RGB") for image_hwc in row] for row in rows]
    labels = labels if labels is not None else [[""] * len(row) for row in rows]
    row_titles = row_titles if row_titles is not None else [""] * len(rows)
    _check_counts(pictures, labels, row_titles)
    side = _cell_side(pictures, cell_px)
    cells = [[_fit(picture, side) for picture in row] for row in pictures]
    theme = _DARK if dark else _LIGHT
    column_px = max(cell.width for row in cells for cell in row)
    width = max(len(row) for row in cells) * (column_px + _GAP_PX) - _GAP_PX
    strips = [_text_strip(title, width, _TITLE_SIZE_PX, theme)] if title else []
    for row, texts, row_title in zip(cells, labels, row_titles, strict=True):
        if row_title:
            strips.append(_text_strip(row_title, width, _LABEL_SIZE_PX, theme))
        strips.append(_row_strip(row, texts, column_px, width, theme))
    return _stack(strips, theme.background)


def thumbnail(image_hwc: Tensor) -> Tensor:
    """Return a small copy, [h, w, 3] uint8, for the sheet."""
    picture = to_pil(image_hwc)
    picture.thumbnail((_THUMBNAIL_PX, _THUMBNAIL_PX), Image.Resampling.LANCZOS)
    return torch.from_numpy(np.array(picture))


def show_erased(image_hwc: Tensor, hole_mask_hw: Tensor) -> Tensor:
    """Return the picture, [H, W, 3] in [0, 1], with grey in the hole."""
    return torch.lerp(image_hwc, torch.full_like(image_hwc, _GREY), hole_mask_hw[:, :, None])


def _stack(strips: list[Image.Image], background: tuple[int, int, int]) -> Image.Image:
    """Strips of one width, one beneath the other, with a margin around them."""
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
    """Cells that stand on one line, and their labels beneath."""
    line = max((cell.height for cell in cells), default=0)
    texts = [_text_strip(label, column_px, _LABEL_SIZE_PX, theme) for label in labels]
    height = line + (texts[0].height if any(labels) else 0)
    strip = Image.new("RGB", (width, height), theme.background)
    for index, (cell, text) in enumerate(zip(cells, texts, strict=True)):
        x = index * (column_px + _GAP_PX)
        strip.paste(cell, (x, line - cell.height))
        strip.paste(text, (x, line))  # beyond the strip's edge where the row has no labels
    return strip


def _text_strip(text: str, width: int, size_px: int, theme: _Theme) -> Image.Image:
    """One line of text, shortened to the width, on ground that is as high for any text."""
    font = _font(size_px)
    strip = Image.new("RGB", (width, round(size_px * 1.5)), theme.background)
    middle = strip.height / 2
    shown = _shorten(text, width, font)
    if isinstance(font, ImageFont.FreeTypeFont):
        ImageDraw.Draw(strip).text((0, middle), shown, theme.text, font, anchor="lm")
    else:
        ImageDraw.Draw(strip).text((0, 0), shown, theme.text, font)
    return strip


def _check_counts(
    pictures: list[list[Image.Image]], labels: _Labels, row_titles: Sequence[str]
) -> None:
    counts = [len(row) for row in pictures]
    if sum(counts) == 0:
        raise InputError("at least one picture", "none", "Give rows of pictures.")
    if [len(row) for row in labels] != counts:
        raise InputError(
            f"as many labels as pictures, by row {counts}",
            f"{[len(row) for row in labels]}",
            "Give one label per picture; it may be empty.",
        )
    if len(row_titles) != len(counts):
        raise InputError(
            f"{len(counts)} row titles", f"{len(row_titles)}", "Give one per row; it may be empty."
        )


def _cell_side(pictures: list[list[Image.Image]], cell_px: int | None) -> int:
    if cell_px is not None:
        check_int(cell_px, "cell_px", 16, 4096)
        return cell_px
    longest = max(max(picture.size) for row in pictures for picture in row)
    return min(max(longest, _SMALLEST_CELL_PX), _LARGEST_CELL_PX)


def _fit(picture: Image.Image, side: int) -> Image.Image:
    """Scale until the longer side fills the cell."""
    longest = max(picture.size)
    if longest == side:
        return picture
    width, height = (max(1, round(length * side / longest)) for length in picture.size)
    return picture.resize((width, height), Image.Resampling.LANCZOS)


def _font(size_px: int) -> _Font:
    try:
        return ImageFont.load_default(size=size_px)
    except (ImportError, OSError):  # Pillow without FreeType has one bitmap font only
        return ImageFont.load_default()


def _shorten(text: str, width: int, font: _Font) -> str:
    """The text, or as much of its beginning as fits, with an ellipsis."""
    text = " ".join(text.split())
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(text + _ELLIPSIS) > width:
        text = text[:-1]
    return text.rstrip() + _ELLIPSIS
