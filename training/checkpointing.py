"""The saved states of a run: each written whole or not at all, the newest ones kept."""

import os
import shutil
from pathlib import Path
from typing import Any

import torch

from ..core.errors import CheckpointError
from ..core.files import atomic_write, draft_of, find_drafts, publish
from .trainer import TrainingError

_STATE = ".pt"


class States:
    """The states of one stage: `states/<images seen>.pt`, and `kept/<images seen>/` for good.

    Nobody else may write to the folder while it is in use.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def prepare(self) -> None:
        """Make the folders, and remove what a killed process left half written."""
        for name in ("states", "kept", "."):
            folder = self.folder / name
            folder.mkdir(parents=True, exist_ok=True)
            for draft in find_drafts(folder):
                shutil.rmtree(draft) if draft.is_dir() else draft.unlink()

    def paths(self) -> list[Path]:
        """Return the states, the newest last."""
        found = (self.folder / "states").glob(f"*{_STATE}")
        return sorted((path for path in found if path.stem.isdigit()), key=_nimg_of)

    def newest(self) -> Path | None:
        """Return the state that a run goes on from."""
        return next(reversed(self.paths()), None)

    def describe(self) -> str:
        """Return a sentence about the state that a run would go on from."""
        path = self.newest()
        if path is None:
            return "No state had been saved yet."
        return f"{path} holds the last good state, of {_nimg_of(path)} images."

    def save(self, nimg: int, state: dict[str, Any], keep_last: int) -> None:
        """Write a state, then remove all but the newest keep_last.

        Raises:
            TrainingError: the disk refuses; the earlier states are as they were.
        """
        save_state(self.folder / "states" / f"{nimg:09d}{_STATE}", state, self.describe())
        for path in self.paths()[:-keep_last]:
            path.unlink()

    def keep(self, nimg: int) -> None:
        """Keep the state of nimg images for good, with what the stage has exported.

        The files share their bytes with the present ones where the disk can do that.
        """
        target = self.folder / "kept" / f"{nimg:09d}"
        draft = draft_of(target)
        draft.mkdir()
        state = self.folder / "states" / f"{nimg:09d}{_STATE}"
        for path in (state, *self.folder.glob("*.safetensors")):
            try:
                os.link(path, draft / path.name)
            except OSError:
                shutil.copy2(path, draft / path.name)
        if target.exists():
            shutil.rmtree(target)
        publish(draft, target)


def _nimg_of(path: Path) -> int:
    return int(path.stem)


def save_state(path: Path, state: dict[str, Any], fallback: str = "") -> None:
    """Write a state to path; a crash leaves the previous file as it was.

    Raises:
        TrainingError: the disk refuses; fallback is the sentence about what can be gone on with.
    """
    try:
        atomic_write(path, lambda file: torch.save(state, file))
    except (OSError, RuntimeError) as error:
        # torch reports what happened while it handled the disk's refusal.
        cause = error if isinstance(error, OSError) else error.__context__
        if not isinstance(cause, OSError):
            raise
        raise TrainingError(
            "to write the training state",
            f"{cause.strerror or cause} ({path})",
            f"Make room and give the same command again. {fallback}".strip(),
        ) from error


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
            f"{path}, which cannot be read ({type(error).__name__})",
            "Remove it to go on from the state before it, if there is one, or restore a copy.",
        ) from error
