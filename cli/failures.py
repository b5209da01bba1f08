"""Errors that a user can cause and fix, as plain sentences."""

import sys
from typing import NoReturn

from ..core.errors import DiverseInpaintingError
from ..core.invocation import command_of
from .console import echo

_PACK = __name__.partition(".")[0]

_COMMAND_LINE = ("typer", "rich")
"""What [cli] adds to ComfyUI's packages: enough for a clone in custom_nodes."""

# By import name; what is not listed comes with [cli].
_EXTRAS = {
    "accelerate": "training",
    "matplotlib": "training",
    "sklearn": "training",
    "tensorboard": "training",
    "lpips": "metrics",
    "torch_fidelity": "metrics",
    "onnx": "export",
    "onnx_ir": "export",
    "onnxruntime": "export",
    "onnxscript": "export",
    "ray": "scale",
    "fsspec": "scale",
    "pandas": "scale",
    "pyarrow": "scale",
}


def fail(message: str, code: int = 2) -> NoReturn:
    """Print a message to stderr and exit."""
    echo(message, to_stderr=True)
    raise SystemExit(code)


def _installation(package: str) -> str:
    """Return the command that installs a missing package."""
    if package in _COMMAND_LINE:
        return command_of(sys.executable, "-m", "pip", "install", *_COMMAND_LINE)
    return f"pip install 'diverse-inpainting[{_EXTRAS.get(package, 'cli')}]'"


def explain(error: Exception) -> str:
    """Return a message for an error that the user can fix; raise any other error again."""
    if isinstance(error, DiverseInpaintingError):
        return str(error)
    if isinstance(error, ModuleNotFoundError) and not (error.name or _PACK).startswith(_PACK):
        package = (error.name or "").partition(".")[0]
        return f"{package} is not installed. Run: {_installation(package)}"
    if isinstance(error, OSError):
        reason = error.strerror or str(error)
        where = f" {error.filename}" if error.filename else ""
        return (
            f"Cannot read or write{where}: {reason}. "
            "Check the path, its permissions and the free disk space."
        )
    raise error
