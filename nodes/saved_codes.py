"""Nodes that save style codes, and load them another day or from a picture that was shared."""

import contextlib
import hashlib
import json
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from torch import Tensor

from ..core.errors import CheckpointError, InputError
from . import host
from .declare import CODES, IMAGE, Inputs, Node, choice, socket, text
from .model import file_digest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ..core.code_files import StoredCodes
    from ..core.latents import WPlus

_ENDING = ".codes"  # of what DI_SaveW saves, before the suffix: others in the folder are many
_SUFFIXES = (".safetensors", ".png")
_OUTPUT = " [output]"  # ComfyUI's mark of names that are not in the input folder
_NOTHING = "(no saved codes)"
_PICTURE = "picture"  # key of the file's metadata


class SaveW(Node):
    """DI_SaveW: codes as a file, or in the PNGs of what they show."""

    DESCRIPTION = (
        "Saves style codes in ComfyUI's output folder. With images connected, each is saved as a "
        "PNG that carries its codes, so that whoever gets the picture can edit it further."
    )
    SEARCH_ALIASES: ClassVar[list[str]] = [
        *("save latent", "export codes", "store variants", "share image"),
    ]
    RETURN_TYPES = ()
    RETURN_NAMES = ()
    OUTPUT_TOOLTIPS = ()
    OUTPUT_NODE = True

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        """Declare the inputs."""
        return {
            "required": {
                "codes": socket(CODES, "The codes to save, edits included."),
                "filename_prefix": text(
                    "codes/variant",
                    "Beginning of the names in the output folder, with a folder if you like.",
                ),
            },
            "optional": {
                "images": socket(IMAGE, "What the codes show, in the same order: saved as PNGs."),
                "picture": socket(
                    IMAGE,
                    "The image that was completed: its fingerprint is saved, so that Load Codes "
                    "can tell whether it gets the same one.",
                ),
            },
            "hidden": {"prompt": "PROMPT", "extra_pnginfo": "EXTRA_PNGINFO"},
        }

    def execute(
        self,
        codes: "WPlus",
        filename_prefix: str,
        images: Tensor | None = None,
        picture: Tensor | None = None,
        prompt: Any = None,  # noqa: ANN401 - ComfyUI's
        extra_pnginfo: Any = None,  # noqa: ANN401
    ) -> dict[str, Any]:
        """Write the files, and return what the front end shows."""
        from ..core.code_files import write_codes
        from ..core.files import explain_writing

        facts = {} if picture is None else {_PICTURE: _fingerprint(picture)}
        workflow = host.workflow_facts(prompt, extra_pnginfo)
        with explain_writing(host.user_folder("output"), "Shorten or change filename_prefix."):
            folder, name, number = host.next_output(filename_prefix)
            if images is None:
                path = folder / f"{name}_{number:05}_{_ENDING}.safetensors"
                write_codes(path, _stored(codes, {**workflow, **facts}))
                return {"ui": {"text": [host.relative_output(path)]}}
            shown = []
            for index, (single, image) in enumerate(_pairs(codes, images)):
                path = folder / f"{name}_{number + index:05}_{_ENDING}.png"
                _save_png(path, single, image, facts, workflow)
                subfolder = Path(host.relative_output(path)).parent.as_posix()
                place = {"subfolder": subfolder.removeprefix("."), "type": "output"}
                shown.append({"filename": path.name, **place})
            return {"ui": {"images": shown}}


