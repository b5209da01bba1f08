"""Sliced Wasserstein distance between the patches of two sets of images, level by level.

Legend: n images, R their side, S the side of a pyramid level, in pixels.
"""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby, islice, repeat
from statistics import fmean

import numpy as np
import torch
from numpy.lib.stride_tricks import sliding_window_view
from torch import Tensor

from ..core.heap import return_freed_memory
from ..core.rng import rng_for
from .images import Images, chunks
from .types import Estimate, Method

_SMALLEST_LEVEL_PX = 16
_PATCH_PX = 7
_PATCHES = 128  # from each image at each level
_ROWS = 2**16  # patches that are squared at once
_DIRECTIONS = 64  # at once; twice as many take longer, and more memory
_DIRECTION_CHUNKS = 8
_SEEDS = (0, 1, 2)
_SCALE = 1000.0  # as published
_PATCH_BYTES = 3 * 2**29  # of the sets whose patches are in memory at once; two are in any case

# Burt and Adelson's filter, rows and columns.
_BINOMIAL = (1 / 16, 4 / 16, 6 / 16, 4 / 16, 1 / 16)


def swd(methods: Sequence[Method]) -> list[dict[str, Estimate]]:
    """Return swd_16, swd_32 ... for each level and swd, their mean; first results only.

    Low and high are the smallest and largest of three seeds of patches and directions.

    Source: Karras et al. 2018, arXiv:1710.10196, section 5; deviates in taking patches from the
        same places of both sets, so that equal sets are at distance 0.
    """
    runs = []
    for _, group in groupby(methods, lambda method: method.names):
        alike = list(group)
        firsts = [method.first_results for method in alike]
        runs += sliced_wasserstein(alike[0].originals, firsts, _SEEDS)
    return [_estimates(by_side) for by_side in runs]


def _estimates(runs: Mapping[int, list[float]]) -> dict[str, Estimate]:
    by_level = {f"swd_{side}": runs[side] for side in sorted(runs)}
    by_level["swd"] = [fmean(run) for run in zip(*runs.values(), strict=True)]
    return {
        name: Estimate(fmean(values), min(values), max(values)) for name, values in by_level.items()
    }


