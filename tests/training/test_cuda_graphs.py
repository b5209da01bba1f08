"""Steps replayed as CUDA graphs are the steps that they were captured from."""

import dataclasses

import pytest
import torch

import distributed_worker
from diverse_inpainting.core.distributed import ALONE
from diverse_inpainting.training.accumulate import Gradients
from diverse_inpainting.training.cuda_graphs import StepGraphs

CPU = torch.device("cpu")


def noisy_double(inputs, generators):
    noise = torch.randn(3, generator=generators["noise"], device=generators["noise"].device)
    return Gradients({"net": [inputs["x"] * 2 + noise]}, {"loss": inputs["x"].sum()})


def test_without_cuda_the_function_is_called_with_generators_of_these_seeds():
    graphs = StepGraphs(CPU, is_used=True)
    x = torch.arange(3.0)
    first, again, other = (
        graphs.run("key", noisy_double, {"x": x}, {"noise": seed}) for seed in (5, 5, 6)
    )
    noise = torch.randn(3, generator=torch.Generator().manual_seed(5))
    assert torch.equal(first.by_network["net"][0], x * 2 + noise)
    assert torch.equal(again.by_network["net"][0], x * 2 + noise)
    assert not torch.equal(other.by_network["net"][0], x * 2 + noise)


@pytest.mark.cuda
def test_a_replay_follows_its_inputs_seeds_and_key():
    device = torch.device("cuda")
    graphs = StepGraphs(device, is_used=True)
    for call in range(8):
        x = torch.full((3,), float(call), device=device)
        factor = 1 + call % 2
        result = graphs.run(
            factor,
            lambda inputs, generators, factor=factor: noisy_double(
                {"x": inputs["x"] * factor}, generators
            ),
            {"x": x},
            {"noise": call},
        )
        noise = torch.randn(3, generator=torch.Generator(device).manual_seed(call), device=device)
        torch.testing.assert_close(result.by_network["net"][0], x * factor * 2 + noise)
        assert result.scalars["loss"].item() == 3 * call * factor


@pytest.mark.cuda
@pytest.mark.parametrize("stage", ["prior", "stage1", "stage2"])
def test_training_by_graphs_equals_training_without(stage):
    """R1 joins every second step, the adversarial term's weight grows with each.

    Learning rates are low: what cuDNN rounds in another order should not grow.
    """
    ended = []
    for is_used in (True, False):
        torch.manual_seed(0)
        trainer = distributed_worker.make_trainers(torch.device("cuda"), ALONE)[stage]
        if stage != "prior":
            trainer.config = dataclasses.replace(trainer.config, adversarial_ramp=1000)
        trainer._rates = {name: rate / 100 for name, rate in trainer._rates.items()}
        trainer._dtype = torch.float32
        trainer._graphs = StepGraphs(torch.device("cuda"), is_used=is_used)
        size = trainer.config.batch_size
        scalars = [trainer.step(nimg) for nimg in range(0, 24 * size, size)]
        ended.append([{k: v.item() for k, v in step.items()} for step in scalars])
        assert (trainer._graphs.num_captured >= 2) == is_used
    for replayed, called in zip(*ended, strict=True):
        assert replayed == pytest.approx(called, rel=1e-2, abs=1e-3)
