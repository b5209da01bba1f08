"""How often completing an image waits for its device: each read of a value stops a GPU."""

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from diverse_inpainting.core.checkpoint import read_checkpoint
from diverse_inpainting.core.inpainter import Inpainter

READS = {"aten::_local_scalar_dense", "aten::nonzero"}


class Lists(TorchFunctionMode):
    """Counts `tolist`, which PyTorch does not dispatch."""

    count = 0

    def __torch_function__(self, func, types, args=(), kwargs=None):
        self.count += func is torch.Tensor.tolist
        return func(*args, **(kwargs or {}))


class Reads(TorchDispatchMode):
    """Counts the operations that need a value on the host."""

    def __init__(self):
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.count += func._schema.name in READS
        return func(*args, **(kwargs or {}))


def test_completing_reads_few_values_and_no_more_for_more_variants(tiny_checkpoint):
    model = Inpainter(read_checkpoint(tiny_checkpoint), "float32")
    image, hole = torch.rand(1, 32, 32, 3), torch.zeros(1, 32, 32)
    hole[:, 8:20, 10:22] = 1
    model.inpaint(image, hole, 1)
    counts = []
    for num_variants in (1, 8):
        with Lists() as lists, Reads() as reads:
            model.inpaint(image, hole, num_variants)
        assert lists.count > 0
        counts.append(lists.count + reads.count)
    assert counts[0] == counts[1], "nothing is read in the networks"
    assert counts[0] <= 13
