"""Which metrics on network features an evaluation has: those whose weights it is given."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from ..core.errors import CheckpointError
from ..core.pretrained import PublishedWeights, obtain
from .extractors import IMAGENET_INCEPTION, INCEPTION, fid_inception, imagenet_inception
from .feature_cache import FeatureCache
from .feature_metrics import inception_metrics, lpips_diversity
from .libraries import import_library
from .lpips_distance import ALEXNET, lpips_distance
from .types import MetricSuite


@dataclass(frozen=True, kw_only=True)
class NetworkFiles:
    """Weights of feature networks."""

    inception: Path | None = None
    """Of the FID's Inception network."""
    inception_imagenet: Path | None = None
    """Of torchvision's ImageNet Inception-v3."""
    lpips: Path | None = None
    """Of LPIPS's trunk: torchvision's AlexNet or VGG16."""


def network_metrics(
    files: NetworkFiles, cache: Path, device: torch.device, download: bool
) -> tuple[MetricSuite, ...]:
    """Return FID, U-IDS and P-IDS on each Inception network, and LPIPS diversity.

    A metric without weights becomes a suite without metrics, whose facts say how to get it.

    Args:
        files: the weights.
        cache: file of features, made if it is not there.
        device: where the networks run.
        download: whether published weights may stand in for files that are not given.

    Raises:
        CheckpointError: a file was given and cannot be used.
        InputError: the cache cannot be used.
    """

    def fid(weights: Path) -> MetricSuite:
        return inception_metrics(fid_inception(weights, device), FeatureCache(cache))

    def fid_imagenet(weights: Path) -> MetricSuite:
        extractor = imagenet_inception(weights, device)
        return inception_metrics(extractor, FeatureCache(cache), "_imagenet")

    def diversity(weights: Path) -> MetricSuite:
        return lpips_diversity(lpips_distance(weights, device))

    networks = (
        _Network("inception", files.inception, INCEPTION, "torch_fidelity", fid),
        _Network(
            *("inception_imagenet", files.inception_imagenet, IMAGENET_INCEPTION),
            *("torchvision", fid_imagenet),
        ),
        _Network("lpips", files.lpips, ALEXNET, "lpips", diversity),
    )
    return tuple(_suite(network, download) for network in networks)


@dataclass(frozen=True)
class _Network:
    """One network that metrics can be had from."""

    name: str
    weights: Path | None
    published: PublishedWeights
    package: str
    build: Callable[[Path], MetricSuite]


def _suite(network: _Network, download: bool) -> MetricSuite:
    if network.weights is not None:
        return network.build(network.weights)
    if not download:
        option = "--" + network.name.replace("_", "-")
        reason = f"give {option} {network.published.filename}, or --download"
        return MetricSuite.left_out(network.name, reason)
    try:
        import_library(network.package)  # before a hundred megabytes come for nothing
        return network.build(obtain(network.published))
    except CheckpointError as error:  # not asked for by name: the other metrics go on
        return MetricSuite.left_out(network.name, str(error))
