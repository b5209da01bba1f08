"""The images and masks that all methods are measured on, fixed and written out.

Legend: n images, R their side in pixels.
"""

from collections import Counter
from pathlib import Path, PurePosixPath

import torch
from torch import Tensor

from ..core.checks import check_int
from ..core.dataset import load_images
from ..core.errors import InputError
from ..core.files import prepare_folder
from ..core.image import image_to_uint8
from ..core.image_files import read_image, write_png
from ..core.masks import sample_hole_masks
from .types import Pairs

MIN_IMAGES = 3
"""The baseline other-photo needs two others for each image."""

_MIN_RESOLUTION_PX = 16


def make_pairs(
    data: Path, resolution: int, masks: str, seed: int, count: int | None = None
) -> Pairs:
    """Read images and draw their masks; an image has the same mask whatever the count.

    Args:
        data: folder or zip of images, see `load_images`.
        resolution: R, a power of two, at least 16.
        masks: a sampler of `sample_hole_masks`.
        seed: of the masks.
        count: number of images, evenly spaced by name; None or too large a number for all.

    Raises:
        InputError: unusable data, fewer than three images, or a number out of range.
    """
    check_int(resolution, "resolution", _MIN_RESOLUTION_PX, 8192)
    if resolution & (resolution - 1):
        expected = "a resolution that is a power of two"
        raise InputError(expected, str(resolution), "Choose 64 or 128, for example.")
    files, originals = load_images(data, resolution)
    num = len(files) if count is None else min(count, len(files))
    if num < MIN_IMAGES:
        raise InputError(f"at least {MIN_IMAGES} images to measure on", str(num), "Add some.")
    index = torch.arange(num) * len(files) // num
    holes = [sample_hole_masks(masks, 1, resolution, seed, first=i) for i in index.tolist()]
    names = _unique_names([files[i] for i in index.tolist()])
    return Pairs(names, originals[index], torch.cat(holes) > 0)


def _unique_names(files: list[str]) -> tuple[str, ...]:
    """Return each path without suffix, its folders joined by underscores."""
    names = ["_".join(PurePosixPath(file).with_suffix("").parts) for file in files]
    counts = Counter(name.casefold() for name in names)
    twice = [name for name in names if counts[name.casefold()] > 1]
    if twice:
        raise InputError(
            "images whose names differ without their extensions",
            f"{twice[0]} twice",
            "Rename one of them.",
        )
    return tuple(names)


def write_pairs(pairs: Pairs, folder: Path) -> None:
    """Write pictures/NAME.png and masks/NAME.png (white = fill) for other methods to run on.

    Raises:
        InputError: the folder cannot be written to, or holds other images or masks, for which
            another method's results may exist.
    """
    for kind, images in (("pictures", pairs.originals), ("masks", pairs.holes.byte() * 255)):
        place = folder / kind
        prepare_folder(place)
        paths = [place / f"{name}.png" for name in pairs.names]
        expected = dict(zip(paths, images.movedim(1, -1), strict=True))
        others = [p for p in place.glob("*.png") if not _contains(p, expected.get(p))]
        if others:
            raise InputError(
                f"{place} to be empty, or from an evaluation on the same images and masks",
                f"other files such as {min(others).name}",
                "Choose another folder, or the options that this one was made with.",
            )
        for path, image in expected.items():
            write_png(path, image)


def _contains(path: Path, expected: Tensor | None) -> bool:
    """Return whether a file holds exactly this image [R, R, C] uint8."""
    return expected is not None and torch.equal(
        image_to_uint8(read_image(path).image[0]), expected.expand(-1, -1, 3)
    )
