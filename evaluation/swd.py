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

from ..core.rng import rng_for
from .types import Estimate, MethodOutput

_SMALLEST_LEVEL_PX = 16
_PATCH_PX = 7
_PATCHES = 128  # from each image at each level
_DIRECTIONS = 64  # at once; twice as many take longer, and more memory
_DIRECTION_CHUNKS = 8
_SEEDS = (0, 1, 2)
_SCALE = 1000.0  # as published
_CHUNK = 64

# Burt and Adelson's filter, rows and columns.
_BINOMIAL = (1 / 16, 4 / 16, 6 / 16, 4 / 16, 1 / 16)


def swd(outputs: Sequence[MethodOutput]) -> list[dict[str, Estimate]]:
    """Return swd_16, swd_32 ... for each level and swd, their mean; first results only.

    Low and high are the smallest and largest of three seeds of patches and directions.

    Source: Karras et al. 2018, arXiv:1710.10196, section 5; deviates in taking patches from the
        same places of both sets, so that equal sets are at distance 0.
    """
    runs = []
    for _, group in groupby(outputs, lambda output: output.names):
        alike = list(group)
        firsts = [output.results[:, 0] for output in alike]
        runs += sliced_wasserstein(alike[0].originals, firsts, _SEEDS)
    return [_estimates(by_side) for by_side in runs]


def _estimates(runs: Mapping[int, list[float]]) -> dict[str, Estimate]:
    by_level = {f"swd_{side}": runs[side] for side in sorted(runs)}
    by_level["swd"] = [fmean(run) for run in zip(*runs.values(), strict=True)]
    return {
        name: Estimate(fmean(values), min(values), max(values)) for name, values in by_level.items()
    }


def sliced_wasserstein(
    first: Tensor, others: Sequence[Tensor], seeds: Sequence[int]
) -> list[dict[int, list[float]]]:
    """Return 1000 times the distance between the 7x7 patches of sets, by the level's side.

    1. Build a Laplacian pyramid from R down to 16 px; the last level keeps the low frequencies.
    2. Take 128 patches of each image and level, and normalise each colour channel's mean and
       standard deviation over the set (which hides a common cast or contrast).
    3. Average over 512 random directions the mean |difference| of the sorted projections.

    Args:
        first: [n, 3, R, R] uint8; R is a power of two, 16 or more.
        others: as first. All are compared with it in one call, so that it is sorted only once.
        seeds: of patches and directions.

    Returns:
        For each of the others, by side, a distance for each seed.
    """
    sets = (first, *others)
    distances: list[dict[int, list[float]]] = [{} for _ in others]
    with ThreadPoolExecutor(2) as pool:
        for depth in range((first.shape[-1] // _SMALLEST_LEVEL_PX).bit_length()):
            side = first.shape[-1] >> depth
            of_sets = pool.map(_patches, sets, repeat(depth), repeat(seeds))
            for seed, patches in zip(seeds, zip(*of_sets, strict=True), strict=True):
                parts = pool.map(_distances, repeat(patches), _directions(seed, side))
                for by_side, means in zip(distances, zip(*parts, strict=True), strict=True):
                    by_side.setdefault(side, []).append(_SCALE * fmean(means))
    return distances


def _distances(patches: Sequence[Tensor], directions: Tensor) -> list[float]:
    """Return the distance of the first set's patches to those of each other set."""
    reference = _project(patches[0], directions)
    differences = (_project(other, directions) - reference for other in patches[1:])
    return [float(np.abs(each, out=each).mean(dtype=np.float64)) for each in differences]


def _patches(images: Tensor, depth: int, seeds: Sequence[int]) -> list[Tensor]:
    """For each seed [n * 128, 147] float32; depth 0 is the finest level."""
    # Recomputed for each level: keeping all levels of all sets would take most of the memory.
    pyramids = (laplacian_pyramid(chunk.float()) for chunk in images.split(_CHUNK))
    level = torch.cat([next(islice(pyramid, depth, None)) for pyramid in pyramids])
    return [_normalised_patches(level, seed) for seed in seeds]


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


def _normalised_patches(level: Tensor, seed: int) -> Tensor:
    """[n * 128, 147] float32."""
    places = rng_for(seed, "patches", level.shape[-1])
    num_places = level.shape[-1] - _PATCH_PX + 1
    size = (2, len(level), _PATCHES)
    rows, columns = torch.randint(num_places, size, generator=places)
    windows = sliding_window_view(level.numpy(), (_PATCH_PX, _PATCH_PX), axis=(2, 3))
    chosen = windows[np.arange(len(level))[:, None], :, rows.numpy(), columns.numpy()]
    values = torch.from_numpy(chosen).flatten(0, 1).flatten(2)
    values -= values.mean(dim=(0, 2), keepdim=True)
    values /= values.square().mean(dim=(0, 2), keepdim=True).sqrt().clamp(min=1e-8)
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
