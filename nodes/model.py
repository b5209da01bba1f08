"""DI_LoadModel: loads a model once and keeps it while it is in use."""

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar
from weakref import WeakValueDictionary

from ..core.errors import CheckpointError
from . import host, model_folder
from .declare import BUNDLED, MODEL, TEXT, Inputs, Node, choice, missing_file

if TYPE_CHECKING:
    from ..core.inpainter import Inpainter

DEFAULT_MODEL = "cats" + BUNDLED
"""A permanent name: saved workflows store it."""

UNCONVERTED = " (convert first)"
"""Suffix of the names of files that other programs wrote."""

_loaded: "WeakValueDictionary[tuple[str, ...], Inpainter]" = WeakValueDictionary()
"""Models that a node or ComfyUI's cache still uses; others are freed."""


class LoadModel(Node):
    """DI_LoadModel: a model by its file name, on ComfyUI's device."""

    DESCRIPTION = (
        "Loads a Diverse Inpainting model: the bundled one, which knows centred cat faces, or a "
        ".safetensors file in models/diverse_inpainting. Never downloads anything."
    )
    SEARCH_ALIASES: ClassVar[list[str]] = ["stylegan loader", "load gan", "stylegan2"]
    RETURN_TYPES = (MODEL, TEXT)
    RETURN_NAMES = ("model", "about")
    OUTPUT_TOOLTIPS = (
        "The model, for the other nodes of this pack.",
        "What the model can do, in one line; Preview Any shows it.",
    )

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        """Declare the inputs."""
        from ..core.precision import PRECISIONS

        return {
            "required": {
                "model_name": choice(
                    model_names(),
                    "A bundled model, or a .safetensors file in ComfyUI's folder "
                    "models/diverse_inpainting.",
                ),
                "precision": choice(
                    PRECISIONS,
                    "Number format of the networks' feature maps. auto: the fastest that the GPU "
                    "or processor computes natively. float32 is exact; the others change colours "
                    "very slightly.",
                ),
            }
        }

    @classmethod
    def VALIDATE_INPUTS(cls, model_name: str | None) -> bool | str:
        """Say what to do when the workflow's model is missing."""
        if model_name is None:  # filled by a link
            return True
        if _is_foreign(model_name):
            return str(_unconverted(model_name))
        if model_folder.listed_name(model_name, model_names()) is not None:
            return True
        return missing_file(model_name, host.model_folders(), repr(DEFAULT_MODEL))

    @classmethod
    def IS_CHANGED(cls, model_name: str, precision: str) -> str:
        """Return a value that changes with the file."""
        return file_digest(_find(model_name))

    def execute(self, model_name: str, precision: str) -> tuple["Inpainter", str]:
        """Return the model, from memory if it is still in use, and what it can do."""
        from ..core.abilities import describe_abilities

        # ComfyUI takes null for a link, which validation cannot see through.
        model = load_model(_find(str(model_name)), precision)
        parts = model.model.parts
        return model, describe_abilities(model.title, model.resolution, parts, model.directions)


def model_names() -> list[str]:
    """Return the choices of DI_LoadModel, the bundled default first."""
    from ..core.checkpoint import bundled_names

    bundled, own = [name + BUNDLED for name in bundled_names()], model_folder.model_files()
    foreign = [n + UNCONVERTED for n in model_folder.foreign_files() if _converted(n) not in own]
    return list(dict.fromkeys([DEFAULT_MODEL, *bundled, *own, *foreign]))


def _is_foreign(model_name: str) -> bool:
    """Return whether a choice, or the bare name of a file, has to be converted first."""
    return model_name.endswith(UNCONVERTED) or model_name in model_folder.foreign_files()


def _converted(name: str) -> str:
    """Return the name that the conversion of a file has."""
    return name.rpartition(".")[0] + host.MODEL_SUFFIX


def _unconverted(model_name: str) -> CheckpointError:
    """Return the error for a file that has to be converted first."""
    from ..core.checkpoint import convert_command

    name = model_name.removesuffix(UNCONVERTED)
    path, target = model_folder.foreign_path(name), _converted(name)
    if target in model_folder.model_files():
        remedy = f"Choose {target!r}, which was made of it."
    elif path is None:
        remedy = f"It is not in {' or '.join(host.model_folders())} any more: choose another model."
    else:
        remedy = (
            f"Convert it once, in a terminal: {convert_command(path)} -- then press R and choose "
            f"{target!r}."
        )
    return CheckpointError(
        "a .safetensors file of this project",
        f"{name!r}",
        remedy,
        problem=f"{name!r} comes from another program. Opening such a file could run code in it, "
        "so it is never loaded.",
    )


def load_model(path: Path, precision: str) -> "Inpainter":
    """Return a file's model where ComfyUI keeps models; a model in use is not read again.

    Raises:
        CheckpointError: the file is damaged, foreign or incomplete.
    """
    import torch

    from ..core.inpainter import Inpainter

    device = host.storage_device()
    if precision == "auto":
        precision = host.usual_precision()
    key = (*_fingerprint(path), precision, str(device))
    model = _loaded.get(key)
    if model is None:
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

    if _is_foreign(model_name):
        raise _unconverted(model_name)
    bundled = model_name.removesuffix(BUNDLED)
    if bundled != model_name and bundled in bundled_names():
        return resolve_source(bundled)
    path = model_folder.file_path(model_name)
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
    try:
        facts = _fingerprint(path)
    except OSError:  # a link to nothing, or deleted since: running the node says so
        facts = (str(path),)
    return hashlib.sha256("\n".join(facts).encode(errors="surrogatepass")).hexdigest()


def _fingerprint(path: Path) -> tuple[str, ...]:
    status = path.stat()
    return str(path), str(status.st_mtime_ns), str(status.st_size)
