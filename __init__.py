"""Diverse Inpainting: many believable completions of an erased picture, and edits of them.

ComfyUI loads this file by path, under a name made from the folder; Python code imports it as
`diverse_inpainting`. Everything here is lazy (PEP 562), so that `import diverse_inpainting.core`
pulls in neither the nodes nor torch.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .core.inpainter import Edit, Inpainter
    from .nodes import NODE_CLASS_MAPPINGS, NODE_DISPLAY_NAME_MAPPINGS

__all__ = [
    "NODE_CLASS_MAPPINGS",
    "NODE_DISPLAY_NAME_MAPPINGS",
    "WEB_DIRECTORY",
    "Edit",
    "Inpainter",
]

WEB_DIRECTORY = "./web"

_HOMES = {
    "NODE_CLASS_MAPPINGS": ".nodes",
    "NODE_DISPLAY_NAME_MAPPINGS": ".nodes",
    "Edit": ".core.inpainter",
    "Inpainter": ".core.inpainter",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401 - any public name
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        value = getattr(importlib.import_module(_HOMES[name], __name__), name)
    except AttributeError as error:
        # ComfyUI asks with hasattr(), which would hide this and report a pack without nodes.
        raise ImportError(f"{_HOMES[name]} of {__name__!r} failed: {error}") from error
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
