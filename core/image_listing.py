"""Which files of folders, zips and lists are images, and why the others are not.

The same rules for every command: hidden files and folders are left aside, linked folders are
followed, zips with names that lead out of them are refused.
"""

import functools
import os
import struct
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePath, PurePosixPath

from .errors import InputError

# fmt: off
SUFFIXES = (
    ".png", ".apng", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".avif", ".bmp", ".dib", ".tif",
    ".tiff", ".gif", ".jp2", ".j2k", ".jpx", ".tga", ".ppm", ".pgm", ".pbm", ".pnm",
)
"""Extensions of the files that are read as images."""

_FOREIGN = (
    ".heic", ".heif", ".jxl", ".psd", ".xcf", ".kra", ".svg", ".exr", ".hdr", ".raw", ".dng",
    ".cr2", ".cr3", ".nef", ".arw", ".orf", ".rw2",
)  # images that this library cannot read
# fmt: on

_MAX_ENTRY_BYTES = 2**28  # of a zip, unpacked: a few bytes can stand for gigabytes


@dataclass
class Listing:
    """The images of a folder or zip, sorted by name, and what was left aside."""

    images: list[Path] = field(default_factory=list)
    left_aside: dict[Path, str] = field(default_factory=dict)
    """Files and folders that are not among them, with the reason."""

    def add(self, path: Path) -> None:
        """Add a file, or leave it aside."""
        reason = reason_against(path)
        if reason is None:
            self.images.append(path)
        else:
            self.left_aside[path] = reason


def reason_against(name: str | PurePath) -> str | None:
    """Return why a file of this name is not read as an image; None if it is."""
    path = PurePath(name)
    if path.name.startswith("."):
        return "hidden"  # macOS puts a hidden ._ file beside every image that it packs
    if path.suffix.lower() in SUFFIXES:
        return None
    if path.suffix.lower() in _FOREIGN:
        return f"{path.suffix.lower()} files cannot be read; save it as PNG"
    return "not an image"


def is_image_name(name: str | PurePath) -> bool:
    """Return whether a file is read as an image: one of `SUFFIXES`, and not hidden."""
    return reason_against(name) is None


def list_images(folder: Path, *, recursive: bool) -> Listing:
    """Return the images of a folder by name.

    Args:
        folder: exists.
        recursive: whether to search subfolders, linked ones too; each folder is read once.
    """
    listing = Listing()
    seen: set[Path] = set()
    for where, folders, files in os.walk(folder, followlinks=True):
        here = Path(where)
        seen.add(here.resolve())
        for name in files:
            listing.add(here / name)
        for name in list(folders):
            reason = _reason_against_folder(here / name, seen, recursive)
            if reason is not None:
                folders.remove(name)
                listing.left_aside[here / name] = reason
        folders.sort()
    listing.images.sort()
    return listing


def _reason_against_folder(folder: Path, seen: set[Path], recursive: bool) -> str | None:
    if folder.name.startswith("."):
        return "hidden"
    if not recursive:
        return "a subfolder"
    return "a link to a folder that was already read" if folder.resolve() in seen else None


def image_files(source: Path) -> Iterator[tuple[str, Callable[[], bytes]]]:
    """Yield the images of a folder (recursively), zip or list, each with what reads its bytes.

    Those of a folder or zip are sorted by name. A list is a .txt file with one path on each line,
    relative to the list's folder; its order is kept. Yields nothing where there is none of these.

    Raises:
        InputError: a damaged zip, or one with a name that leads out of it; a list that names a file
            twice, or one that does not exist or is no image; reading an entry raises it if the
            entry has more than 256 MiB.
    """
    if source.is_dir():
        for path in list_images(source, recursive=True).images:
            yield path.relative_to(source).as_posix(), path.read_bytes
    elif is_image_list(source):
        for name, path in _listed(source).items():
            yield name, path.read_bytes
    elif zipfile.is_zipfile(source):
        with open_zip(source) as archive:
            names = sorted(archive.namelist())
            for name in names:
                _check_name(name, source)
            for name in filter(_is_image_entry, names):
                yield name, functools.partial(_read_entry, archive, name)


def is_image_list(source: Path) -> bool:
    """Return whether a file is read as a list of images."""
    return source.suffix.lower() == ".txt" and source.is_file()


def _listed(source: Path) -> dict[str, Path]:
    """Return the images that a list names, in its order, and where they are."""
    try:
        lines = source.read_text("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise _bad_line(source, f"bytes that are not UTF-8 ({error.reason})") from error
    images: dict[str, Path] = {}
    for name in filter(None, map(str.strip, lines)):
        path, reason = source.parent / name, reason_against(name)
        if name in images:
            raise _bad_line(source, f"{name!r} twice")
        if reason is not None or not path.is_file():
            raise _bad_line(source, f"{name!r} ({reason or 'no such file'})")
        images[name] = path
    return images


def _bad_line(source: Path, got: str) -> InputError:
    return InputError(
        "a list with the path of one image on each line, relative to the list's folder",
        f"{got} in {source}",
        "Correct the list.",
    )


def open_zip(source: Path) -> zipfile.ZipFile:
    """Open a zip for reading.

    Raises:
        InputError: it is damaged.
    """
    try:
        return zipfile.ZipFile(source)
    except (zipfile.BadZipFile, ValueError, NotImplementedError, struct.error) as error:
        raise InputError(
            "a zip file of images",
            f"{source}, which is damaged ({error})",
            "Copy or download it again, or pack the images anew.",
            problem=f"The zip {source} is damaged ({error}).",
        ) from error


def _is_image_entry(name: str) -> bool:
    *folders, file = PurePosixPath(name).parts or ("",)
    return is_image_name(file) and not any(folder.startswith(".") for folder in folders)


def _check_name(name: str, source: Path) -> None:
    parts = PurePosixPath(name.replace("\\", "/")).parts
    if ".." in parts or name.startswith(("/", "\\")) or name[1:2] == ":":
        raise InputError(
            f"names inside the zip {source}",
            repr(name),
            "Do not trust this file; pack the images again.",
            problem=f"The zip {source} has an entry that leads out of it, {name!r}.",
        )


def _read_entry(archive: zipfile.ZipFile, name: str) -> bytes:
    size = archive.getinfo(name).file_size  # reading stops there, whatever the data say
    if size > _MAX_ENTRY_BYTES:
        raise InputError(
            f"zip entries of at most {_MAX_ENTRY_BYTES >> 20} MiB",
            f"{size >> 20} MiB in {name}",
            "Scale the image down.",
        )
    return archive.read(name)
