"""Files that are written whole or not at all, and folders for results."""

import contextlib
import os
import re
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from .errors import InputError

_DRAFT_NAME = 55  # characters of up to four bytes: file systems allow 255 bytes

# What Windows has in no name, and the names of its devices, which count whatever follows the dot.
_FORBIDDEN = re.compile('[\\x00-\\x1f<>:"/\\\\|?*]|[. ]+$')
_DEVICE = re.compile(
    r"(?:con|prn|aux|nul|conin\$|conout\$|(?:com|lpt)[0-9\u00b9\u00b2\u00b3])(?= *(?:\.|$))",
    re.IGNORECASE,
)


def atomic_write(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Write a file so that a reader, even after a crash, sees the old one or the whole new one.

    Args:
        path: the file; its folder exists.
        write: writes the content to an open binary file.

    Raises:
        OSError: the file cannot be written; the old one is unchanged.
    """
    draft = draft_of(path)
    try:
        with draft.open("xb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        publish(draft, path)
    finally:
        draft.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a text file in UTF-8 with `atomic_write`; line ends are written as given."""
    atomic_write(path, lambda file: file.write(text.encode()))


def draft_of(path: Path) -> Path:
    """Return a new hidden name beside path, for a file to write and then to `publish`."""
    name = path.name[:_DRAFT_NAME]
    return path.with_name(f".{name}.{secrets.token_hex(4)}.tmp")


def publish(draft: Path, path: Path) -> None:
    """Rename a finished draft; after a power cut the folder holds the old file or this one.

    Raises:
        OSError: the file cannot be replaced.
    """
    os.replace(draft, path)
    if os.name == "posix":  # elsewhere a folder cannot be opened
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def portable_name(name: str) -> str:
    """Return the name of a file or folder as every system can write it; most stay as they are.

    Characters that Windows has in no name become underscores, and so do dots and spaces at the end;
    names of devices, such as CON, get one in front.
    """
    name = _FORBIDDEN.sub("_", name)
    return f"_{name}" if _DEVICE.match(name) else name


def find_drafts(folder: Path) -> list[Path]:
    """Return the drafts that killed writers left behind, in a folder nobody is writing to."""
    return sorted(folder.glob(".*.????????.tmp"))


@contextlib.contextmanager
def explain_writing(path: Path, remedy: str) -> Iterator[None]:
    """Turn an OSError in the block into an InputError that says what could not be written."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        problem = f"Cannot write to {path}: {reason}."
        raise InputError(f"{path} to be writable", reason, remedy, problem=problem) from error


def prepare_folder(out: Path) -> None:
    """Create a folder for results, and check that it is writable.

    Raises:
        InputError: it cannot be created or written to.
    """
    probe = draft_of(out / "diverse-inpainting")
    with explain_writing(out, "Choose another folder for the results."):
        out.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink()
