"""Where a model comes from: bundled with the pack, a file, or the Hugging Face hub."""

import re
from pathlib import Path

from ..errors import CheckpointError
from ..printable import shown
from .container import SUFFIX

WEIGHTS_FOLDER = Path(__file__).resolve().parent.parent / "weights"
"""Folder of the models that come with the pack."""

HUB_FILE = "model.safetensors"
"""File that an id without a file name means."""

_NAME = r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,94}[A-Za-z0-9])?"
_HUB_ID = re.compile(rf"({_NAME}/{_NAME}(?<!\{SUFFIX}))(?:/((?:{_NAME}/)*{_NAME}\{SUFFIX}))?")

_EXPECTED = "a bundled model's name, a .safetensors file, or a hub id like owner/name"


def bundled_names() -> tuple[str, ...]:
    """Return the names of the models that come with the pack, sorted."""
    return tuple(sorted(path.stem for path in WEIGHTS_FOLDER.glob(f"*{SUFFIX}")))


def resolve_source(source: str | Path, download: bool = False) -> Path:
    """Return the file that a source means.

    1. The name of a bundled model; 2. the path of a file; 3. a hub id: `owner/name` (its
    model.safetensors) or `owner/name/file.safetensors`, from the local hub cache, or downloaded
    when the caller allows it.

    Args:
        source: as above; a Path is never a name or a hub id.
        download: whether the network may be used.

    Raises:
        CheckpointError: it is none of them, is not there, or would have to be downloaded.
    """
    if isinstance(source, str) and source in bundled_names():
        return WEIGHTS_FOLDER / f"{source}{SUFFIX}"
    path = _path(source)
    if source and path.is_file():
        return path
    is_folder = bool(source) and path.is_dir()
    match = _HUB_ID.fullmatch(source) if isinstance(source, str) and not is_folder else None
    if match is None:
        got = f"the folder {source}" if is_folder else f"{str(source)!r}"
        names = ", ".join(bundled_names()) or "none"
        raise CheckpointError(_EXPECTED, got, f"Check the spelling; bundled models: {names}.")
    repository, filename = match.group(1), match.group(2) or HUB_FILE
    return _from_hub(repository, filename, download)


def _path(source: str | Path) -> Path:
    try:
        path = Path(source).expanduser()
    except (TypeError, RuntimeError) as error:  # RuntimeError: no such user's home
        raise CheckpointError(_EXPECTED, f"{shown(source)} ({error})", "Check the name.") from error
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return path
    except (ValueError, OSError) as error:  # ValueError: a zero byte
        raise CheckpointError(_EXPECTED, f"{shown(source)} ({error})", "Check the name.") from error
    return path


def _from_hub(repository: str, filename: str, download: bool) -> Path:
    try:
        from huggingface_hub import hf_hub_download
        from huggingface_hub.errors import LocalEntryNotFoundError
    except ImportError as error:
        raise CheckpointError(
            "the huggingface-hub package for a model from the hub",
            f"{repository} without it",
            "Install it (pip install huggingface-hub), or give a file.",
        ) from error
    try:
        return Path(hf_hub_download(repository, filename, local_files_only=not download))
    except LocalEntryNotFoundError as error:
        raise _absent(repository, filename, download) from error
    except Exception as error:  # the types depend on the package's version and HTTP library
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
        raise CheckpointError(
            f"to download {filename} from {repository}",
            f"{type(error).__name__} ({reason})",
            "Check the id, your connection and your rights to the model.",
        ) from error


def _absent(repository: str, filename: str, download: bool) -> CheckpointError:
    wanted = f"{filename} of {repository} from the hub"
    if download:
        return CheckpointError(wanted, "no connection and no copy on this machine", "Try again.")
    return CheckpointError(
        f"a file or a bundled model, or {wanted} in the local cache",
        "no file of that name, and no permission to download",
        "Check the path, or allow the download (--download, or download=True).",
    )
