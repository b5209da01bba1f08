"""Names of files in the model folder: models, directions, and what other programs wrote.

Workflows store these names. Only listed names have a path, so a name in a shared workflow cannot
leave the folders.
"""

from collections.abc import Sequence
from pathlib import Path

from . import host

DIRECTION_FOLDER = "directions"
"""Folder of direction files in the model folder."""


def model_files() -> list[str]:
    """Return the names of the model files, relative to the model folder, sorted."""
    return [name for name in _files() if not _is_direction(name)]


def foreign_files() -> list[str]:
    """Return the names of files that have to be converted first, as `model_files` does."""
    return [name for name in _files(host.FOREIGN_SUFFIXES) if not _is_direction(name)]


def direction_files() -> list[str]:
    """Return the names of the direction files, relative to the model folder, sorted."""
    return [name for name in _files() if _is_direction(name)]


def _is_direction(name: str) -> bool:
    return name.replace("\\", "/").startswith(f"{DIRECTION_FOLDER}/")


def _files(suffixes: tuple[str, ...] = (host.MODEL_SUFFIX,)) -> list[str]:
    return [name for name in host.model_folder_files() if name.endswith(suffixes)]


def file_path(name: str) -> Path | None:
    """Return the path of a name from `model_files` or `direction_files`; None for other names."""
    return _path_in(_files(), name)


def foreign_path(name: str) -> Path | None:
    """Return the path of a name from `foreign_files`; None for other names."""
    return _path_in(foreign_files(), name)


def direction_name(file: str) -> str:
    """Return the bare name of a direction file from `direction_files`: w, or faces/w."""
    inner = file.replace("\\", "/").removeprefix(f"{DIRECTION_FOLDER}/")
    return inner.removesuffix(host.MODEL_SUFFIX)


def direction_path(name: str) -> Path | None:
    """Return the path of a direction by its bare name or that of its file; None if unknown."""
    return _path_in(direction_files(), f"{DIRECTION_FOLDER}/{name}{host.MODEL_SUFFIX}", name)


def listed_name(name: str, names: Sequence[str]) -> str | None:
    """Return a name of the list, which a workflow may give with the other system's separators."""
    if name in names:
        return name
    wanted = name.replace("\\", "/")
    return next((listed for listed in names if listed.replace("\\", "/") == wanted), None)


def _path_in(files: Sequence[str], *names: str) -> Path | None:
    """Return the path of the first name that is listed."""
    found = next(filter(None, (listed_name(name, files) for name in names)), None)
    return None if found is None else host.model_folder_path(found)
