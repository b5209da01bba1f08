"""The only module that touches ComfyUI: its folders, its device, its memory.

ComfyUI loads its own modules long before any pack, so they are looked up rather than imported:
anywhere else, importing them would start ComfyUI's argument parser. Without ComfyUI, the nodes use
`models/` in the working directory and PyTorch's devices.
"""

import glob
import hashlib
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from torch import Tensor, device

from ..core.errors import InputError
from ..core.printable import get_logger, is_printable, shown

if TYPE_CHECKING:
    from ..core.geometry import Erased
    from ..core.inpainter import Inpainter
    from ..core.latents import WPlus
    from ..core.progress import OnStep

logger = get_logger(__name__)

MODEL_FOLDER = "diverse_inpainting"
"""Folder of model files below ComfyUI's `models`, or its name in extra_model_paths.yaml."""

MODEL_SUFFIX = ".safetensors"

_MAX_PREFIX = 1000  # characters; ComfyUI makes folders by recursion

FOREIGN_SUFFIXES = (".pkl", ".pt", ".pth", ".bin")
"""Of pickles in which other programs store a StyleGAN2; they are listed, and never loaded."""

_PREVIEW_QUALITY = 90

_PRECISIONS = (  # ComfyUI's options, those that win first
    ("force_fp32", "float32"),
    ("fp32_unet", "float32"),
    ("bf16_unet", "bfloat16"),
    ("fp16_unet", "float16"),  # --force-fp16 sets it, too
)

_patchers: "WeakKeyDictionary[Inpainter, Any]" = WeakKeyDictionary()
"""What ComfyUI knows of each model; it holds them weakly, too."""

_FITTING_ROOM = 32  # images whose synthesis takes as much memory as one step of fitting
_LIVE_MAPS = 8  # peak memory of synthesis, in copies of its largest feature map, with a reserve


def _comfyui(name: str) -> ModuleType | None:
    """Return one of ComfyUI's modules, or None outside ComfyUI."""
    return sys.modules.get(name)


def register_model_folder() -> None:
    """Add `models/diverse_inpainting` to the folders that ComfyUI knows.

    Folders from extra_model_paths.yaml stay. Suffixes are set here, because ComfyUI reads an empty
    set as "every file".
    """
    folder_paths = _comfyui("folder_paths")
    if folder_paths is None:
        return
    known, suffixes = folder_paths.folder_names_and_paths.get(MODEL_FOLDER, ([], set()))
    own = str(Path(folder_paths.models_dir) / MODEL_FOLDER)
    folders = [*known, *([own] if own not in known else [])]
    folder_paths.folder_names_and_paths[MODEL_FOLDER] = (
        folders,
        {*suffixes, MODEL_SUFFIX, *FOREIGN_SUFFIXES},
    )


def model_folder_files() -> list[str]:
    """Return the names of the files in the model folder, relative to it."""
    folder_paths = _comfyui("folder_paths")
    if folder_paths is not None:
        return folder_paths.get_filename_list(MODEL_FOLDER)
    folder = _folder_without_comfyui()
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.*"))


def model_folder_path(name: str) -> Path | None:
    """Return the path of a name from `model_folder_files`, which a caller has to check."""
    folder_paths = _comfyui("folder_paths")
    if folder_paths is None:
        return _folder_without_comfyui() / name
    found = folder_paths.get_full_path(MODEL_FOLDER, name)
    return None if found is None else Path(found)


def model_folders() -> list[str]:
    """Return the folders for model files."""
    folder_paths = _comfyui("folder_paths")
    if folder_paths is None:
        return [str(_folder_without_comfyui())]
    return folder_paths.get_folder_paths(MODEL_FOLDER)


def user_folder(kind: str) -> Path:
    """Return ComfyUI's folder `input` or `output`."""
    folder_paths = _comfyui("folder_paths")
    return Path(kind) if folder_paths is None else Path(folder_paths.get_directory_by_type(kind))


def next_output(prefix: str) -> tuple[Path, str, int]:
    """Return a folder below `output`, which exists then, the beginning of a name and a free number.

    Args:
        prefix: of the name, perhaps with folders, as for ComfyUI's own nodes.

    Raises:
        InputError: it leads out of the output folder, or is no name.
    """
    output = user_folder("output").resolve()
    prefix = prefix.replace("\\", "/")
    if not is_printable(prefix) or not _is_name_below(output, prefix):
        raise InputError(
            "a name in ComfyUI's output folder",
            shown(prefix),
            "Correct filename_prefix.",
        )
    folder_paths = _comfyui("folder_paths")
    if folder_paths is None:
        target = output / prefix
        target.parent.mkdir(parents=True, exist_ok=True)
        files = target.parent.glob(f"{glob.escape(target.name)}_*")
        taken = [p.name[len(target.name) + 1 :][:5] for p in files]
        return target.parent, target.name, max([int(n) for n in taken if n.isdecimal()] + [0]) + 1
    folder, name, number, *_ = folder_paths.get_save_image_path(prefix, str(output))
    return Path(folder), name, number


def _is_name_below(folder: Path, name: str) -> bool:
    """Return whether a name, perhaps with folders, is that of a file below a resolved folder."""
    path = folder / name
    is_name = name[-1:] not in ("", "/") and path.name not in ("", "..") and path != folder
    is_name = is_name and len(name) <= _MAX_PREFIX
    return is_name and path.resolve().is_relative_to(folder)


def relative_output(path: Path) -> str:
    """Return the place of a file below `output`, with slashes."""
    return path.relative_to(user_folder("output").resolve()).as_posix()


