"""CUDA graphs: a function of tensors becomes one launch instead of hundreds of kernels.

With small batches, Python takes longer to launch the kernels than a GPU to run them.
"""

import functools
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

import torch
from torch import Tensor

from .printable import get_logger

T = TypeVar("T")

_MAX_GRAPHS = 12  # four stages, each for three batch sizes: a graph holds its feature maps

_TOLERANCE = 0.02  # of the root mean square
_one_at_a_time = threading.Lock()  # PyTorch allows one capture in a process

_logger = get_logger(__name__)


@dataclass(frozen=True)
class Captured(Generic[T]):
    """A captured call; its inputs and outputs stay where they are in memory."""

    graph: torch.cuda.CUDAGraph
    inputs: tuple[Tensor, ...]
    outputs: T

    def replay(self, inputs: Iterable[Tensor]) -> T:
        """Return the outputs for other inputs; the next replay overwrites them.

        Args:
            inputs: of the shapes and types of those captured.
        """
        for static, value in zip(self.inputs, inputs, strict=True):
            static.copy_(value)
        self.graph.replay()
        return self.outputs


class GraphPool:
    """Captures calls on one device that share their memory and so never run side by side."""

    @functools.cached_property
    def _capturing(self) -> Callable[..., torch.cuda.graph]:
        return functools.partial(
            torch.cuda.graph,
            pool=torch.cuda.graph_pool_handle(),
            stream=torch.cuda.Stream(),  # one: memory is shared within a stream only
            capture_error_mode="thread_local",  # other threads may use the GPU meanwhile
        )

    def capture(
        self,
        function: Callable[..., T],
        inputs: Iterable[Tensor],
        generators: Iterable[torch.Generator] = (),
    ) -> Captured[T]:
        """Capture function(*inputs), which must have been called before.

        The first calls choose cuDNN's algorithms and compile Triton's kernels; a capture cannot.

        Args:
            function: depends on nothing else, except tensors that are updated in place.
            inputs: tensors on one CUDA device, at least one.
            generators: those that the function draws from.
        """
        static = tuple(value.clone() for value in inputs)
        graph = torch.cuda.CUDAGraph()
        for generator in generators:
            graph.register_generator_state(generator)
        device = static[0].device
        with (
            _one_at_a_time,
            # Otherwise the graph would be captured on the current device, which may be another one.
            torch.cuda.device(device),
            # A capture that fails would leave its own stream behind.
            torch.cuda.stream(torch.cuda.current_stream(device)),
            self._capturing(graph),
        ):
            outputs = function(*static)
        return Captured(graph, static, outputs)


class InferenceGraphs:
    """Calls functions of tensors; on CUDA, replays a graph from the second call of a kind on.

    Calls are of one kind if key, shapes and types are equal. On other devices, while another graph
    is being captured, and once a capture has failed or its graph returned something else than the
    function, functions are simply called. Several threads may call at once.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._called: set[Hashable] = set()
        self._captured: OrderedDict[Hashable, Captured[tuple[Tensor, ...]]] = OrderedDict()
        self._pool = GraphPool()
        self._has_failed = False

    def run(
        self, key: Hashable, function: Callable[..., tuple[Tensor, ...]], *inputs: Tensor
    ) -> tuple[Tensor, ...]:
        """Return function(*inputs).

        Args:
            key: tells functions apart, with all that they depend on besides the inputs.
            function: returns tensors.
            inputs: tensors on one device, at least one.
        """
        if self._has_failed or not _can_capture(inputs):
            return function(*inputs)
        kind = (key, tuple((value.shape, value.dtype) for value in inputs))
        # What is captured in inference mode could not be overwritten outside of it.
        with self._lock, torch.inference_mode(False), torch.no_grad():
            if kind not in self._called:
                outputs = function(*inputs)
                self._called.add(kind)  # only now: out of memory is no first call
                return outputs
            if kind in self._captured or self._capture(kind, function, inputs):
                replayed = self._captured[kind].replay(inputs)
                self._captured.move_to_end(kind)
                # Copies: the next replay overwrites what this one returned.
                return tuple(value.clone() for value in replayed)
        return function(*inputs)

    def _capture(
        self,
        kind: Hashable,
        function: Callable[..., tuple[Tensor, ...]],
        inputs: tuple[Tensor, ...],
    ) -> bool:
        """Capture a call; return False, and give up graphs, if that fails."""
        try:
            captured = self._captured[kind] = self._pool.capture(function, inputs)
            for pair in zip(captured.replay(inputs), function(*inputs), strict=True):
                _check_agreement(*pair)
        except RuntimeError as error:  # not enough memory, or a driver that cannot
            _logger.warning("going on without CUDA graphs: %s", error)
            self._captured.clear()
            self._pool, self._has_failed = GraphPool(), True
            return False
        if len(self._captured) > _MAX_GRAPHS:
            self._captured.popitem(last=False)
        return True

    @property
    def num_captured(self) -> int:
        """Number of graphs that are kept."""
        return len(self._captured)


def _check_agreement(replayed: Tensor, called: Tensor) -> None:
    """Raise RuntimeError unless two results are the same but for rounding."""
    error, power = (value.double().square().mean() for value in (replayed - called, called))
    if not error <= _TOLERANCE**2 * power:  # NaN, too
        raise RuntimeError("results differ")


def _can_capture(inputs: tuple[Tensor, ...]) -> bool:
    return inputs[0].is_cuda and not torch.cuda.is_current_stream_capturing()
