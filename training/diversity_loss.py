"""The diversity term: samples should differ from one another as much as photographs do.

A projected discriminator asks each sample to look like a photograph, but hardly asks two samples to
differ, and a small generator answers with a single pose. This term counteracts that. It shrinks as
samples become as diverse as photographs, but not to zero, since groups of photographs vary, too.

Source: bounded diversity as in Yang et al. 2019, arXiv:1901.09024; deviates in the bound, which is
the distance between photographs instead of a number to tune, and ignores the latents' distance.
"""

from collections.abc import Iterable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from ..core.distributed import ALONE, Processes
from ..core.errors import ConfigError, InputError

_THUMBNAIL_PX = 16


def thumbnails(images: Tensor) -> Tensor:
    """Return [N, 3, 16, 16]: the colours, which features hardly see."""
    return F.adaptive_avg_pool2d(images, _THUMBNAIL_PX)


def pairwise_distances(maps: Sequence[Tensor], group_size: int) -> Tensor:
    """Return the mean distance between two samples of a group, for each group and kind of map.

    The groups are those of `minibatch_stddev`: each process has whole ones, so that the result does
    not depend on the number of processes.

    Args:
        maps: K tensors [N, ...].
        group_size: samples per group, limited to N; divides N.

    Returns:
        [groups, K], at least float32.

    Raises:
        ConfigError: the groups have one sample.
    """
    size = min(group_size, len(maps[0]))
    if size < 2:
        raise ConfigError(
            "groups of at least two samples for the diversity term",
            "groups of 1",
            "Raise micro_batch and stddev_group_size, or set prior.diversity_weight to 0.",
        )
    first, second = torch.triu_indices(size, size, offset=1, device=maps[0].device)
    distances = []
    for x in maps:
        exact = x.to(torch.promote_types(x.dtype, torch.float32))
        groups = exact.flatten(1).unflatten(0, (size, -1))
        pairs = torch.linalg.vector_norm(groups[first] - groups[second], dim=-1)
        distances.append(pairs.mean(dim=0))
    return torch.stack(distances, dim=1)


class DiversityLoss:
    """Compares samples' distances, in thumbnails and features, with those of photographs.

    `measure_photographs` comes first.
    """

    def __init__(self, group_size: int, processes: Processes = ALONE) -> None:
        self._group_size = group_size
        self._processes = processes
        self.reference: Tensor | None = None
        """[K], the mean distance between photographs for each kind of map."""

    def distances(self, images: Tensor, features: Sequence[Tensor]) -> Tensor:
        """Return `pairwise_distances` of [N, 3, R, R] and their features, [groups, K]."""
        return pairwise_distances([thumbnails(images), *features], self._group_size)

    @torch.no_grad()
    def measure_photographs(self, batches: Iterable[tuple[Tensor, Sequence[Tensor]]]) -> None:
        """Set the reference, equal in all processes, from photographs and their features.

        Raises:
            InputError: all photographs are identical.
        """
        mean = torch.cat([self.distances(*batch) for batch in batches]).mean(dim=0)
        if not bool((mean > 0).all()):
            raise InputError(
                "photographs that differ",
                "identical ones",
                "Add other images, or set prior.diversity_weight to 0.",
                problem="All photographs are identical.",
            )
        self.reference = self._processes.mean([mean])[0]

    def __call__(self, samples: Tensor, features: Sequence[Tensor]) -> Tensor:
        """Return the squared relative shortfall of the samples, summed over the kinds of map."""
        assert self.reference is not None
        shortfall = F.relu(1 - self.distances(samples, features) / self.reference)
        return shortfall.square().sum(dim=1).mean()
