"""Functions replayed as CUDA graphs return what they return when called."""

import pytest
import torch

from diverse_inpainting.core import cuda_graphs
from diverse_inpainting.core.cuda_graphs import GraphPool, InferenceGraphs
from recalled_graphs import stand_in


@pytest.fixture
def recalled(monkeypatch):
    return stand_in(monkeypatch)


def double_and_sum(x):
    return x * 2, x.sum()


def test_on_a_cpu_the_function_is_called():
    graphs = InferenceGraphs()
    for _ in range(3):
        assert graphs.run("a", double_and_sum, torch.ones(2))[1] == 2
    assert graphs.num_captured == 0


def test_the_second_call_of_a_kind_captures_and_results_outlive_the_next_call(recalled):
    graphs = InferenceGraphs()
    results = [graphs.run("a", double_and_sum, torch.full((3,), float(i))) for i in range(4)]
    assert graphs.num_captured == 1
    for i, (doubled, total) in enumerate(results):
        assert doubled.tolist() == [2.0 * i] * 3
        assert total == 3 * i


def test_keys_shapes_and_types_are_told_apart(recalled):
    graphs = InferenceGraphs()
    for _ in range(2):
        graphs.run("a", double_and_sum, torch.ones(3))
        graphs.run("b", double_and_sum, torch.ones(3))
        graphs.run("a", double_and_sum, torch.ones(4))
        graphs.run("a", double_and_sum, torch.ones(3, dtype=torch.float16))
    assert graphs.num_captured == 4


def test_the_graph_used_longest_ago_is_forgotten_first(recalled, monkeypatch):
    monkeypatch.setattr(cuda_graphs, "_MAX_GRAPHS", 2)
    graphs = InferenceGraphs()
    for size in (1, 1, 2, 2, 1, 3, 3, 1):
        graphs.run("a", double_and_sum, torch.ones(size))
    assert graphs.num_captured == 2
    assert len(recalled) == 3  # the last call still had its graph
    graphs.run("a", double_and_sum, torch.ones(2))
    assert len(recalled) == 4


def test_a_first_call_without_enough_memory_does_not_count(recalled):
    graphs = InferenceGraphs()

    def too_large(x):
        raise torch.OutOfMemoryError("none left")

    for _ in range(3):
        with pytest.raises(torch.OutOfMemoryError):
            graphs.run("a", too_large, torch.ones(1))
    assert graphs.num_captured == 0


@pytest.mark.parametrize("error", [torch.OutOfMemoryError("none left"), RuntimeError("no graphs")])
def test_after_a_capture_that_failed_functions_are_called(recalled, monkeypatch, error, caplog):
    """With less memory than a second copy of the feature maps takes, for example."""
    graphs, attempts = InferenceGraphs(), []
    for _ in range(2):
        graphs.run("a", double_and_sum, torch.ones(2))

    def fail(*args):
        attempts.append(args)
        raise error

    monkeypatch.setattr(GraphPool, "capture", fail)
    for key in "abbb":
        assert graphs.run(key, double_and_sum, torch.ones(3))[1] == 3
    assert len(attempts) == 1 and graphs.num_captured == 0
    assert str(error) in caplog.text


def test_a_graph_that_returns_something_else_is_not_used(recalled, caplog):
    graphs, results = InferenceGraphs(), []

    def drifting(x):
        results.append(x + len(results))
        return (results[-1],)

    for _ in range(4):
        assert graphs.run("a", drifting, torch.ones(3))[0] is results[-1]
    assert graphs.num_captured == 0 and len(recalled) == 1
    assert "results differ" in caplog.text


@pytest.mark.cuda
def test_a_replayed_network_equals_the_called_one():
    torch.manual_seed(0)
    network = torch.nn.Conv2d(3, 4, 3, device="cuda").requires_grad_(False)
    graphs = InferenceGraphs()
    inputs = torch.randn(5, 2, 3, 8, 8, device="cuda")
    results = [graphs.run("conv", lambda x: (network(x),), x)[0] for x in inputs]
    assert graphs.num_captured == 1
    for x, result in zip(inputs, results, strict=True):
        torch.testing.assert_close(result, network(x))
