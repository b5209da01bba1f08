"""Replays what a step computes as a CUDA graph: its thousands of launches become one.

At batches that fit one GPU, Python takes longer to launch a step's small kernels than the GPU to
run them. A graph needs everything that changes from step to step as a tensor or a seed; what
changes the course of the computation is its key, and each key has a graph of its own.
"""

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from .accumulate import Gradients

Inputs = Mapping[str, Tensor]
Generators = Mapping[str, torch.Generator]
Function = Callable[[Inputs, Generators], Gradients]

# The first calls choose cuDNN's algorithms and compile Triton's kernels, which no graph can.
_WARM_UP_CALLS = 2


@dataclass(frozen=True)
class _Captured:
    graph: torch.cuda.CUDAGraph
    inputs: dict[str, Tensor]
    gradients: dict[str, list[Tensor]]
    names: tuple[str, ...]
    scalars: Tensor


class StepGraphs:
    """Calls functions of tensors and seeds; on CUDA, from the third call of a key on, by a graph.

    Generators are new ones for each call where there are no graphs, so that calls may run side by
    side. With graphs, gradients are overwritten by the next call of any key.
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
            key: equal keys and shapes of inputs launch equal kernels.
            function: of nothing else that changes, except weights changed in place.
            inputs: on the device.
            seeds: of the generators, by their names.
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
        """Courses that are replayed."""
        return len(self._captured)

    def _capture(self, function: Function, inputs: Inputs) -> _Captured:
        static = {name: value.clone() for name, value in inputs.items()}
        graph = torch.cuda.CUDAGraph()
        for generator in self._generators.values():
            graph.register_generator_state(generator)
        # Else the graph would be captured on the current device, which need not be this one.
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
        # A copy: scalars wait on the device for the next line of the log.
        scalars = captured.scalars.clone().unbind()
        return Gradients(dict(captured.gradients), dict(zip(captured.names, scalars, strict=True)))
