"""A function of the user's own that scores images: `module:function` or `file.py:function`.

It gets images [N, H, W, 3] uint8 as a NumPy array, and returns [N] numbers, or several of them by
name. It is imported where the user names it, and nowhere else.
"""

import importlib
import importlib.util
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..core.errors import ConfigError, InputError
from ..core.image import image_to_uint8
from ..core.printable import printable, shown

_SUFFIX = ".py"
_MAX_NAME = 60
_REMEDY = (
    "Correct the function: it gets images [N, H, W, 3] uint8 and returns [N] numbers, or several "
    "of them by name."
)
_FAILURES = (Exception, SystemExit)
"""What the user's code may raise; one that exits would end this program with its own exit code."""
_FILE_MODULE = "diverse_inpainting_scorer"  # shadows nothing, whatever the file's name


class UserScorer:
    """Calls the function of a user, and checks what it returns."""

    def __init__(self, source: str) -> None:
        """Import the function.

        Args:
            source: `module:function`, where modules in the current folder are found, too, or
                `path/to/file.py:function`.

        Raises:
            ConfigError: there is no such function, or importing it fails.
        """
        module_name, _, name = source.rpartition(":")
        if not module_name or not name.isidentifier():
            raise ConfigError(
                "--scorer as module:function or file.py:function", shown(source), "Correct it."
            )
        function = getattr(_import(module_name, source), name, None)
        if not callable(function):
            raise ConfigError(
                f"a function {name} in {module_name}",
                "nothing to call by that name",
                "Correct the name.",
                problem=f"The module {module_name} has no function {name}.",
            )
        self._function: Callable[[Any], Any] = function
        self._source, self._name = source, name
        self._names: set[str] = set()

    def __call__(self, images: Tensor) -> Mapping[str, Tensor]:
        """Return scores [n] by name; that of a single score is the function's.

        Args:
            images: [n, R, R, 3] in [0, 1].

        Raises:
            InputError: the function fails, or returns something else.
        """
        pixels = image_to_uint8(images).cpu().numpy()
        try:
            returned = self._function(pixels)
        except _FAILURES as error:
            problem = f"The scorer {self._source} failed: {_describe(error)}."
            raise InputError("scores", "an error", _REMEDY, problem=problem) from error
        scores = returned if isinstance(returned, Mapping) else {self._name: returned}
        count = len(pixels)
        found = {self._checked_name(k): self._checked(v, count) for k, v in scores.items()}
        if not found or (self._names and self._names != set(found)):
            raise self._refusal("the same names for all images", shown(sorted(found)))
        self._names = set(found)
        return found

    def _checked_name(self, name: object) -> str:
        if isinstance(name, str) and name.strip() and len(name) <= _MAX_NAME:
            return printable(name)
        raise self._refusal("names as short texts", shown(name))

    def _checked(self, values: object, count: int) -> Tensor:
        if isinstance(values, Tensor):
            values = values.detach().cpu()
        try:
            scores = np.asarray(values)
            if np.iscomplexobj(scores):
                raise TypeError("complex numbers have no order")
            scores = scores.astype(np.float64)
        except (TypeError, ValueError) as error:
            raise self._refusal(f"{count} numbers", shown(values)) from error
        if scores.size != count or scores.ndim not in (1, 2):
            raise self._refusal(f"{count} numbers", f"values of shape {list(scores.shape)}")
        if not np.isfinite(scores).all():
            raise self._refusal("finite numbers", f"{(~np.isfinite(scores)).sum()} that are not")
        return torch.from_numpy(scores.reshape(count))

    def _refusal(self, expected: str, got: str) -> InputError:
        return InputError(f"{expected} from the scorer {self._source}", got, _REMEDY)


def _import(name: str, source: str) -> ModuleType:
    try:
        return _import_file(Path(name)) if name.endswith(_SUFFIX) else _import_module(name)
    except _FAILURES as error:
        raise ConfigError(
            f"a scorer {source}",
            _describe(error),
            "Check the name, and that what it needs is installed.",
            problem=f"The scorer {source} cannot be imported: {_describe(error)}.",
        ) from error


def _import_module(name: str) -> ModuleType:
    sys.path.insert(0, "")  # the current folder
    try:
        return importlib.import_module(name)
    finally:
        sys.path.remove("")


def _import_file(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(_FILE_MODULE, path)
    assert spec is not None and spec.loader is not None, "it ends in .py"
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look there
    spec.loader.exec_module(module)
    return module


def _describe(error: BaseException) -> str:
    kind = type(error).__name__
    try:
        return printable(f"{kind}: {error}".rstrip(".: "), 300)
    except Exception:  # the user's code once more
        return kind
