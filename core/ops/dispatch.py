"""Choose the backend of an op: the one requested by name, or the best that can run.

A backend is a subpackage beside this file. Its `why_not` says why it cannot run on a device, and
imports nothing heavy for a device that it does not support. It has some of the ops' modules, with
functions of the same names and arguments as the reference's. The reference is plain PyTorch, has
all ops and runs everywhere; it also runs what a backend lacks.
"""

import contextlib
import contextvars
import importlib
import importlib.util
import sys
from collections.abc import Callable, Iterator

import torch

from ..errors import BackendError
from ..printable import get_logger

_log = get_logger(__name__)

OPS = {
    "upfirdn2d": "upfirdn2d",
    "bias_act": "bias_act",
    "bias_act_gradients": "bias_act",
}
"""Names of the functions, each with the name of its module."""
BACKENDS = ("triton", "reference")
"""Names of the backends, the best first."""

_requested: contextvars.ContextVar[str | None] = contextvars.ContextVar("backend", default=None)
_loaded: dict[str, dict[str, Callable] | str] = {}
_reasons: dict[tuple[str, torch.device], str | None] = {}


def _load(backend: str) -> dict[str, Callable] | str:
    """Return the backend's functions, or why they cannot be loaded; decided once per process."""
    if backend not in _loaded:
        try:
            _loaded[backend] = _import(backend)
        except ImportError as error:
            _loaded[backend] = str(error)
    return _loaded[backend]


def _import(backend: str) -> dict[str, Callable]:
    package = importlib.import_module(f".{backend}", __package__)
    functions = {}
    for op, module in OPS.items():
        name = f"{package.__name__}.{module}"
        if importlib.util.find_spec(name) is not None:
            functions[op] = getattr(importlib.import_module(name), op)
    return functions


def _reason(backend: str, device: torch.device) -> str | None:
    """Return why a backend cannot run on a device, or None; decided once per process."""
    key = (backend, device)
    if key not in _reasons:
        try:
            package = importlib.import_module(f".{backend}", __package__)
            _reasons[key] = package.why_not(device)
        except ImportError as error:
            _reasons[key] = str(error)
        if _reasons[key] is not None:
            _log.info("ops backend %s is not used on %s: %s", backend, device, _reasons[key])
    return _reasons[key]


def list_backends(device: torch.device | None = None) -> dict[str, str | None]:
    """Return all backends, the best first, each with the reason why it cannot run, or None.

    Args:
        device: to run on; None for CUDA if available, else the CPU.
    """
    if device is None:
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return {backend: _reason(backend, device) for backend in BACKENDS}


@contextlib.contextmanager
def use_backend(name: str) -> Iterator[None]:
    """Run the ops in a `with` block on one backend, in this thread or task only.

    Raises:
        BackendError: there is no such backend, or it cannot be loaded.
    """
    reason = _load(name) if name in BACKENDS else "there is no such backend"
    if isinstance(reason, str):
        able = [backend for backend, why in list_backends().items() if why is None]
        raise BackendError(
            f"an ops backend that can run here: {', '.join(able)}",
            f"{name!r} ({reason})",
            "Choose one of those, or none to use the best.",
            problem=f"The ops backend {name!r} cannot run ({reason}); {', '.join(able)} can.",
        )
    token = _requested.set(name)
    try:
        yield
    finally:
        _requested.reset(token)


def requested() -> str | None:
    """Return the backend requested in this thread; gradients, in others, are passed its name."""
    return _requested.get()


def select(op: str, device: torch.device, backend: str | None) -> Callable:
    """Return the function that runs the op on a device.

    Args:
        op: a key of `OPS`.
        device: of the tensors.
        backend: what `requested` returned when the op was called.

    Raises:
        BackendError: the requested backend does not run on the device.
    """
    for name in (backend,) if backend else BACKENDS:
        if _reason(name, device) is None:
            functions = _load(name)
            assert not isinstance(functions, str)  # else there was a reason
            return functions.get(op) or select(op, device, "reference")
    reason = _reason(str(backend), device)
    raise BackendError(
        f"an ops backend that runs on {device.type}",
        f"{backend} ({reason})",
        "Leave the `use_backend` block, or move the tensors.",
        problem=f"The ops backend {backend!r} cannot run on {device.type} ({reason}).",
    )


def is_exporting() -> bool:
    """Return whether PyTorch writes an ONNX graph, which takes its own operations only.

    Asking it directly would import its exporter, which takes as long as a completion.
    """
    return "torch.onnx" in sys.modules and torch.onnx.is_in_onnx_export()
