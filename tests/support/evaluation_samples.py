"""Images, holes and outputs of methods, drawn for the tests of the metrics."""

import threading
from concurrent.futures import ThreadPoolExecutor

import torch

from diverse_inpainting.core.distributed import Processes
from diverse_inpainting.evaluation.images import Images
from diverse_inpainting.evaluation.types import Method, MethodOutput, Pairs


def noise(*shape, seed=0):
    """Random values, uint8."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(256, shape, generator=generator, dtype=torch.uint8)


def constant(value, *shape):
    return torch.full(shape, value, dtype=torch.uint8)


def boxes(n, side):
    """Holes [n, 1, side, side]: a box in the middle, growing from image to image."""
    holes = torch.zeros(n, 1, side, side, dtype=torch.bool)
    for i in range(n):
        half = 1 + i % (side // 2 - 1)
        middle = slice(side // 2 - half, side // 2 + half)
        holes[i, 0, middle, middle] = True
    return holes


def pairs(n=4, side=16):
    return Pairs(_names(n), Images.of(noise(n, 3, side, side)), Images.of(boxes(n, side)))


def output(originals, holes, results, **fields):
    names = _names(len(originals))
    return MethodOutput(
        method="m", names=names, originals=originals, holes=holes, results=results, **fields
    )


def noise_output(n, num_variants=2, **changes):
    """Noise in the left half of noise."""
    originals, drawn = noise(n, 3, 16, 16), noise(n, num_variants, 3, 16, 16, seed=1)
    holes = torch.zeros(n, 1, 16, 16, dtype=torch.bool)
    holes[..., :8] = True
    results = torch.where(holes[:, None], drawn, originals[:, None])
    return output(**{"originals": originals, "holes": holes, "results": results, **changes})


def method(made):
    """The method whose images are all in memory."""
    fields = {
        name: Images.of(x) if isinstance(x, torch.Tensor) else x for name, x in vars(made).items()
    }
    return Method(**fields)


def whole(made):
    """All images of a method, in memory."""
    return made.read(torch.arange(len(made.names)))


def in_threads(count, work):
    """What work(processes) returns in each of so many processes, here threads that meet."""
    meeting, sent = threading.Barrier(count, timeout=60), {}

    class Thread(Processes):
        def collect(self, value):
            meeting.wait()  # everybody has read what was sent before
            sent[self.rank] = value
            meeting.wait()
            return [sent[rank] for rank in range(count)]

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(work, [Thread(rank=i, world_size=count) for i in range(count)]))


def _names(n):
    return tuple(f"image{i}" for i in range(n))
