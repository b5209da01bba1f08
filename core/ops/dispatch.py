"""Which backend runs an op: the one asked for by name, else the best that can, else the reference.

A backend is a subpackage beside this file. Its `why_not` says why it cannot run on a device, and
imports nothing heavy for one that it is not made for. It holds some of the ops' modules, each with
functions of the reference's names and arguments. What it lacks runs on the reference, which is
plain PyTorch, has all and runs everywhere.
"""

import contextlib
import contextvars
import importlib
import importlib.util
import logging
from collections.abc import Callable, Iterator

import torch

from ..errors import BackendError

_log = logging.getLogger(__name__)

OPS = {
    "upfirdn2d": "upfirdn2d",
    "bias_act": "bias_act",
    "bias_act_gradients": "bias_act",
}
"""Names of the functions, and of the module that holds each."""
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
    """Return every backend, the best first, with the reason why it cannot run or None.

    Args:
        device: where; None takes CUDA if there is one, else the CPU.
    """
    if device is None:
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return {backend: _reason(backend, device) for backend in BACKENDS}


@contextlib.contextmanager
def use_backend(name: str) -> Iterator[None]:
    """Run the ops inside the `with` block on one backend, in this thread or task only.

    Raises:
        BackendError: there is no such backend, or it cannot run here.
    """
    reason = _load(name) if name in BACKENDS else "there is no such backend"
    if isinstance(reason, str):
        able = [backend for backend, why in list_backends().items() if why is None]
        raise BackendError(
            f"an ops backend that can run here: {', '.join(able)}",
            f"{name!r} ({reason})",
            "Choose one of those that can, or none to take the best.",
        )
    token = _requested.set(name)
    try:
        yield
    finally:
        _requested.reset(token)


def requested() -> str | None:
    """Return the backend asked for in this thread; gradients run in others, and are told it."""
    return _requested.get()


def select(op: str, device: torch.device, backend: str | None) -> Callable:
    """Return the function that runs the op on a device.

    Args:
        op: a key of `OPS`.
        device: of the tensors.
        backend: what `requested` returned when the op was called.

    Raises:
        BackendError: the backend asked for does not run on the device.
    """
    for name in (backend,) if backend else BACKENDS:
        if _reason(name, device) is None:
            functions = _load(name)
            assert not isinstance(functions, str)  # else there was a reason
            return functions.get(op) or select(op, device, "reference")
    raise BackendError(
        f"an ops backend that runs on {device.type}",
        f"{backend} ({_reason(str(backend), device)})",
        "Leave the `use_backend` block, or move the tensors.",
    )
