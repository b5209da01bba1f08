"""Two processes do what one does with the same batch; who computes what, and how they talk."""

import os
import socket
import subprocess
import sys

import pytest
import torch

import distributed_worker
from diverse_inpainting.core.distributed import ALONE, Draws, Processes, Shard, join
from diverse_inpainting.core.errors import ConfigError
from diverse_inpainting.core.networks.discriminator import minibatch_stddev
from tolerances import assert_close


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("localhost", 0))
        return listener.getsockname()[1]


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory) -> tuple[dict, dict, dict]:
    """What one process ends with, and each of two."""
    folder = tmp_path_factory.mktemp("outcomes")
    place = {"WORLD_SIZE": "2", "MASTER_ADDR": "localhost", "MASTER_PORT": str(free_port())}
    started = [
        subprocess.Popen(
            [sys.executable, distributed_worker.__file__, str(folder)],
            env={**os.environ, **place, "RANK": rank, "LOCAL_RANK": rank, "OMP_NUM_THREADS": "1"},
            stderr=subprocess.PIPE,
        )
        for rank in ("0", "1")
    ]
    alone = distributed_worker.train(tmp_path_factory.mktemp("alone"))
    for process in started:
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors.decode()
    return alone, *(torch.load(folder / f"{rank}.pt", weights_only=True) for rank in (0, 1))


def assert_same(first, second, path=""):
    """Two nested states are equal within what the order of float64 sums may change."""
    if isinstance(first, dict):
        assert first.keys() == second.keys(), path
        for key in first:
            assert_same(first[key], second[key], f"{path}/{key}")
    elif isinstance(first, list):
        assert len(first) == len(second), path
        for i, (a, b) in enumerate(zip(first, second, strict=True)):
            assert_same(a, b, f"{path}/{i}")
    else:
        difference = (first.double() - second.double()).abs().max()
        assert difference <= 1e-6 * first.double().abs().max().clamp(min=1), f"{path}: {difference}"


@pytest.mark.slow
@pytest.mark.parametrize("stage", ["prior", "stage1", "stage2"])
def test_two_processes_equal_one_with_the_same_batch(outcomes, stage):
    """Weights, averages, optimiser states, batch-norm statistics and what is logged."""
    alone, main, _ = (outcome[stage] for outcome in outcomes)
    assert_same(main, alone)


@pytest.mark.slow
@pytest.mark.parametrize("stage", ["prior", "stage1", "stage2"])
def test_processes_end_with_the_same_weights(outcomes, stage):
    _, main, other = (outcome[stage] for outcome in outcomes)
    statistics = ("running_mean", "running_var", "num_batches_tracked")
    for name, state in main["modules"].items():
        for key, value in state.items():
            if not key.endswith(statistics):  # of the averages: the main process measures them
                assert torch.equal(value, other["modules"][name][key]), f"{name}.{key}"


@pytest.mark.slow
def test_processes_hear_each_other(outcomes):
    alone, *several = (outcome["conversation"] for outcome in outcomes)
    assert alone == {"one flag": True, "no flag": False, "weight": 0.0}
    for heard in several:
        assert (heard["one flag"], heard["no flag"], heard["weight"]) == (True, False, 0.0)
        assert "the same seed in all processes" in heard["disagreement"]


@pytest.mark.slow
def test_the_loop_ends_everywhere_after_the_same_step_and_the_main_process_writes(outcomes):
    """SIGTERM for one process stops all; all go on from one state; all meet the bad loss."""
    alone, main, other = (outcome["loop"] for outcome in outcomes)
    assert alone["ended"][:2] == [12, 20]
    assert "line_loss = nan in step 7, images 24 to 27" in alone["ended"][2]
    assert alone["steps"] == [[0, 4, 8], [12, 16], [20, 24, 28]]
    assert main == alone
    assert other == {**alone, "exports": [[], [], []], "told": []}


@pytest.mark.parametrize(("size", "count"), [(8, 1), (8, 2), (24, 3), (16, 2)])
def test_shares_hold_whole_deviation_groups(size, count, generator):
    x = torch.rand(size, 2, 1, 1, generator=generator)
    whole = minibatch_stddev(x, 4, 1)
    shards = [Processes(index, count).shard(size, 4) for index in range(count)]
    positions = torch.cat([shard.take(torch.arange(size)) for shard in shards])
    assert sorted(positions.tolist()) == list(range(size))
    for shard in shards:
        assert_close(minibatch_stddev(shard.take(x), 4, 1), shard.take(whole))


def test_a_batch_smaller_than_a_group_is_one_group():
    assert Processes(0, 1).shard(2, 4).group_size == 2


@pytest.mark.parametrize(("micro_batch", "count", "multiple"), [(12, 2, 8), (2, 2, 4), (6, 1, 4)])
def test_groups_that_cannot_be_dealt_out_are_refused(micro_batch, count, multiple):
    with pytest.raises(ConfigError, match=f"multiple of {multiple}.*{micro_batch}"):
        Processes(0, count).shard(micro_batch, 4)


@pytest.mark.parametrize("method", ["uniform", "normal", "integers"])
def test_shares_of_random_numbers_are_those_of_one_process(method):
    def draw(shard: Shard, num: int) -> torch.Tensor:
        draws = Draws(torch.Generator().manual_seed(3), shard)
        bounds = (2, 100) if method == "integers" else ()
        first = getattr(draws, method)(*bounds, num, 2)
        return torch.cat([first, getattr(draws, method)(*bounds, num, 2)], dim=1)

    whole = draw(Shard(), 12)
    assert len(set(whole.flatten().tolist())) > 12
    for index in range(3):
        shard = Shard(index, 3, 2)
        assert torch.equal(draw(shard, 4), shard.take(whole))


def test_one_process_needs_no_launcher(monkeypatch):
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    assert join("cpu") == (torch.device("cpu"), ALONE)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setenv("ACCELERATE_USE_CPU", "true")  # accelerate launch --cpu
    assert join() == (torch.device("cpu"), ALONE)


def test_several_processes_choose_their_devices_themselves(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(ConfigError, match="cuda:1"):
        join("cuda:1")
