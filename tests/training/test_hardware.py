"""Training keeps a GPU busy."""

import pytest
import torch

import distributed_worker
from diverse_inpainting.core.distributed import ALONE


@pytest.mark.cuda
def test_no_step_waits_for_the_gpu():
    """The fourth time of one step: two are warm-up, and the third is captured as a graph."""
    for trainer in distributed_worker.make_trainers(torch.device("cuda"), ALONE).values():
        nimg = 4 * trainer.config.batch_size * trainer.config.r1_every
        for _ in range(3):
            trainer.step(nimg)
        torch.cuda.set_sync_debug_mode("error")
        try:
            trainer.step(nimg)
        finally:
            torch.cuda.set_sync_debug_mode("default")
        assert trainer._graphs.num_captured == 1
