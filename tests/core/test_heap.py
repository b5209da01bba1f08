"""Freed memory that glibc would keep."""

import platform
import subprocess
import sys

import pytest

_GAPS = """
import re
from pathlib import Path
import torch
from diverse_inpainting.core.heap import return_freed_memory

def mebibytes():
    return int(re.search(r"RssAnon:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) / 1024

torch.zeros(2**22)  # of 16 MiB; once it is freed, glibc takes smaller ones from its heap
blocks = [torch.zeros(2**21) for _ in range(50)]  # of 8 MiB
full = mebibytes()
blocks = blocks[-1:]  # at the end of the heap, which cannot shrink
kept = mebibytes()
return_freed_memory()
print(full - kept, full - mebibytes())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="a call of glibc")
def test_gaps_in_the_heap_go_back_to_the_system():
    command = [sys.executable, "-c", _GAPS]
    shown = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    before, after = map(float, shown.split())
    assert before < 50 and after > 350, "of 392 MiB"
