"""Colour with 16 bits per channel, which Pillow cuts to 8: read with OpenCV where there is one.

Legend: H x W pixels, C channels (3, or 4 with alpha).
"""

from types import ModuleType

import numpy as np
from PIL import Image

DEEP_MODES = ("I", "I;16", "I;16B", "I;16L", "I;16N", "F")
"""Pillow's modes of grey with more than 8 bits, of which it cuts nothing."""


def opencv() -> ModuleType | None:
    """Return OpenCV, or None where it is not installed."""
    try:
        import cv2
    except ImportError:
        return None
    return cv2


def is_cut(image: Image.Image) -> bool:
    """Return whether Pillow will cut an opened image, not yet loaded, to 8 bits per channel."""
    if image.mode in DEEP_MODES:
        return False
    for tile in image.tile:  # type: ignore[attr-defined]
        arguments = tile[3] if isinstance(tile[3], tuple) else (tile[3],)
        for argument in arguments[:2]:
            if isinstance(argument, str) and ";16" in argument:
                return True
            if tile[0] == "ppm" and isinstance(argument, int) and argument > 255:
                return True
    return False


def read_deep(data: bytes, cut: Image.Image, turn: Image.Transpose | None) -> np.ndarray | None:
    """Return all 16 bits of an image whose upper 8 bits are known; None where they do not agree.

    Args:
        data: the file.
        cut: what Pillow read, upright.
        turn: what turned it upright.

    Returns:
        [H, W, C] uint16, or None; None without OpenCV, too.
    """
    cv2 = opencv()
    if cv2 is None:
        return None
    try:
        found = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error:
        return None
    if found is None or found.dtype != np.uint16 or found.ndim != 3:
        return None
    deep = _swapped(found)
    shown = np.asarray(cut.convert("RGBA" if deep.shape[2] == 4 else "RGB"))
    for candidate in (_turned(deep, turn), deep):  # OpenCV turns some TIFFs itself
        if candidate.shape == shown.shape and np.array_equal(candidate >> 8, shown):
            return np.ascontiguousarray(candidate)
    return None


def _swapped(pixels: np.ndarray) -> np.ndarray:
    """Swap red and blue: OpenCV's order is BGR."""
    return pixels[..., [2, 1, 0, 3][: pixels.shape[2]]]


def _turned(pixels: np.ndarray, turn: Image.Transpose | None) -> np.ndarray:
    """Do to an array what `Image.transpose` does to an image."""
    T = Image.Transpose
    if turn in (T.TRANSPOSE, T.TRANSVERSE):
        pixels = pixels.swapaxes(0, 1)
        return pixels if turn == T.TRANSPOSE else pixels[::-1, ::-1]
    if turn in (T.FLIP_LEFT_RIGHT, T.FLIP_TOP_BOTTOM):
        return pixels[:, ::-1] if turn == T.FLIP_LEFT_RIGHT else pixels[::-1]
    quarters = {T.ROTATE_90: 1, T.ROTATE_180: 2, T.ROTATE_270: 3}
    return pixels if turn is None else np.rot90(pixels, quarters[turn])
