"""Training keeps a GPU busy; the memory that it takes is measured."""

import platform
import subprocess
import sys

import pytest
import torch

import distributed_worker
from diverse_inpainting.core.distributed import ALONE
from diverse_inpainting.training.hardware import peak_memory_mib


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


def test_peak_memory_grows_with_what_is_allocated(device):
    before = peak_memory_mib(device)
    torch.ones(200 * 2**20, dtype=torch.uint8, device=device)
    assert 0 < before <= peak_memory_mib(device)
    if device.type == "cuda":
        assert peak_memory_mib(device) >= 200


COUNT_PAGE_FAULTS = """
import resource, torch
from diverse_inpainting.training.hardware import set_fast_arithmetic
set_fast_arithmetic()
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(16):  # glibc leaves gaps at first, but soon fills them
    torch.ones(2**24)  # 64 MiB, 16384 pages
before = faults()
for _ in range(16):
    torch.ones(2**24)
print(faults() - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="glibc alone is told to keep memory")
def test_freed_memory_is_kept_for_the_next_step():
    command = [sys.executable, "-c", COUNT_PAGE_FAULTS]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert int(done.stdout) < 16384
