"""Errors that a user can cause and fix, as plain sentences."""

from typing import NoReturn

from ..core.errors import DiverseInpaintingError
from .console import echo

_PACK = __name__.partition(".")[0]

# By import name; what is not listed comes with [cli].
_EXTRAS = {
    "accelerate": "training",
    "matplotlib": "training",
    "sklearn": "training",
    "tensorboard": "training",
    "lpips": "metrics",
    "torch_fidelity": "metrics",
    "ray": "scale",
    "fsspec": "scale",
    "pandas": "scale",
    "pyarrow": "scale",
}


def fail(message: str, code: int = 2) -> NoReturn:
    """Print a message to stderr and exit."""
    echo(message, to_stderr=True)
    raise SystemExit(code)


def explain(error: Exception) -> str:
    """Return a message for an error that the user can fix; raise any other error again."""
    if isinstance(error, DiverseInpaintingError):
        return str(error)
    if isinstance(error, ModuleNotFoundError) and not (error.name or _PACK).startswith(_PACK):
        package = (error.name or "").partition(".")[0]
        extra = _EXTRAS.get(package, "cli")
        return f"{package} is not installed. Run: pip install 'diverse-inpainting[{extra}]'"
    if isinstance(error, OSError):
        reason = error.strerror or str(error)
        where = f" {error.filename}" if error.filename else ""
        return (
            f"Cannot read or write{where}: {reason}. "
            "Check the path, its permissions and the free disk space."
        )
    raise error
