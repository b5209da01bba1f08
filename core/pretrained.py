"""Published weights of other people's networks: found on disk, or downloaded on request."""

import hashlib
import pickle
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlparse

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from .errors import CheckpointError
from .printable import get_logger

_log = get_logger(__name__)


@dataclass(frozen=True)
class PublishedWeights:
    """A file that its authors publish at a permanent address."""

    title: str
    """What it is, for messages."""
    url: str
    """Where it is."""
    sha256: str
    """Its SHA-256, or at least the first eight digits, which end PyTorch's file names."""

    @property
    def filename(self) -> str:
        """The name under which PyTorch's own programs store it as well."""
        return Path(urlparse(self.url).path).name


def obtain(published: PublishedWeights) -> Path:
    """Return the file in PyTorch's download folder; download it if it is not there.

    Call it only if the user has agreed to a download.

    Raises:
        CheckpointError: the download failed, or the file has another hash.
    """
    path = Path(torch.hub.get_dir()) / "checkpoints" / published.filename
    if path.is_file():
        _require_published(path, published)
        return path
    _log.info("downloading %s from %s", published.title, published.url)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.hub.download_url_to_file(published.url, str(path), published.sha256)
    except (OSError, RuntimeError) as error:  # RuntimeError: the hash is not the published one
        reason = f"{type(error).__name__} ({error})"
        raise CheckpointError(
            f"to download {published.title} from {published.url}",
            reason,
            f"Check your connection, or put {published.filename} into {path.parent} yourself.",
            problem=f"Downloading {published.title} from {published.url} failed: {reason}.",
        ) from error
    return path


def _require_published(path: Path, published: PublishedWeights) -> None:
    sha256 = sha256_of(path)
    if not sha256.startswith(published.sha256):
        raise CheckpointError(
            f"{published.title} with SHA-256 {published.sha256}",
            f"{path} with {sha256}",
            "Delete the file and download it again.",
        )


def sha256_of(path: Path) -> str:
    """Return a file's SHA-256 in hexadecimal digits.

    Raises:
        CheckpointError: the file cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise CheckpointError(
            "a file of network weights",
            f"{path}: {error.strerror}",
            "Check the path.",
            problem=f"Cannot read {path}: {error.strerror}.",
        ) from error


def read_state(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a .safetensors file or of a PyTorch state dict, by name.

    No code from the file is run.

    Raises:
        CheckpointError: the file is missing, damaged or not a flat mapping of names to tensors.
    """
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, EOFError, RuntimeError, pickle.UnpicklingError, SafetensorError) as error:
        raise _not_a_state(path, _first_line(error)) from error
    if not isinstance(state, dict) or not all(isinstance(t, Tensor) for t in state.values()):
        raise _not_a_state(path, f"a {type(state).__name__} of other things")
    return state


def _not_a_state(path: Path, reason: str) -> CheckpointError:
    return CheckpointError(
        "a state dict, which maps names to tensors and holds nothing else",
        f"{path} ({reason})",
        "Use the weights as their authors publish them.",
    )


def wrong_network(published: PublishedWeights, path: Path, error: Exception) -> CheckpointError:
    """Return the error for a state dict that does not fit the network that was to load it."""
    return CheckpointError(
        f"the weights of {published.title}",
        f"{path}, which do not fit ({_first_line(error)})",
        f"Use {published.filename}.",
    )


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
