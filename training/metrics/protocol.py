"""The pictures and masks that all methods are measured on, fixed and written out.

Legend: n pictures, R their side in pixels.
"""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import torch
from torch import Tensor

from ...core.checks import check_int
from ...core.errors import InputError
from ...core.masks import sample_hole_masks
from ...core.pictures import write_png
from ...core.result_files import prepare_folder
from ..data import load_pictures

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
        data: folder or zip of pictures, see `load_pictures`.
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
    files, originals = load_pictures(data, resolution)
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
        InputError: the folder cannot be written to, or holds other pictures.
    """
    for kind, images in (("pictures", pairs.originals), ("masks", pairs.holes.byte() * 255)):
        place = folder / kind
        prepare_folder(place)
        foreign = {path.stem for path in place.glob("*.png")} - set(pairs.names)
        if foreign:
            raise InputError(
                f"{place} to be new, or of an evaluation of the same pictures",
                f"other pictures in it, such as {min(foreign)}",
                "Give another folder for the results.",
            )
        for name, image in zip(pairs.names, images, strict=True):
            write_png(place / f"{name}.png", image.movedim(0, -1))
