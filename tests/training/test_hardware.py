"""Training keeps a GPU busy."""

import pytest
import torch

import three_steps
from diverse_inpainting.training.processes import ALONE


@pytest.mark.cuda
def test_no_step_waits_for_the_gpu():
    """The third step, after what is done once: every wait for the GPU would be an error."""
    for trainer in three_steps.make_trainers(torch.device("cuda"), ALONE).values():
        images = range(0, 3 * trainer.config.batch_size, trainer.config.batch_size)
        for nimg in images[:2]:
            trainer.step(nimg)
        torch.cuda.set_sync_debug_mode("error")
        try:
            trainer.step(images[2])
        finally:
            torch.cuda.set_sync_debug_mode("default")
