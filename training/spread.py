"""The spread of samples: how far they lie from one another, beside how far photographs do.

A critic on features asks each sample to look like a photograph; hardly anything in it asks two of
them to differ, and a small generator then answers with one pose. This term does, and fades as
samples become as different as photographs; not to nothing, since photographs' own groups differ.

Source: bounded diversity as in Yang et al. 2019, arXiv:1901.09024; deviates in the bound,
which is the photographs' own distance instead of a number to tune, and leaves latents out of it.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from ..core.errors import InputError

_THUMBNAIL_PX = 16


def thumbnails(images: Tensor) -> Tensor:
    """Return [N, 3, 16, 16]: the colours, which features hardly see."""
    return F.adaptive_avg_pool2d(images, _THUMBNAIL_PX)


def spread(maps: Sequence[Tensor], group_size: int) -> Tensor:
    """Return the mean distance between two samples of each group, for each kind of map.

    Groups are those of `minibatch_stddev`: processes get whole ones, so their number changes
    nothing.

    Args:
        maps: K tensors [N, ...].
        group_size: at most so many samples per group; N is a multiple of it, or less.

    Returns:
        [groups, K], at least float32.

    Raises:
        InputError: groups of one sample.
    """
    size = min(group_size, len(maps[0]))
    if size < 2:
        raise InputError(
            "groups of at least two samples, to measure how far they lie apart",
            "groups of 1",
            "Raise micro_batch and stddev_group_size, or set diversity_weight to 0.",
        )
    first, second = torch.triu_indices(size, size, offset=1, device=maps[0].device)
    distances = []
    for x in maps:
        exact = x.to(torch.promote_types(x.dtype, torch.float32))
        groups = exact.flatten(1).unflatten(0, (size, -1))
        pairs = torch.linalg.vector_norm(groups[first] - groups[second], dim=-1)
        distances.append(pairs.mean(dim=0))
    return torch.stack(distances, dim=1)


def spread_loss(found: Tensor, wanted: Tensor) -> Tensor:
    """Return the squared shares by which samples are too alike, summed over the kinds of map.

    Args:
        found: [groups, K], the spread of samples.
        wanted: [K], the mean spread of photographs.
    """
    return F.relu(1 - found / wanted).square().sum(dim=1).mean()
