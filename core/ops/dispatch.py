"""Which backend runs an op: the one asked for by name, else the best that can, else the reference.

A backend is a subpackage beside this file that holds one module per op, each with a function of
the op's name and the public op's arguments. `reference` is plain PyTorch and runs everywhere.
"""

import contextlib
import contextvars
import importlib
import logging
from collections.abc import Callable, Iterator

from ..errors import BackendError

_log = logging.getLogger(__name__)

OPS = ("upfirdn2d", "bias_act", "modulated_conv2d")
BACKENDS = ("reference",)
"""Names of the backends, the best first."""

_requested: contextvars.ContextVar[str | None] = contextvars.ContextVar("backend", default=None)
_loaded: dict[str, dict[str, Callable] | str] = {}


def _load(backend: str) -> dict[str, Callable] | str:
    """Return the backend's functions, or why it cannot run; decided once per process."""
    if backend not in _loaded:
        try:
            modules = {op: importlib.import_module(f".{backend}.{op}", __package__) for op in OPS}
            _loaded[backend] = {op: getattr(module, op) for op, module in modules.items()}
        except ImportError as error:
            _loaded[backend] = str(error)
            _log.info("ops backend %s is not used: %s", backend, error)
    return _loaded[backend]


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


def select(op: str) -> Callable:
    """Return the function that runs the op here and now."""
    requested = _requested.get()
    for backend in (requested,) if requested else BACKENDS:
        functions = _load(backend)
        if not isinstance(functions, str):
            return functions[op]
    raise BackendError("a backend that can run", str(list_backends()), "Reinstall the package.")
