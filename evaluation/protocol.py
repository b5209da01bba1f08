"""The pictures and masks that all methods are measured on, fixed and written out.

Legend: n pictures, R their side in pixels.
"""

from collections import Counter
from dataclasses import dataclass
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

LEAST_PICTURES = 3
"""Fewer have no two other photographs to paste."""

_LEAST_RESOLUTION_PX = 16


@dataclass(frozen=True, eq=False)
class Pairs:
    """Pictures with one hole each."""

    names: tuple[str, ...]
    """File names without ending, unlike each other even where case does not count."""
    originals: Tensor
    """[n, 3, R, R] uint8."""
    holes: Tensor
    """[n, 1, R, R] bool, True = fill."""


def make_pairs(
    data: Path, resolution: int, masks: str, seed: int, count: int | None = None
) -> Pairs:
    """Read pictures and draw their masks.

    A picture has the same mask whatever the count.

    Args:
        data: folder or zip of pictures, see `load_images`.
        resolution: R, a power of two, at least 16.
        masks: a sampler of `sample_hole_masks`.
        seed: of the masks.
        count: so many pictures, evenly spread over all by name; None or more than there are for
            all.

    Raises:
        InputError: unusable data, fewer than three pictures, or a number out of range.
    """
    check_int(resolution, "resolution", _LEAST_RESOLUTION_PX, 8192)
    if resolution & (resolution - 1):
        raise InputError("a power of two as resolution", str(resolution), "Choose 64 or 128.")
    files, originals = load_images(data, resolution)
    num = len(files) if count is None else min(count, len(files))
    if num < LEAST_PICTURES:
        raise InputError(
            f"at least {LEAST_PICTURES} pictures to measure on", str(num), "Give more pictures."
        )
    index = torch.arange(num) * len(files) // num
    holes = [sample_hole_masks(masks, 1, resolution, seed, first=i) for i in index.tolist()]
    names = _unique_names([files[i] for i in index.tolist()])
    return Pairs(names, originals[index], torch.cat(holes) > 0)


def _unique_names(files: list[str]) -> tuple[str, ...]:
    """Return each path without ending, its folders joined by underscores."""
    names = ["_".join(PurePosixPath(file).with_suffix("").parts) for file in files]
    counts = Counter(name.casefold() for name in names)
    twice = [name for name in names if counts[name.casefold()] > 1]
    if twice:
        raise InputError(
            "pictures with different names, endings aside", f"{twice[0]} twice", "Rename one."
        )
    return tuple(names)


def write_pairs(pairs: Pairs, folder: Path) -> None:
    """Write pictures/NAME.png and masks/NAME.png (white = fill) for other methods to run on.

    Raises:
        InputError: the folder cannot be written to, or holds other pictures or masks, which
            results of other methods may have been made for.
    """
    for kind, images in (("pictures", pairs.originals), ("masks", pairs.holes.byte() * 255)):
        place = folder / kind
        prepare_folder(place)
        wanted = {
            place / f"{name}.png": image.movedim(0, -1)
            for name, image in zip(pairs.names, images, strict=True)
        }
        others = [path for path in place.glob("*.png") if not _holds(path, wanted.get(path))]
        if others:
            raise InputError(
                f"{place} to be new, or of an evaluation of the same pictures and masks",
                f"others in it, such as {min(others).name}",
                "Give another folder for the results, or the options that this one was made with.",
            )
        for path, image in wanted.items():
            write_png(path, image)


def _holds(path: Path, wanted: Tensor | None) -> bool:
    """Tell whether a file has these levels [R, R, C]."""
    if wanted is None:
        return False
    levels = image_to_uint8(read_image(path).image[0])
    return levels.shape[:2] == wanted.shape[:2] and bool((levels == wanted).all())
