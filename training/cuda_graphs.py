"""Replays steps as CUDA graphs: thousands of kernel launches become one.

With batches that fit on one GPU, Python takes longer to launch a step's small kernels than the GPU
to run them. Everything that differs between steps has to be a tensor or a seed; whatever decides
which kernels run is part of the key, and each key has its own graph.
"""

from collections.abc import Callable, Hashable, Mapping, Sequence

import torch
from torch import Tensor

from ..core.cuda_graphs import Captured, GraphPool
from .accumulate import Gradients

Inputs = Mapping[str, Tensor]
Generators = Mapping[str, torch.Generator]
Function = Callable[[Inputs, Generators], Gradients]

_WARM_UP_CALLS = 2
_Outputs = tuple[Mapping[str, Sequence[Tensor]], tuple[str, ...], Tensor]
"""Gradients by network, names of the scalars, and the scalars in one tensor."""


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
        self._captured: dict[Hashable, Captured[_Outputs]] = {}
        self._pool = GraphPool()

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
        gradients, names, scalars = self._captured[key].replay(inputs.values())
        # A copy: scalars stay on the device until the next line of the log.
        values = scalars.clone().unbind()
        return Gradients(dict(gradients), dict(zip(names, values, strict=True)))

    @property
    def num_captured(self) -> int:
        """Number of graphs."""
        return len(self._captured)

    def _capture(self, function: Function, inputs: Inputs) -> Captured[_Outputs]:
        def tensors(*values: Tensor) -> _Outputs:
            result = function(dict(zip(inputs, values, strict=True)), self._generators)
            gradients = {name: list(found) for name, found in result.by_network.items()}
            scalars = torch.stack([value.detach().float() for value in result.scalars.values()])
            return gradients, tuple(result.scalars), scalars

        return self._pool.capture(tensors, inputs.values(), self._generators.values())
