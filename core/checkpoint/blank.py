"""Networks without values: for the shapes that a checkpoint must have, and for loading fast."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from ..networks import DiverseInpaintingModel, ModelConfig, build

_POINTWISE = frozenset(
    getattr(torch.Tensor, name)
    for name in ("__mul__", "__rmul__", "__truediv__", "mul", "div", "__add__", "add")
)
_IN_PLACE = frozenset(
    getattr(torch.Tensor, name)
    for name in ("normal_", "uniform_", "zero_", "fill_", "add_", "sub_", "mul_", "div_")
)


class _NoValues(TorchFunctionMode):
    """Shortcuts for the meta device, where initial values are computed for nobody.

    PyTorch's own meta versions of these functions are written in Python and import its compiler
    the first time: seconds, for arithmetic that has no values. Any other function takes the usual
    way and stays correct. Literal data (filter taps) keeps its values, on the CPU: what no
    checkpoint holds is complete without it.
    """

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: object,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> object:
        kwargs = kwargs or {}
        if func is torch.tensor:
            return func(*args, **{"device": "cpu", **kwargs})
        if func is torch.randn:
            kwargs.pop("generator", None)
            return torch.empty(*args, **kwargs)
        if func is torch.eye:
            return torch.empty(args[0], args[-1], **kwargs)
        if args and isinstance(args[0], Tensor) and args[0].is_meta:
            if func in _IN_PLACE:
                return args[0]
            if func in _POINTWISE and len(args) == 2:
                return _pointwise_shape(*args)
        return func(*args, **kwargs)


def _pointwise_shape(first: Tensor, second: object) -> Tensor:
    shape = first.shape
    if isinstance(second, Tensor):
        shape = torch.broadcast_shapes(shape, second.shape)
    return torch.empty(shape, dtype=first.dtype, device="meta")


def build_blank(config: ModelConfig) -> DiverseInpaintingModel:
    """Return the configured model on the meta device: shapes, no values, no memory."""
    with torch.device("meta"), _NoValues():
        return build(config)
