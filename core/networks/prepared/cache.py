"""Which networks are prepared for inference, for how long, and when they may be used."""

import threading
from collections.abc import Callable
from typing import Any, NamedTuple, Self, TypeVar

import torch
from torch import Tensor, nn

from ...cuda_graphs import InferenceGraphs
from ...ops import is_exporting

_DEVICES = ("cpu", "cuda")
"""Others, such as Apple's GPUs, take networks as they are: nobody has compared results there."""
_DTYPES = (torch.float32, torch.bfloat16, torch.float16)

_Prepared = TypeVar("_Prepared")


class _Entry(NamedTuple):
    network: nn.Module
    dtype: torch.dtype
    state: tuple
    """What the network's tensors were when it was prepared."""
    sources: list[Tensor]
    """They themselves, so that their memory is not taken by others with the same address."""
    prepared: Any

    def fits(self, dtype: torch.dtype, state: tuple) -> bool:
        return (self.dtype, self.state) == (dtype, state)


class PreparedNetworks:
    """Networks as they are when first needed, until their weights change.

    Threads may share it. It is no part of the model's state: a copy starts empty, and so does what
    is unpickled.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entries: dict[str, _Entry] = {}
        self.graphs = InferenceGraphs()
        """Of calls that use these networks and nothing else that can change."""

    def __reduce__(self) -> tuple[type[Self], tuple[()]]:
        return type(self), ()

    def get(
        self,
        network: nn.Module,
        dtype: torch.dtype,
        prepare: Callable[[Any, torch.dtype], _Prepared],
        *,
        is_differentiable: bool = False,
    ) -> _Prepared | None:
        """Return the network prepared for feature maps of a type; None if it cannot be used now.

        It can be used in eval mode, outside any tracing, with float32 weights (batch norms count in
        int64) on a CPU or with CUDA, and while gradients are recorded only if it has some and the
        weights want none.

        Args:
            network: to prepare.
            dtype: of its feature maps.
            prepare: from the network and dtype; always the same for a class of networks.
            is_differentiable: whether what it returns has gradients with respect to its inputs.
        """
        needs_gradient = torch.is_grad_enabled()
        if network.training or _is_traced() or dtype not in _DTYPES:
            return None
        sources = _tensors_of(network)
        if any(tensor.device.type not in _DEVICES for tensor in sources):
            return None
        if needs_gradient and not (is_differentiable and _is_constant(sources)):
            return None
        if not all(tensor.dtype in (torch.float32, torch.int64) for tensor in sources):
            return None
        key, state = type(network).__name__, _states_of(network)
        entry = self._entries.get(key)
        if entry is None or not entry.fits(dtype, state):
            with self._lock:
                entry = self._entries.get(key)
                if entry is None or not entry.fits(dtype, state):
                    if self._entries.pop(key, None) is not None:  # first, to have its memory
                        self.graphs = InferenceGraphs()
                    kept = [tensor.detach() for tensor in sources]
                    # Autograd does not accept tensors that are made in inference mode.
                    with torch.inference_mode(False), torch.no_grad():
                        entry = _Entry(network, dtype, state, kept, prepare(network, dtype))
                    self._entries[key] = entry
        return entry.prepared

    def drop(self) -> None:
        """Forget all networks; the next ones are prepared again."""
        with self._lock:
            self._entries.clear()
            self.graphs = InferenceGraphs()

    def drop_outdated(self) -> None:
        """Forget all networks, and with them their memory, if the tensors of any are others now."""
        entries = list(self._entries.values())
        if not all(entry.state == _states_of(entry.network) for entry in entries):
            self.drop()


def _tensors_of(network: nn.Module) -> list[Tensor]:
    return [*network.parameters(), *network.buffers()]


def _states_of(network: nn.Module) -> tuple:
    return tuple(map(_state_of, _tensors_of(network)))


def _state_of(tensor: Tensor) -> tuple:
    """Return what changes when a tensor's values do.

    Tensors made in inference mode do not count changes; nothing here changes them.
    """
    version = 0 if tensor.is_inference() else tensor._version
    return tensor.data_ptr(), version, tensor.device


def _is_constant(tensors: list[Tensor]) -> bool:
    return not any(tensor.requires_grad or tensor.is_inference() for tensor in tensors)


def _is_traced() -> bool:
    is_compiled = is_exporting() or torch.compiler.is_compiling()
    return is_compiled or torch.jit.is_tracing()  # pyright: ignore[reportPrivateImportUsage]
