"""Replays steps as CUDA graphs: thousands of kernel launches become one.

With batches that fit on one GPU, Python takes longer to launch a step's small kernels than the GPU
to run them. Everything that differs between steps has to be a tensor or a seed; whatever decides
which kernels run is part of the key, and each key has its own graph.
"""

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from .accumulate import Gradients

Inputs = Mapping[str, Tensor]
Generators = Mapping[str, torch.Generator]
Function = Callable[[Inputs, Generators], Gradients]

# The first calls choose cuDNN's algorithms and compile Triton's kernels; a capture cannot.
_WARM_UP_CALLS = 2


@dataclass(frozen=True)
class _Captured:
    graph: torch.cuda.CUDAGraph
    inputs: dict[str, Tensor]
    gradients: dict[str, list[Tensor]]
    names: tuple[str, ...]
    scalars: Tensor


class StepGraphs:
    """Calls functions of tensors and seeds; on CUDA, replays a graph from a key's third call on.

    Without graphs, each call gets new generators, so that calls may run in parallel. With graphs,
    the next call with any key overwrites the gradients.
    """

    def __init__(self, device: torch.device, *, is_used: bool) -> None:
        self._device = device
        self._is_used = is_used and device.type == "cuda"
        self._generators: dict[str, torch.Generator] = {}
        self._calls: dict[Hashable, int] = {}
        self._captured: dict[Hashable, _Captured] = {}
        self._pool = torch.cuda.graph_pool_handle() if self._is_used else None

    def run(
        self, key: Hashable, function: Function, inputs: Inputs, seeds: Mapping[str, int]
    ) -> Gradients:
        """Return function(inputs, generators with these seeds).

        Args:
            key: calls with equal keys and input shapes launch the same kernels.
            function: depends on nothing else, except weights that are updated in place.
            inputs: tensors on the device.
            seeds: of the generators, by name.
        """
        if not self._is_used:
            made = {
                name: torch.Generator(self._device).manual_seed(seed)
                for name, seed in seeds.items()
            }
            return function(inputs, made)
        for name, seed in seeds.items():
            generator = self._generators.setdefault(name, torch.Generator(self._device))
            generator.manual_seed(seed)
        key = (key, tuple((name, value.shape) for name, value in inputs.items()))
        calls = self._calls[key] = self._calls.get(key, 0) + 1
        if calls <= _WARM_UP_CALLS:
            return function(inputs, self._generators)
        if key not in self._captured:
            self._captured[key] = self._capture(function, inputs)
        return self._replay(self._captured[key], inputs)

    @property
    def num_captured(self) -> int:
        """Number of graphs."""
        return len(self._captured)

    def _capture(self, function: Function, inputs: Inputs) -> _Captured:
        static = {name: value.clone() for name, value in inputs.items()}
        graph = torch.cuda.CUDAGraph()
        for generator in self._generators.values():
            graph.register_generator_state(generator)
        # Otherwise the graph would be captured on the current device, which may be another one.
        stream = torch.cuda.Stream(self._device)
        with torch.cuda.device(self._device), torch.cuda.graph(graph, self._pool, stream):
            result = function(static, self._generators)
            gradients = {name: list(tensors) for name, tensors in result.by_network.items()}
            scalars = torch.stack([value.detach().float() for value in result.scalars.values()])
        return _Captured(graph, static, gradients, tuple(result.scalars), scalars)

    @staticmethod
    def _replay(captured: _Captured, inputs: Inputs) -> Gradients:
        for name, value in inputs.items():
            captured.inputs[name].copy_(value)
        captured.graph.replay()
        # A copy: scalars stay on the device until the next line of the log.
        scalars = captured.scalars.clone().unbind()
        return Gradients(dict(captured.gradients), dict(zip(captured.names, scalars, strict=True)))
