"""The images and masks that all methods are measured on, fixed and written out.

Legend: n images, R their side in pixels.
"""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from ..core.checks import check_choice, check_int
from ..core.errors import InputError
from ..core.files import prepare_folder
from ..core.image import image_to_uint8
from ..core.image_files import read_image, write_png
from ..core.masks import KINDS, checked_hole_range, sample_hole_masks
from .given_masks import MaskSet, joined, read_mask_set
from .images import Images, Storage, spread
from .photographs import names_of, read_photographs
from .types import Pairs

MIN_IMAGES = 3
"""The baseline other-photo needs two others for each image."""

_MIN_RESOLUTION_PX = 16


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """Which images, and which holes."""

    data: Path
    """Folder, zip or .txt list of photographs."""
    resolution: int
    """R, a power of two, at least 16."""
    masks: str = "paper"
    """A sampler of `sample_hole_masks`, or the path of masks for `read_mask_set`."""
    seed: int = 0
    """Of the sampler."""
    count: int | None = None
    """Number of images, evenly spaced by name; None or too large a number for all."""
    hole_range: tuple[float, float] = (0.0, 1.0)
    """Masks have low <= hole ratio < high."""
    inverted: bool = False
    """Whether given masks are black where the image is to be filled."""


class Selection(NamedTuple):
    """What a protocol comes to."""

    pairs: Pairs
    files: list[str]
    """The images' names in the data."""
    pairing: str
    """How masks were found: "sampled", or by "name" or "order"."""


def make_pairs(protocol: Protocol, storage: Storage, without: Collection[str] = ()) -> Selection:
    """Read images and draw or read their masks.

    A sampled mask depends on the image's position among all images of the data. Given masks belong
    to the images of the same names; if no image has one of its name, the k-th image that is
    measured gets the k-th mask within the range.

    Args:
        protocol: which images, and which holes.
        storage: keeps them.
        without: names of images to leave out.

    Raises:
        InputError: unusable data or masks, fewer than three images, a number out of range, or a
            range that too few masks meet.
    """
    _check(protocol)
    files = names_of(protocol.data)
    position = {file: i for i, file in enumerate(files)}
    candidates = [file for file in files if file not in without]
    given = None
    if protocol.masks not in KINDS:
        given = read_mask_set(
            Path(protocol.masks),
            protocol.resolution,
            inverted=protocol.inverted,
            storage=storage,
        )
    by_name = {} if given is None else _by_name(candidates, given)
    if given is not None and by_name:
        within = set(given.within(protocol.hole_range).tolist())
        candidates = [file for file in candidates if by_name[file] in within]
    chosen, originals = read_photographs(
        protocol.data, _counted(candidates, protocol.count), protocol.resolution, storage
    )
    if given is None:
        pairing, holes = "sampled", _sampled(protocol, [position[f] for f in chosen], storage)
    elif by_name:
        pairing, holes = "name", given.masks.at(torch.tensor([by_name[file] for file in chosen]))
    else:
        pairing, holes = "order", _in_order(protocol, given, len(chosen))
    return Selection(Pairs(_unique_names(chosen), originals, holes), chosen, pairing)


def _check(protocol: Protocol) -> None:
    R, masks = protocol.resolution, protocol.masks
    check_int(R, "resolution", _MIN_RESOLUTION_PX, 8192)
    if R & (R - 1):
        expected = "a resolution that is a power of two"
        raise InputError(expected, str(R), "Choose 64 or 128, for example.")
    checked_hole_range(protocol.hole_range)
    if masks not in KINDS and not Path(masks).exists():
        check_choice(masks, "sampler or path of masks", KINDS)
    if protocol.inverted and masks in KINDS:
        raise InputError(
            "masks from files, to be inverted",
            f"the sampler {masks!r}",
            "Leave --invert-masks out, or give a folder with --masks.",
        )


def _counted(files: Sequence[str], count: int | None) -> list[str]:
    """Return so many of the files."""
    num = len(files) if count is None else min(count, len(files))
    if num < MIN_IMAGES:
        raise InputError(
            f"at least {MIN_IMAGES} images to measure on",
            str(num),
            "Add some, or widen the range of hole ratios if there is one.",
        )
    return list(spread(files, num))


def _sampled(protocol: Protocol, positions: Sequence[int], storage: Storage) -> Images:
    R = protocol.resolution
    stored = storage.room(len(positions), 1, R, R, dtype=np.bool_)
    for k, position in storage.share(positions):
        hole = sample_hole_masks(
            protocol.masks, 1, R, protocol.seed, protocol.hole_range, first=position
        )
        stored.write(torch.tensor([k]), hole > 0)
    storage.meet()
    return stored.images


def _in_order(protocol: Protocol, given: MaskSet, num: int) -> Images:
    within = given.within(protocol.hole_range)
    if len(within) < num:
        low, high = protocol.hole_range
        raise InputError(
            f"a mask for each of {num} images, with a hole ratio in [{low:g}, {high:g})",
            f"{len(within)} among the {len(given.names)} of {protocol.masks}",
            f"Give --count {len(within)}, more masks or a wider range."
            if len(within) >= MIN_IMAGES
            else "Give more masks or a wider range.",
        )
    return given.masks.at(within[:num])


def _by_name(files: Sequence[str], given: MaskSet) -> dict[str, int]:
    """Return the position of each image's mask; nothing if no image has one of its name."""
    place = {name: i for i, name in enumerate(given.names) if name}
    if len(place) < sum(map(bool, given.names)):
        twice = next(name for name, number in Counter(given.names).items() if name and number > 1)
        expected = "masks whose names differ without their extensions"
        raise InputError(expected, f"{twice} twice", "Remove or rename one of them.")
    found: dict[str, int] = {}
    for name_of in (joined, _last_part):
        names = {name_of(file): file for file in files}
        if len(names) == len(files) and not found:
            found = {file: place[name] for name, file in names.items() if name in place}
    missing = [file for file in files if file not in found]
    if found and missing:
        raise InputError(
            "masks named as all the images, or as none of them",
            f"none named as {missing[0]}, and {len(found)} that are named as images",
            "Rename the masks, or measure only images that have one.",
        )
    return found


def _last_part(file: str) -> str:
    return PurePosixPath(file).stem


def _unique_names(files: Sequence[str]) -> tuple[str, ...]:
    names = [joined(file) for file in files]
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
    for kind, images in (("pictures", pairs.originals), ("masks", pairs.holes)):
        place = folder / kind
        prepare_folder(place)
        position = {place / f"{name}.png": i for i, name in enumerate(pairs.names)}
        present = sorted(place.glob("*.png"))
        others = [
            p for p in present if p not in position or not _contains(p, _shown(images, position[p]))
        ]
        if others:
            raise InputError(
                f"{place} to be empty, or from an evaluation on the same images and masks",
                f"other files such as {min(others).name}",
                "Choose another folder, or the options that this one was made with.",
            )
        for path in sorted(position.keys() - set(present)):
            write_png(path, _shown(images, position[path]))


def _shown(images: Images, position: int) -> Tensor:
    """[R, R, C] uint8; holes are white."""
    image = images[torch.tensor([position])][0].movedim(0, -1)
    return image.byte() * 255 if image.dtype == torch.bool else image


def _contains(path: Path, expected: Tensor) -> bool:
    """Return whether a file holds exactly this image [R, R, C] uint8."""
    found = image_to_uint8(read_image(path).image[0])
    return torch.equal(found, expected.expand(-1, -1, 3))
