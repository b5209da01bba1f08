"""Which image and mask files are meant by the paths that were given."""

import glob
import unicodedata
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ..core.errors import InputError
from ..core.image_listing import SUFFIXES, is_image_name, list_images

_MASK_ENDINGS = ("_mask", "-mask", ".mask")


@dataclass(frozen=True)
class FoundImage:
    """A file that was asked for, and its place in the folder that it came from."""

    path: Path
    folder: Path = Path()
    """Relative to that folder; results go to the same place of the output folder."""

    @property
    def key(self) -> str:
        """By which masks of a folder belong to it."""
        return key_of(self.folder / self.path.stem)


@dataclass(frozen=True)
class FoundMasks:
    """The masks that were given."""

    files: tuple[Path, ...] = ()
    """Masks for every image."""
    by_key: dict[str, list[Path]] = field(default_factory=lambda: defaultdict(list))
    """Masks of a folder, by the place and name of their image there."""
    folder: Path | None = None

    @property
    def all(self) -> tuple[Path, ...]:
        """Every mask once."""
        return (*self.files, *(path for paths in self.by_key.values() for path in paths))


def find_images(
    sources: Sequence[Path], *, recursive: bool
) -> tuple[list[FoundImage], dict[Path, str]]:
    """Return the images that files, folders and patterns stand for.

    Returns:
        Images, masks among them, and what is left aside, with the reason.

    Raises:
        InputError: a path that does not exist, or a pattern that nothing matches.
    """
    images: dict[Path, FoundImage] = {}  # by path: overlapping patterns name a file once
    left_aside: dict[Path, str] = {}
    for source in sources:
        for path in _expand(source):
            if path.is_file():
                images[path] = FoundImage(path)
                continue
            listing = list_images(path, recursive=recursive)
            left_aside |= listing.left_aside
            images |= {p: FoundImage(p, p.parent.relative_to(path)) for p in listing.images}
    return list(images.values()), left_aside


def _expand(source: Path) -> list[Path]:
    """Return the source itself, or what a pattern stands for: not every shell expands them."""
    if source.exists():
        return [source]
    found = sorted(map(Path, glob.glob(str(source), recursive=True)))
    if not found:
        raise _absent("image", source)
    return found


def find_masks(masks: Sequence[Path], *, recursive: bool) -> FoundMasks:
    """Return the masks that files or one folder stand for.

    Raises:
        InputError: one does not exist, a folder beside other masks, or a folder without masks.
    """
    for mask in masks:
        if not mask.exists():
            raise _absent("mask", mask)
    folders = [mask for mask in masks if mask.is_dir()]
    if not folders:
        return FoundMasks(tuple(dict.fromkeys(masks)))
    if len(masks) > 1:
        raise InputError(
            "mask files, or one folder of masks",
            ", ".join(map(str, masks)),
            "Put the masks into one folder.",
        )
    found = FoundMasks(folder=folders[0])
    for path in list_images(folders[0], recursive=recursive).images:
        place = path.parent.relative_to(folders[0])
        found.by_key[key_of(place / _without_ending(path.stem))].append(path)
    if not found.by_key:
        raise InputError(
            "masks in the folder",
            f"none in {folders[0]}",
            "Check the path.",
            problem=f"The folder {folders[0]} contains no masks ({', '.join(SUFFIXES)}).",
        )
    return found


def _absent(kind: str, path: Path) -> InputError:
    return InputError(
        f"an existing {kind} or folder",
        str(path),
        "Check the path.",
        problem=f"The {kind} or folder {path} does not exist.",
    )


def without_masks(
    images: Sequence[FoundImage], given: FoundMasks, left_aside: dict[Path, str]
) -> list[FoundImage]:
    """Return the images that are no masks; the masks are added to what is left aside."""
    masks = {path.resolve() for path in given.all}
    names = {image.key for image in images}
    kept = []
    for image in images:
        owner = key_of(image.folder / _without_ending(image.path.stem))
        if image.path.resolve() in masks or (owner != image.key and owner in names):
            left_aside[image.path] = "a mask"
        else:
            kept.append(image)
    return kept


def masks_beside(images: Sequence[FoundImage]) -> dict[Path, Path]:
    """Return the masks beside images, NAME_mask, by the path of their image."""
    by_name: dict[tuple[Path, str], Path] = {}
    for folder in {image.path.parent for image in images}:  # each is listed once: they can be large
        for path in sorted(folder.glob("*")):
            name = _without_ending(path.stem)
            if name != path.stem and is_image_name(path):
                by_name.setdefault((folder, key_of(Path(name))), path)
    owners = ((image.path, (image.path.parent, key_of(Path(image.path.stem)))) for image in images)
    return {path: by_name[owner] for path, owner in owners if owner in by_name}


def key_of(path: Path) -> str:
    """Return a name as file systems see it that ignore case and compose accents."""
    return unicodedata.normalize("NFC", path.as_posix()).casefold()


def _without_ending(stem: str) -> str:
    for ending in _MASK_ENDINGS:
        if stem.lower().endswith(ending) and len(stem) > len(ending):
            return stem[: -len(ending)]
    return stem
