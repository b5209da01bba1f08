"""Which networks are prepared for inference, for how long, and when they may be used."""

import threading
from collections.abc import Callable
from typing import Any, NamedTuple, Self, TypeVar

import torch
from torch import Tensor, nn

_DTYPES = (torch.float32, torch.bfloat16, torch.float16)

_Prepared = TypeVar("_Prepared")


class _Entry(NamedTuple):
    state: tuple
    """What the network's tensors were when it was prepared."""
    sources: list[Tensor]
    """They themselves, so that their memory is not taken by others with the same address."""
    prepared: Any


class PreparedNetworks:
    """Networks as they are when first needed, until their weights change.

    Threads may share it. It is no part of the model's state: a copy starts empty, and so does what
    is unpickled.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entries: dict[str, _Entry] = {}

    def __reduce__(self) -> tuple[type[Self], tuple[()]]:
        return type(self), ()

    def get(
        self,
        network: nn.Module,
        dtype: torch.dtype,
        prepare: Callable[[Any, torch.dtype], _Prepared],
    ) -> _Prepared | None:
        """Return the network prepared for feature maps of a type; None if it cannot be used now.

        It can be used without gradients, in eval mode, outside any tracing, with float32 weights.
        Batch norms count in int64.

        Args:
            network: to prepare.
            dtype: of its feature maps.
            prepare: from the network and dtype; always the same for a class of networks.
        """
        if network.training or torch.is_grad_enabled() or _is_traced() or dtype not in _DTYPES:
            return None
        sources = [*network.parameters(), *network.buffers()]
        if not all(tensor.dtype in (torch.float32, torch.int64) for tensor in sources):
            return None
        key, state = type(network).__name__, (dtype, *map(_state_of, sources))
        entry = self._entries.get(key)
        if entry is None or entry.state != state:
            with self._lock:
                entry = self._entries.get(key)
                if entry is None or entry.state != state:
                    self._entries.pop(key, None)  # first, to have its memory
                    kept = [tensor.detach() for tensor in sources]
                    entry = _Entry(state, kept, prepare(network, dtype))
                    self._entries[key] = entry
        return entry.prepared

    def drop(self) -> None:
        """Forget all networks; the next ones are prepared again."""
        with self._lock:
            self._entries.clear()


def _state_of(tensor: Tensor) -> tuple:
    """Return what changes when a tensor's values do.

    Tensors made in inference mode do not count changes; nothing here changes them.
    """
    version = 0 if tensor.is_inference() else tensor._version
    return tensor.data_ptr(), version, tensor.device


def _is_traced() -> bool:
    tracing = torch._C._get_tracing_state() is not None
    return tracing or torch.onnx.is_in_onnx_export() or torch.compiler.is_compiling()
