"""Saved training states: written whole or not at all."""

import os
from pathlib import Path
from typing import Any

import torch

from ..core.errors import CheckpointError


def save_state(path: Path, state: dict[str, Any]) -> None:
    """Write the state to path; a crash leaves the previous file as it was."""
    partial = path.with_suffix(".partial")
    with open(partial, "wb") as file:
        torch.save(state, file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(partial, path)


def load_state(path: Path) -> dict[str, Any]:
    """Read a state; only tensors and plain data are accepted, no code is run.

    Raises:
        CheckpointError: the file is damaged or of another kind.
    """
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise CheckpointError(
            "a training state of this project",
            f"{path.name}, which cannot be read ({type(error).__name__})",
            "Remove it to start again, or restore a copy.",
        ) from error
