"""Which backend runs an op: the one asked for by name, else the best that can, else the reference.

A backend is a subpackage beside this file. It says on which devices it runs, without importing
anything heavy, and holds some of the ops' modules, each with a function of the op's name and the
public op's arguments. What it lacks runs on the reference, which is plain PyTorch, has all and runs
everywhere.
"""

import contextlib
import contextvars
import importlib
import importlib.util
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch

from ..errors import BackendError

_log = logging.getLogger(__name__)

OPS = {
    "upfirdn2d": "upfirdn2d",
    "bias_act": "bias_act",
    "bias_act_gradient": "bias_act",
    "modulated_conv2d": "modulated_conv2d",
}
"""Names of the functions, and of the module that holds each."""
BACKENDS = ("triton", "reference")
"""Names of the backends, the best first."""


@dataclass(frozen=True)
class _Backend:
    runs_on: Callable[[torch.device], bool]
    why_not: Callable[[torch.device], str | None]
    functions: dict[str, Callable]


_requested: contextvars.ContextVar[str | None] = contextvars.ContextVar("backend", default=None)
_loaded: dict[str, _Backend | str] = {}
_reasons: dict[tuple[str, torch.device], str | None] = {}


def _load(backend: str) -> _Backend | str:
    """Return the backend, or why it cannot be loaded; decided once per process."""
    if backend not in _loaded:
        try:
            _loaded[backend] = _import(backend)
        except ImportError as error:
            _loaded[backend] = str(error)
            _log.info("ops backend %s is not used: %s", backend, error)
    return _loaded[backend]


def _import(backend: str) -> _Backend:
    package = importlib.import_module(f".{backend}", __package__)
    functions = {}
    for op, module in OPS.items():
        name = f"{package.__name__}.{module}"
        if importlib.util.find_spec(name) is not None:
            functions[op] = getattr(importlib.import_module(name), op)
    return _Backend(package.runs_on, package.why_not, functions)


def _reason(backend: str, device: torch.device) -> str | None:
    """Return why a backend cannot run on a device, or None; decided once per process."""
    key = (backend, device)
    if key not in _reasons:
        _reasons[key] = _find_reason(backend, device)
        if _reasons[key] is not None:
            _log.info("ops backend %s is not used on %s: %s", backend, device, _reasons[key])
    return _reasons[key]


def _find_reason(backend: str, device: torch.device) -> str | None:
    """Ask a backend before its modules are imported: on a CPU nobody should wait for Triton."""
    name = f"{__package__}.{backend}"
    is_meant = True
    if backend not in _loaded and importlib.util.find_spec(name) is not None:
        is_meant = importlib.import_module(name).runs_on(device)
    loaded = _load(backend) if is_meant else None
    if isinstance(loaded, str):
        return loaded
    if loaded is None or not loaded.runs_on(device):
        return f"it is not made for {device.type}"
    return loaded.why_not(device)


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
            loaded = _load(name)
            assert isinstance(loaded, _Backend)
            return loaded.functions.get(op) or select(op, device, "reference")
    raise BackendError(
        f"an ops backend that runs on {device.type}",
        f"{backend} ({_reason(str(backend), device)})",
        "Leave the `use_backend` block, or move the tensors.",
    )
