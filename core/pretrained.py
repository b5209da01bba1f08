"""Published weights of other people's networks: found on the disk, or downloaded on request."""

import hashlib
import logging
import pickle
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlparse

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from .errors import CheckpointError

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class PublishedWeights:
    """A file that its authors offer under a fixed address."""

    title: str
    """What it is, for messages."""
    url: str
    """Where it lies."""
    sha256: str
    """Its SHA-256, or at least the first eight digits, which PyTorch's file names end in."""

    @property
    def filename(self) -> str:
        """The name under which PyTorch's own programs keep it, too."""
        return Path(urlparse(self.url).path).name


def obtain(published: PublishedWeights) -> Path:
    """Return published weights from PyTorch's folder of downloads, or download them there.

    Call it only where the user has agreed to a download.

    Raises:
        CheckpointError: no connection, or a file with another hash.
    """
    path = Path(torch.hub.get_dir()) / "checkpoints" / published.filename
    if path.is_file():
        check_published(path, published)
        return path
    _log.info("downloading %s from %s", published.title, published.url)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.hub.download_url_to_file(published.url, str(path), published.sha256)
    except (OSError, RuntimeError) as error:  # RuntimeError: another hash than the published one
        raise CheckpointError(
            f"to download {published.title} from {published.url}",
            f"{type(error).__name__} ({error})",
            f"Check your connection, or put {published.filename} into {path.parent} yourself.",
        ) from error
    return path


def check_published(path: Path, published: PublishedWeights) -> None:
    """Pass a file that is, byte for byte, the published one.

    Raises:
        CheckpointError: it is another.
    """
    digest = sha256_of(path)
    if not digest.startswith(published.sha256):
        raise CheckpointError(
            f"{published.title} with SHA-256 {published.sha256}",
            f"{path} with {digest}",
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
            "a file of network weights", f"{path}: {error.strerror}", "Check the path."
        ) from error


def read_state(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a .safetensors file or a PyTorch state dict; no code is run.

    Args:
        path: of a file that holds a flat dictionary of names and tensors.

    Raises:
        CheckpointError: the file is absent, damaged or holds something else.
    """
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, EOFError, RuntimeError, pickle.UnpicklingError, SafetensorError) as error:
        raise _no_weights(path, _first_line(error)) from error
    if not isinstance(state, dict) or not all(isinstance(t, Tensor) for t in state.values()):
        raise _no_weights(path, type(state).__name__)
    return state


def _no_weights(path: Path, got: str) -> CheckpointError:
    return CheckpointError(
        "a state dict: names and tensors, nothing else",
        f"{path} ({got})",
        "Give the weights as their authors publish them.",
    )


def wrong_network(published: PublishedWeights, path: Path, error: Exception) -> CheckpointError:
    """Return the error for a state dict that does not fit the network it was given for."""
    return CheckpointError(
        f"the weights of {published.title}",
        f"{path}, which do not fit ({_first_line(error)})",
        f"Give {published.filename}.",
    )


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
