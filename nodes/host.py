"""The only file that touches ComfyUI: its folders, its device, its memory.

ComfyUI has its own modules loaded long before it loads a pack, so they are looked up, never
imported: in any other process importing them would start ComfyUI's argument parser. Without
ComfyUI the nodes work all the same, with the folders and devices of plain PyTorch.
"""

import sys
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from torch import Tensor, device

if TYPE_CHECKING:
    from ..core.geometry import Erased
    from ..core.inpainter import Inpainter
    from ..core.latents import WPlus

MODEL_FOLDER = "diverse_inpainting"
"""Folder below ComfyUI's `models` (or named in extra_model_paths.yaml) that holds models."""

DIRECTION_FOLDER = "directions"
"""Folder in there that holds directions."""

MODEL_SUFFIX = ".safetensors"

_CHUNK = 32  # pictures that core computes at a time
_LIVE_MAPS = 8  # copies of the largest feature map that synthesis holds at its peak, with a reserve


def _comfyui(name: str) -> ModuleType | None:
    """Return a module of the ComfyUI that runs us, or None."""
    return sys.modules.get(name)


def register_model_folder() -> None:
    """Add `models/diverse_inpainting` to the folders that ComfyUI knows.

    Folders that extra_model_paths.yaml put under the name stay. The set of suffixes is set here,
    because ComfyUI reads an empty one as "every file".
    """
    folder_paths = _comfyui("folder_paths")
    if folder_paths is None:
        return
    known, suffixes = folder_paths.folder_names_and_paths.get(MODEL_FOLDER, ([], set()))
    own = str(Path(folder_paths.models_dir) / MODEL_FOLDER)
    folders = [*known, *([own] if own not in known else [])]
    folder_paths.folder_names_and_paths[MODEL_FOLDER] = (folders, {*suffixes, MODEL_SUFFIX})


def model_files() -> list[str]:
    """Return the names of the model files, relative to their folder, sorted."""
    return [name for name in _files() if not _is_direction(name)]


def direction_files() -> list[str]:
    """Return the names of the direction files, relative to the models' folder, sorted."""
    return [name for name in _files() if _is_direction(name)]


def _is_direction(name: str) -> bool:
    return Path(name).parts[0] == DIRECTION_FOLDER


def _files() -> list[str]:
    """Without ComfyUI the folder is `models/diverse_inpainting` below the working directory."""
    folder_paths = _comfyui("folder_paths")
    if folder_paths is None:
        folder = _folder_without_comfyui()
        return sorted(p.relative_to(folder).as_posix() for p in folder.rglob(f"*{MODEL_SUFFIX}"))
    names = folder_paths.get_filename_list(MODEL_FOLDER)
    return [name for name in names if name.endswith(MODEL_SUFFIX)]


def file_path(name: str) -> Path | None:
    """Return the file of a name out of `model_files` or `direction_files`, or None.

    Only listed names have a file: a name from a shared workflow cannot leave the folders.
    """
    if name not in _files():
        return None
    folder_paths = _comfyui("folder_paths")
    if folder_paths is None:
        return _folder_without_comfyui() / name
    found = folder_paths.get_full_path(MODEL_FOLDER, name)
    return None if found is None else Path(found)


def model_folders() -> list[str]:
    """Return where the user may put model files."""
    folder_paths = _comfyui("folder_paths")
    if folder_paths is None:
        return [str(_folder_without_comfyui())]
    return folder_paths.get_folder_paths(MODEL_FOLDER)


def compute_device() -> device | None:
    """Return ComfyUI's compute device; None leaves the choice to core."""
    management = _comfyui("comfy.model_management")
    return None if management is None else management.get_torch_device()


def make_room(num_bytes: int, compute: device) -> None:
    """Let ComfyUI unload other models until so many bytes are free on the device."""
    management = _comfyui("comfy.model_management")
    if management is not None and compute.type != "cpu":
        management.free_memory(num_bytes, compute)


def make_room_for(model: "Inpainter", num_pictures: int) -> None:
    """Let ComfyUI make room for completing so many pictures at once."""
    generator = model.config.generator
    bytes_per_map = generator.resolution * generator.channel_base * 4
    make_room(min(num_pictures, _CHUNK) * _LIVE_MAPS * bytes_per_map, model.device)


def to_output(tensor: Tensor) -> Tensor:
    """Return a result where ComfyUI keeps results between nodes: mostly the CPU."""
    return tensor.to(_output_device())


def codes_to_output(codes: "WPlus") -> "WPlus":
    """Return codes where ComfyUI keeps results between nodes."""
    return codes.to(_output_device())


def erased_to_output(erased: "Erased") -> "Erased":
    """Return erased pictures where ComfyUI keeps results: the originals can be large."""
    return erased.to(_output_device())


def _output_device() -> device:
    management = _comfyui("comfy.model_management")
    return device("cpu") if management is None else management.intermediate_device()


def _folder_without_comfyui() -> Path:
    return Path("models") / MODEL_FOLDER
