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
    functions: dict[str, Callable]


_requested: contextvars.ContextVar[str | None] = contextvars.ContextVar("backend", default=None)
_loaded: dict[str, _Backend | str] = {}


def _load(backend: str) -> _Backend | str:
    """Return the backend, or why it cannot be loaded; decided once per process."""
    if backend not in _loaded:
        try:
            _loaded[backend] = _import(backend)
        except ImportError as error:
            _loaded[backend] = str(error)
            _log.info("ops backend %s is not used: %s", backend, error)
    return _loaded[backend]


def _may_run_on(backend: str, device: torch.device) -> bool:
    """Ask a backend before its modules are imported: on a CPU nobody should wait for Triton."""
    loaded = _loaded.get(backend)
    if isinstance(loaded, _Backend):
        return loaded.runs_on(device)
    name = f"{__package__}.{backend}"
    if loaded is not None or importlib.util.find_spec(name) is None:
        return True  # what is known, or will be: why it cannot run
    return importlib.import_module(name).runs_on(device)


def _import(backend: str) -> _Backend:
    package = importlib.import_module(f".{backend}", __package__)
    functions = {}
    for op, module in OPS.items():
        name = f"{package.__name__}.{module}"
        if importlib.util.find_spec(name) is not None:
            functions[op] = getattr(importlib.import_module(name), op)
    return _Backend(package.runs_on, functions)


def list_backends() -> dict[str, str | None]:
    """Return every backend, the best first, with the reason why it cannot run or None."""
    reasons = {backend: _load(backend) for backend in BACKENDS}
    return {name: why if isinstance(why, str) else None for name, why in reasons.items()}


@contextlib.contextmanager
def use_backend(name: str) -> Iterator[None]:
    """Run the ops inside the `with` block on one backend, in this thread or task only.

    Raises:
        BackendError: there is no such backend, or it cannot run here.
    """
    if name not in BACKENDS or isinstance(_load(name), str):
        reason = _load(name) if name in BACKENDS else "there is no such backend"
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
        if not _may_run_on(name, device):
            continue
        loaded = _load(name)
        if isinstance(loaded, str):
            continue
        if op in loaded.functions:
            return loaded.functions[op]
        return select(op, device, "reference")
    raise BackendError(
        f"an ops backend that runs on {device.type}",
        f"{backend}, which does not",
        "Leave the `use_backend` block, or move the tensors.",
    )
