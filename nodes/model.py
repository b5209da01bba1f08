"""DI_LoadModel: loads a model once and keeps it while it is in use."""

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar
from weakref import WeakValueDictionary

from ..core.errors import CheckpointError
from . import host
from .declare import BUNDLED, MODEL, Inputs, Node, choice, missing_file

if TYPE_CHECKING:
    from ..core.inpainter import Inpainter

DEFAULT_MODEL = "cats" + BUNDLED
"""A permanent name: saved workflows store it."""

_loaded: "WeakValueDictionary[tuple[str, ...], Inpainter]" = WeakValueDictionary()
"""Models that a node or ComfyUI's cache still uses; others are freed."""


class LoadModel(Node):
    """DI_LoadModel: a model by its file name, on ComfyUI's device."""

    DESCRIPTION = (
        "Loads a Diverse Inpainting model: the bundled one, which knows centred cat faces, or a "
        ".safetensors file in models/diverse_inpainting. Never downloads anything."
    )
    SEARCH_ALIASES: ClassVar[list[str]] = ["load model", "stylegan loader", "load gan"]
    RETURN_TYPES = (MODEL,)
    RETURN_NAMES = ("model",)
    OUTPUT_TOOLTIPS = ("The model, for the other nodes of this pack.",)

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        """Declare the inputs."""
        from ..core.editor import PRECISIONS

        return {
            "required": {
                "model_name": choice(
                    model_names(),
                    "A bundled model, or a .safetensors file in ComfyUI's folder "
                    "models/diverse_inpainting.",
                ),
                "precision": choice(
                    PRECISIONS,
                    "Number format of the generator's feature maps. float32 is exact; bfloat16 is "
                    "faster on recent GPUs and changes colours very slightly.",
                ),
            }
        }

    @classmethod
    def VALIDATE_INPUTS(cls, model_name: str | None) -> bool | str:
        """Say what to do when the workflow's model is missing."""
        if model_name is None or model_name in model_names():  # None: filled by a link
            return True
        return missing_file(model_name, host.model_folders(), repr(DEFAULT_MODEL))

    @classmethod
    def IS_CHANGED(cls, model_name: str, precision: str) -> str:
        """Return a value that changes with the file."""
        return file_digest(_find(model_name))

    def execute(self, model_name: str, precision: str) -> tuple["Inpainter"]:
        """Return the model, from memory if it is still in use."""
        return (load_model(_find(model_name), precision),)


def model_names() -> list[str]:
    """Return the choices of DI_LoadModel, the bundled default first."""
    from ..core.checkpoint import bundled_names

    bundled = [name + BUNDLED for name in bundled_names()]
    return list(dict.fromkeys([DEFAULT_MODEL, *bundled, *host.model_files()]))


def load_model(path: Path, precision: str) -> "Inpainter":
    """Return a file's model on ComfyUI's device; a model in use is not read again.

    Raises:
        CheckpointError: the file is damaged, foreign or incomplete.
    """
    import torch

    from ..core.inpainter import Inpainter

    device = host.compute_device()
    key = (*_fingerprint(path), precision, str(device))
    model = _loaded.get(key)
    if model is None:
        if device is not None:
            host.make_room(2 * path.stat().st_size, device)  # float16 on disk, float32 in memory
        # ComfyUI runs nodes in inference mode; weights made there could never be trained.
        with torch.inference_mode(False):
            model = Inpainter.load(path, device=device, precision=precision)
        _loaded[key] = model
    return model


def _find(model_name: str) -> Path:
    """Return the file behind a choice.

    Raises:
        CheckpointError: there is no such file.
    """
    from ..core.checkpoint import bundled_names, resolve_source

    bundled = model_name.removesuffix(BUNDLED)
    if bundled != model_name and bundled in bundled_names():
        return resolve_source(bundled)
    path = host.file_path(model_name)
    if path is None:
        raise CheckpointError(
            f"one of the models {', '.join(model_names())}",
            f"{model_name!r}",
            f"Put its file into {' or '.join(host.model_folders())}, or reinstall the pack if it "
            "is a bundled one.",
            problem=f"The model {model_name!r} is not on this machine.",
        )
    return path


def file_digest(path: Path) -> str:
    """Return a value that changes with the file.

    It does not reveal the path, because ComfyUI writes it into the metadata of saved images.
    """
    return hashlib.sha256("\n".join(_fingerprint(path)).encode()).hexdigest()


def _fingerprint(path: Path) -> tuple[str, ...]:
    status = path.stat()
    return str(path), str(status.st_mtime_ns), str(status.st_size)
