"""How the public methods compute: without gradients, in the precision that they document."""

import contextlib
import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import torch

P = ParamSpec("P")
T = TypeVar("T")

_AUTOCAST_DEVICES = ("cpu", "cuda", "mps", "xpu")


def inference(function: Callable[P, T]) -> Callable[P, T]:
    """Return a function that ignores its caller's autocast and records no gradients.

    Autocast would compute in half precision what the networks need in float32; `precision` is the
    setting for that.
    """

    @functools.wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> T:
        with contextlib.ExitStack() as stack:
            stack.enter_context(torch.no_grad())
            for device in _AUTOCAST_DEVICES:
                if torch.is_autocast_enabled(device):
                    stack.enter_context(torch.autocast(device, enabled=False))
            return function(*args, **kwargs)

    return run