def workflow_facts(prompt: object, extra_pnginfo: object) -> dict[str, str]:
    """Return what ComfyUI's own nodes write into files to bring a workflow back: JSON by keyword.

    Nothing with ComfyUI's option --disable-metadata.
    """
    if _is_started_with("disable_metadata"):
        return {}
    facts = {"prompt": prompt, **(extra_pnginfo if isinstance(extra_pnginfo, dict) else {})}
    return {name: json.dumps(fact) for name, fact in facts.items() if fact is not None}


def _is_started_with(option: str) -> bool:
    options = getattr(_comfyui("comfy.cli_args"), "args", None)
    return bool(getattr(options, option, False))


def usual_precision() -> str:
    """Return the precision that ComfyUI was started with, such as --force-fp32, or else `auto`."""
    return next((name for option, name in _PRECISIONS if _is_started_with(option)), "auto")


def compute_device() -> device | None:
    """Return ComfyUI's compute device, or None to leave the choice to core."""
    management = _comfyui("comfy.model_management")
    return None if management is None else management.get_torch_device()


def storage_device() -> device | None:
    """Return where ComfyUI keeps idle models, or None to leave the choice to core."""
    management, compute = _comfyui("comfy.model_management"), compute_device()
    if management is None or compute is None or compute.type == "cpu":
        return compute
    return management.unet_offload_device()


def make_room_for(model: "Inpainter", num_images: int = 1) -> None:
    """Bring a model to ComfyUI's device, with room for completing num_images at once.

    ComfyUI unloads other models for it, and this one for others when it is not in use. Every node
    calls this before it uses a model.
    """
    from ..core.progress import chunk_size

    compute = compute_device()
    if compute is None or compute.type == "cpu":
        return
    generator = model.config.generator
    bytes_per_map = generator.resolution * generator.channel_base * 4
    at_once = min(num_images, chunk_size(generator.resolution, compute))
    _load(model, at_once * _LIVE_MAPS * bytes_per_map, compute)


def make_room_for_fitting(model: "Inpainter") -> None:
    """Do the same for fitting codes, whose gradients keep all feature maps."""
    make_room_for(model, _FITTING_ROOM)


def _load(model: "Inpainter", num_bytes: int, compute: device) -> None:
    """Let ComfyUI load a model wholly onto an accelerator and free num_bytes beside it."""
    import torch

    management, patching = _comfyui("comfy.model_management"), _comfyui("comfy.model_patcher")
    if management is None or patching is None:
        return
    patcher = _patchers.get(model)
    if patcher is None:
        patcher = patching.ModelPatcher(model.model, compute, management.unet_offload_device())
        _patchers[model] = patcher
    # Inference computes with copies of the weights, see core/networks/prepared.
    copies = sum(model.num_parameters.values()) * model.model.feature_dtype.itemsize
    # ComfyUI runs nodes in inference mode; weights that are moved there could not be fitted.
    with torch.inference_mode(False):
        management.load_models_gpu(
            [patcher], memory_required=num_bytes + copies, force_full_load=True
        )
        # With --novram, ComfyUI leaves behind the weights of modules that have others below them.
        model.to(compute)


def step_bar() -> "OnStep":
    """Return a function that shows (steps done, their total) on the node that runs.

    It raises what ComfyUI raises when the user cancels; nobody may catch that.
    """
    utils = _comfyui("comfy.utils")
    if utils is None:
        return lambda done, total: None
    bar = utils.ProgressBar(1)
    return bar.update_absolute


def to_output(tensor: Tensor) -> Tensor:
    """Move a result to where ComfyUI keeps results between nodes, usually the CPU."""
    return tensor.to(_output_device())


def codes_to_output(codes: "WPlus") -> "WPlus":
    """Move codes to where ComfyUI keeps results between nodes."""
    return codes.to(_output_device())


def erased_to_output(erased: "Erased") -> "Erased":
    """Move erased images to where ComfyUI keeps results; the originals can be large."""
    return erased.to(_output_device())


def with_warnings(
    outputs: tuple[Any, ...],
    warnings: Sequence[str],
    ui: Mapping[str, Any] | None = None,
) -> Any:  # noqa: ANN401
    """Log warnings, and return a node's outputs with them in the form that ComfyUI takes.

    `web/js/warnings.js` shows them on the node, and the server's history lists them. ComfyUI keeps
    them with the cached outputs, so that a node that need not run again shows them again.

    Args:
        outputs: of the node.
        warnings: sentences for the user.
        ui: what else the front end shows.
    """
    for warning in warnings:
        logger.warning(warning)
    shown = {**(ui or {}), **({"warnings": list(warnings)} if warnings else {})}
    return {"ui": shown, "result": outputs} if shown else outputs


def save_previews(images: Tensor, longest_px: int) -> list[dict[str, str]]:
    """Write small copies of images where the front end can show them.

    Args:
        images: [N, H, W, C] in [0, 1].
        longest_px: longest side of a copy; smaller images keep their size.

    Returns:
        For each image what the front end asks the server for; nothing without ComfyUI. Equal
        images have equal names, so that previews do not pile up.
    """
    folder_paths = _comfyui("folder_paths")
    if folder_paths is None:
        return []
    from ..core.image_files import to_pil

    folder, previews = Path(folder_paths.get_temp_directory()), []
    folder.mkdir(parents=True, exist_ok=True)
    for image in images:
        small = to_pil(image).convert("RGB")
        small.thumbnail((longest_px, longest_px))
        name = f"{MODEL_FOLDER}_{hashlib.sha256(small.tobytes()).hexdigest()[:24]}.jpg"
        small.save(folder / name, quality=_PREVIEW_QUALITY)
        previews.append({"filename": name, "subfolder": "", "type": "temp"})
    return previews


def _output_device() -> device:
    management = _comfyui("comfy.model_management")
    return device("cpu") if management is None else management.intermediate_device()


def _folder_without_comfyui() -> Path:
    return Path("models") / MODEL_FOLDER
