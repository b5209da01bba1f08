"""Stands in for CUDA graphs where there is no GPU: a captured call is called again."""

import pytest
import torch

from diverse_inpainting.core import cuda_graphs
from diverse_inpainting.core.cuda_graphs import GraphPool


class Recalled:
    """As a graph does, reads the inputs and overwrites the outputs of its first call."""

    def __init__(self, function, inputs):
        self.function = function
        self.inputs = [value.clone() for value in inputs]
        self.outputs = function(*self.inputs)

    def replay(self, inputs):
        for static, value in zip(self.inputs, inputs, strict=True):
            static.copy_(value)
        for static, value in zip(self.outputs, self.function(*self.inputs), strict=True):
            static.copy_(value)
        return self.outputs


def stand_in(monkeypatch: pytest.MonkeyPatch) -> list[Recalled]:
    """Let inference graphs work on a CPU; return the list that captured calls are added to."""
    captured: list[Recalled] = []

    def capture(pool, function, inputs):
        assert not torch.is_grad_enabled()
        captured.append(Recalled(function, inputs))
        return captured[-1]

    monkeypatch.setattr(cuda_graphs, "_can_capture", lambda inputs: True)
    monkeypatch.setattr(GraphPool, "capture", capture)
    return captured
