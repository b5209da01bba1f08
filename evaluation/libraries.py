"""Packages that only metrics need, imported when one is asked for."""

import importlib
from types import ModuleType

from ..core.errors import CheckpointError


def import_library(name: str) -> ModuleType:
    """Return a module of the `metrics` extra.

    Raises:
        CheckpointError: it is not installed, or cannot be imported.
    """
    try:
        return importlib.import_module(name)
    except (ImportError, RuntimeError) as error:  # RuntimeError: torchvision for another torch
        package = name.split(".")[0].replace("_", "-")
        raise CheckpointError(
            f"the package {package} for a metric on network features",
            f"{type(error).__name__} ({error})",
            'Install it (pip install "diverse-inpainting[metrics]"), or leave the metric out.',
        ) from error
