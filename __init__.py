"""Diverse Inpainting: many believable completions of an erased image, and edits of them.

ComfyUI loads this file by path, under a name made from the folder; Python code imports it as
`diverse_inpainting`. Everything here is lazy (PEP 562), so that `import diverse_inpainting.core`
imports neither the nodes nor torch.
"""

import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .core.editor import Edit
    from .core.image_files import read_image
    from .core.inpainter import Inpainter
    from .core.latents import WPlus
    from .core.mask_files import read_mask
    from .nodes import NODE_CLASS_MAPPINGS, NODE_DISPLAY_NAME_MAPPINGS

    __version__: str

__all__ = [
    "NODE_CLASS_MAPPINGS",
    "NODE_DISPLAY_NAME_MAPPINGS",
    "WEB_DIRECTORY",
    "Edit",
    "Inpainter",
    "WPlus",
    "__version__",
    "read_image",
    "read_mask",
]

WEB_DIRECTORY = "./web"

_HOMES = {
    "NODE_CLASS_MAPPINGS": ".nodes",
    "NODE_DISPLAY_NAME_MAPPINGS": ".nodes",
    "Edit": ".core.editor",
    "Inpainter": ".core.inpainter",
    "WPlus": ".core.latents",
    "read_image": ".core.image_files",
    "read_mask": ".core.mask_files",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401 - any public name
    if name == "__version__":
        globals()[name] = version = _read_version()
        return version
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        value = getattr(importlib.import_module(_HOMES[name], __name__), name)
    except AttributeError as error:
        # ComfyUI asks with hasattr(), which would hide this and report a pack without nodes.
        raise ImportError(f"{_HOMES[name]} of {__name__!r} failed: {error}") from error
    globals()[name] = value
    return value


def _read_version() -> str:
    """Return the version of a checkout, or else that of the installed distribution.

    A checkout comes first: ComfyUI loads it by path, whatever is installed, and what pip recorded
    for an editable installation is out of date after a pull.
    """
    import tomllib
    from importlib.metadata import version

    try:
        project = tomllib.loads(Path(__file__).with_name("pyproject.toml").read_text("utf-8"))
    except FileNotFoundError:
        return version("diverse-inpainting")
    return project["project"]["version"]


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
