"""Training keeps a GPU busy."""

import pytest
import torch

import three_steps
from diverse_inpainting.training.processes import ALONE


@pytest.mark.cuda
def test_no_step_waits_for_the_gpu():
    """The fourth step of one course: two are warm-up, and the third is captured as a graph."""
    for trainer in three_steps.make_trainers(torch.device("cuda"), ALONE).values():
        period = trainer.config.batch_size * trainer.config.r1_every
        for nimg in range(0, 3 * period, period):
            trainer.step(nimg)
        torch.cuda.set_sync_debug_mode("error")
        try:
            trainer.step(3 * period)
        finally:
            torch.cuda.set_sync_debug_mode("default")
