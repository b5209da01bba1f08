"""Micro-batches: their mean is the whole batch, in their own order, errors come out."""

import pytest
import torch

from diverse_inpainting.training.accumulate import GradientAccumulator, Gradients, apply_gradients
from tolerances import assert_close

BATCH = 8
CPU = torch.device("cpu")


def gradients_of(weight, micro_batch, seen=None):
    """Return the function for a runner: the gradient of the mean of (weight * position)^2."""

    def function(start):
        positions = torch.arange(start, start + micro_batch, dtype=torch.float64)
        loss = (weight * positions).square().mean()
        if seen is not None:
            seen.append(start)
        return Gradients({"net": torch.autograd.grad(loss, [weight])}, {"loss": loss})

    return function


@pytest.mark.parametrize("micro_batch", [1, 2, 4, 8])
@pytest.mark.parametrize("nimg", [0, 24])
def test_the_mean_is_that_of_the_whole_batch(micro_batch, nimg):
    weight = torch.tensor(3.0, dtype=torch.float64, requires_grad=True)
    runner = GradientAccumulator(CPU, BATCH, micro_batch)
    seen = []
    result = runner.run(gradients_of(weight, micro_batch, seen), nimg)
    assert sorted(seen) == list(range(nimg, nimg + BATCH, micro_batch))
    mean_square = torch.arange(nimg, nimg + BATCH, dtype=torch.float64).square().mean()
    assert_close(result.by_network["net"][0], 6 * mean_square)
    assert_close(result.scalars["loss"], 9 * mean_square)


def test_order_does_not_depend_on_which_worker_is_first():
    """Summed in the order of the batch: bit for bit the same every time."""
    values = torch.rand(BATCH, generator=torch.Generator().manual_seed(1)) * 10.0 ** torch.arange(8)

    def function(start):
        return Gradients({"net": [values[start]]}, {})

    expected = sum(values[1:], values[0]) / BATCH
    runner = GradientAccumulator(CPU, BATCH, 1)
    for _ in range(20):
        assert torch.equal(runner.run(function, 0).by_network["net"][0], expected)


@pytest.mark.parametrize("micro_batch", [4, BATCH])
def test_what_is_logged_keeps_no_graph_alive(micro_batch):
    """Or the activations of all micro-batches would be in memory at once."""
    weight = torch.tensor(3.0, dtype=torch.float64, requires_grad=True)
    result = GradientAccumulator(CPU, BATCH, micro_batch).run(gradients_of(weight, micro_batch), 0)
    assert not result.scalars["loss"].requires_grad


def test_each_worker_has_one_core_and_the_threads_come_back(set_threads):
    seen = []

    def function(start):
        seen.append(torch.get_num_threads())
        return Gradients({}, {})

    set_threads(2)
    GradientAccumulator(CPU, BATCH, 4).run(function, 0)
    assert (seen, torch.get_num_threads()) == ([1, 1], 2)


def test_gradients_of_any_layout_are_applied():
    """Autograd gives what layout it likes; fused optimisers want the parameter's."""
    weight = torch.nn.Parameter(torch.zeros(2, 3, 2, 2).to(memory_format=torch.channels_last))
    gradient = torch.rand(2, 3, 2, 2, generator=torch.Generator().manual_seed(0))
    optimizer = torch.optim.SGD([{"params": [weight], "lr_factor": 0.5}], lr=9.0)
    apply_gradients(optimizer, [gradient], 2.0)
    assert torch.equal(weight, -gradient)
    assert weight.grad.stride() == weight.stride() != gradient.stride()


def test_an_error_in_a_micro_batch_comes_out():
    def function(start):
        raise ArithmeticError(f"at {start}")

    with pytest.raises(ArithmeticError, match="at 0"):
        GradientAccumulator(CPU, BATCH, 4).run(function, 0)