def _pairs(codes: "WPlus", images: Tensor) -> "list[tuple[WPlus, Tensor]]":
    """Return with each image its codes: [1, 1, L, D], or those of all squares of one image."""
    B, V = codes.batch, codes.num_variants
    if len(images) == V:
        return [(codes[:, v], image) for v, image in enumerate(images)]
    if len(images) != B * V:
        raise InputError(
            f"{B * V} images, one for each of the codes",
            f"{len(images)}",
            "Connect codes and images of the same node, or leave the images out. Where some images "
            "have codes for several squares, complete one image at a time.",
        )
    return [(codes[i // V, i % V], image) for i, image in enumerate(images)]


def _stored(codes: "WPlus", facts: "Mapping[str, str]") -> "StoredCodes":
    from ..core.code_files import StoredCodes

    return StoredCodes(codes.codes, codes.generator_id, codes.labels, facts)


def _save_png(
    path: Path,
    codes: "WPlus",
    image: Tensor,
    facts: "Mapping[str, str]",
    workflow: "Mapping[str, str]",
) -> None:
    from ..core.code_files import PNG_KEY, codes_as_text
    from ..core.image_files import write_png

    carried = {PNG_KEY: codes_as_text(_stored(codes, facts))}
    write_png(path, image.clamp(0, 1), {**workflow, **carried})


def _fingerprint(picture: Tensor) -> str:
    """Return a hash of an image's size and pixels, rounded to 8 bits."""
    from ..core.image import image_to_unit_bchw, unit_to_uint8

    pixels = unit_to_uint8(image_to_unit_bchw(picture)).cpu().contiguous()
    return hashlib.sha256(json.dumps(pixels.shape).encode() + pixels.numpy().tobytes()).hexdigest()


class LoadW(Node):
    """DI_LoadW: codes from a file, or from a PNG that carries them."""

    DESCRIPTION = (
        "Loads style codes that Save Codes saved in ComfyUI's output folder, or those of a file or "
        "shared PNG that you put into its input folder."
    )
    SEARCH_ALIASES: ClassVar[list[str]] = [
        *("load latent", "import codes", "restore variants", "codes from image"),
    ]
    RETURN_TYPES = (CODES,)
    RETURN_NAMES = ("codes",)
    OUTPUT_TOOLTIPS = ("The codes, for Apply Edit, Refine with Skip Encoder or Synthesize.",)

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        """Declare the inputs."""
        return {
            "required": {
                "file": choice(
                    saved_codes() or [_NOTHING],
                    "A .safetensors file of codes or a PNG that carries them. Press R after you "
                    "put one into the input folder.",
                )
            },
            "optional": {
                "picture": socket(
                    IMAGE, "The image to complete: the node warns if it is another than before."
                ),
            },
        }

    @classmethod
    def VALIDATE_INPUTS(cls, file: str | None) -> bool | str:
        """Say what to do when the workflow's file is missing."""
        if file is None or _find(file) is not None:  # None: filled by a link
            return True
        return _missing(file)

    @classmethod
    def IS_CHANGED(cls, file: str, picture: object = None) -> str:
        """Return a value that changes with the file."""
        path = _find(file)
        return file if path is None else file_digest(path)

    def execute(self, file: str, picture: Tensor | None = None) -> tuple["WPlus"]:
        """Return the codes."""
        from ..core.code_files import read_codes
        from ..core.latents import WPlus

        file = str(file)  # null counts as a link until a node runs
        path = _find(file)
        if path is None:
            raise CheckpointError("a file of codes", repr(file), "Save it.", problem=_missing(file))
        stored = read_codes(path)
        codes = WPlus(stored.codes, stored.generator_id, stored.labels)
        known = stored.facts.get(_PICTURE)
        warnings = []
        if picture is not None and known is not None and _fingerprint(picture) != known:
            warnings.append("These codes were made for another image, so they may not fit.")
        return host.with_warnings((host.codes_to_output(codes),), warnings)


def saved_codes() -> list[str]:
    """Return the choices of DI_LoadW: the newest of the output folder first, then the input's."""
    output, here = host.user_folder("output"), host.user_folder("input")
    times = {path: time for path, time in _files(output) if path.stem.endswith(_ENDING)}
    saved = sorted(times, key=lambda path: (-times[path], path))
    names = [path.relative_to(output).as_posix() + _OUTPUT for path in saved]
    return names + sorted(path.relative_to(here).as_posix() for path, _ in _files(here))


def _files(folder: Path) -> "Iterator[tuple[Path, int]]":
    """Yield the files that may hold codes, and when they were written."""
    for path in folder.rglob("*.*"):
        if path.suffix.lower() not in _SUFFIXES:
            continue
        with contextlib.suppress(OSError):  # a link to nothing, or a file that was deleted since
            found = path.stat()
            if stat.S_ISREG(found.st_mode):
                yield path, found.st_mtime_ns


def _find(file: str) -> Path | None:
    """Return the path of a choice; None for others, so that no name leads out of the folders."""
    file = file.replace("\\", "/")  # in workflows made on Windows
    if file not in saved_codes():
        return None
    if file.endswith(_OUTPUT):
        return host.user_folder("output") / file.removesuffix(_OUTPUT)
    return host.user_folder("input") / file


def _missing(file: str) -> str:
    if file == _NOTHING:
        return "There are no saved codes yet. Run Save Codes, press R and choose its file."
    return (
        f"{file!r} is not in ComfyUI's input and output folders. Put the file into the input "
        "folder, press R and choose it."
    )