def sliced_wasserstein(
    first: Images, others: Sequence[Images], seeds: Sequence[int]
) -> list[dict[int, list[float]]]:
    """Return 1000 times the distance between the 7x7 patches of sets, by the level's side.

    1. Take 128 patches of each image at each level of its Laplacian pyramid, down to 16 px.
    2. Normalise mean and standard deviation of each colour channel over the set's patches.
    3. Average over 512 random directions the mean |difference| of the sorted projections.

    Args:
        first: [n, 3, R, R] uint8; R is a power of two, 16 or more.
        others: as first. Those whose patches fit in `_PATCH_BYTES` are compared with it together,
            so that it is sorted only once.
        seeds: of patches and directions.

    Returns:
        For each of the others, by side, a distance for each seed.
    """
    distances: list[dict[int, list[float]]] = [{} for _ in others]
    set_bytes = len(seeds) * len(first) * _PATCHES * 3 * _PATCH_PX**2 * 4
    together = max(_PATCH_BYTES // set_bytes - 1, 1)
    for depth in range((first.shape[-1] // _SMALLEST_LEVEL_PX).bit_length()):
        reference = _patches(first, depth, seeds)
        for start in range(0, len(others), together):
            group = others[start : start + together]
            runs = _compare(reference, group, depth, seeds)
            for by_side, run in zip(distances[start:], runs, strict=False):
                by_side[first.shape[-1] >> depth] = run
            return_freed_memory()
    return distances


def _compare(
    reference: Sequence[Tensor], group: Sequence[Images], depth: int, seeds: Sequence[int]
) -> list[list[float]]:
    """Return the distance of the reference's patches to those of each set, for each seed."""
    side, runs = group[0].shape[-1] >> depth, []
    # A thread holds its last arguments a moment longer than its result takes to arrive. The end of
    # the pool waits for it, so that no patches of this group are alive when the next one comes.
    with ThreadPoolExecutor(2) as pool:
        of_group = pool.map(_patches, group, repeat(depth), repeat(seeds))
        for seed, patches in zip(seeds, zip(reference, *of_group, strict=True), strict=True):
            parts = pool.map(_distances, repeat(patches), _directions(seed, side))
            runs.append([_SCALE * fmean(values) for values in zip(*parts, strict=True)])
    return [list(run) for run in zip(*runs, strict=True)]


def _distances(patches: Sequence[Tensor], directions: Tensor) -> list[float]:
    """Return the distance of the first set's patches to those of each other set."""
    reference = _project(patches[0], directions)
    differences = (_project(other, directions) - reference for other in patches[1:])
    return [float(np.abs(each, out=each).mean(dtype=np.float64)) for each in differences]


def _patches(images: Images, depth: int, seeds: Sequence[int]) -> list[Tensor]:
    """For each seed [n * 128, 147] float32; depth 0 is the finest level."""
    # Recomputed for each level: keeping all levels of all sets would take most of the memory.
    num, side = len(images), images.shape[-1] >> depth
    places = [_places(num, side, seed) for seed in seeds]
    patches = [torch.empty(num * _PATCHES, 3, _PATCH_PX**2) for _ in seeds]
    for index in chunks(num):
        level = next(islice(laplacian_pyramid(images[index].float()), depth, None))
        rows = slice(int(index[0]) * _PATCHES, (int(index[-1]) + 1) * _PATCHES)
        for values, (top, left) in zip(patches, places, strict=True):
            values[rows] = _cut(level, top[index], left[index])
    return [_normalised(values) for values in patches]


def laplacian_pyramid(images: Tensor) -> Iterator[Tensor]:
    """Yield what each halving of images [n, 3, R, R] loses, finest first, then the last 16 px."""
    while images.shape[-1] > _SMALLEST_LEVEL_PX:
        smooth = _smoothing_matrix(images.shape[-1])
        reduce, enlarge = smooth[::2], 2 * smooth[:, ::2]
        small = reduce @ images @ reduce.T
        yield images - enlarge @ small @ enlarge.T
        images = small
    yield images


def _smoothing_matrix(side: int) -> Tensor:
    """[S, S]: the binomial filter along one dimension, mirrored at the borders."""
    matrix = torch.zeros(side, side)
    index = torch.arange(side)
    for offset, weight in enumerate(_BINOMIAL, start=-2):
        source = (index + offset).abs()
        source = torch.where(source < side, source, 2 * (side - 1) - source)
        matrix.index_put_((index, source), torch.tensor(weight), accumulate=True)
    return matrix


def _places(num: int, side: int, seed: int) -> tuple[Tensor, Tensor]:
    """Rows and columns of the corners of patches, each [n, 128]."""
    size = (2, num, _PATCHES)
    rows, columns = torch.randint(
        side - _PATCH_PX + 1, size, generator=rng_for(seed, "patches", side)
    )
    return rows, columns


def _cut(level: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """[m * 128, 3, 49] float32, patches of images [m, 3, S, S]."""
    windows = sliding_window_view(level.numpy(), (_PATCH_PX, _PATCH_PX), axis=(2, 3))
    chosen = windows[np.arange(len(level))[:, None], :, rows.numpy(), columns.numpy()]
    return torch.from_numpy(chosen).flatten(0, 1).flatten(2)


def _normalised(values: Tensor) -> Tensor:
    """[n * 128, 147], with mean 0 and deviation 1 of each channel; changes the values."""
    values -= values.mean(dim=(0, 2), keepdim=True)
    # In parts: a copy of all values could take a gigabyte.
    parts = [part.square().sum(dim=(0, 2), dtype=torch.float64) for part in values.split(_ROWS)]
    variance = torch.stack(parts).sum(dim=0) / values[:, 0].numel()
    values /= variance.sqrt().clamp(min=1e-8).float()[:, None]
    return values.flatten(1)


def _directions(seed: int, side: int) -> Iterator[Tensor]:
    """Yield the unit vectors, 8 times [64, 147]."""
    generator = rng_for(seed, "directions", side)
    for _ in range(_DIRECTION_CHUNKS):
        directions = torch.randn(_DIRECTIONS, 3 * _PATCH_PX**2, generator=generator)
        yield directions / directions.norm(dim=1, keepdim=True)


def _project(patches: Tensor, directions: Tensor) -> np.ndarray:
    """[64, n * 128], each row sorted; on CPUs NumPy sorts float32 far faster than PyTorch."""
    values = (directions @ patches.T).numpy()
    values.sort(axis=1)
    return values
