"""Which metrics on network features an evaluation has: those with weights at hand."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch

from ..core.errors import CheckpointError
from ..core.pretrained import PublishedWeights, obtain
from .features import (
    IMAGENET_INCEPTION,
    INCEPTION,
    FeatureCache,
    fid_inception,
    imagenet_inception,
    import_library,
)
from .fid import inception_metrics
from .lpips import ALEXNET, lpips_distance, lpips_diversity
from .types import MetricSuite


@dataclass(frozen=True, kw_only=True)
class NetworkFiles:
    """Weights of feature networks."""

    inception: Path | None = None
    """The FID's Inception network."""
    inception_imagenet: Path | None = None
    """Torchvision's ImageNet Inception-v3."""
    lpips: Path | None = None
    """LPIPS's trunk: torchvision's AlexNet or VGG16."""


def network_metrics(
    files: NetworkFiles, cache: Path, device: torch.device, download: bool
) -> tuple[MetricSuite, ...]:
    """Return FID, U-IDS and P-IDS on each Inception network, and LPIPS diversity.

    Without its weights a metric becomes an empty suite whose facts say how to get it.

    Args:
        files: the weights.
        cache: file of features, created if absent.
        device: where the networks run.
        download: whether to download published weights in place of files that are not given.

    Raises:
        CheckpointError: a file was given and cannot be used.
        InputError: the cache cannot be used.
    """

    def fid(weights: Path) -> MetricSuite:
        return inception_metrics(fid_inception(weights, device), FeatureCache(cache))

    def fid_imagenet(weights: Path) -> MetricSuite:
        network = imagenet_inception(weights, device)
        return inception_metrics(network, FeatureCache(cache), "_imagenet")

    def diversity(weights: Path) -> MetricSuite:
        return lpips_diversity(lpips_distance(weights, device))

    suite = partial(_suite, files, download)
    return (
        suite("inception", INCEPTION, "torch_fidelity", fid),
        suite("inception_imagenet", IMAGENET_INCEPTION, "torchvision", fid_imagenet),
        suite("lpips", ALEXNET, "lpips", diversity),
    )


def _suite(
    files: NetworkFiles,
    download: bool,
    name: str,
    published: PublishedWeights,
    package: str,
    build: Callable[[Path], MetricSuite],
) -> MetricSuite:
    weights: Path | None = getattr(files, name)
    if weights is not None:
        return build(weights)
    if not download:
        option = "--" + name.replace("_", "-")
        return MetricSuite.left_out(name, f"give {option} {published.filename}, or --download")
    try:
        import_library(package)  # before a hundred megabytes are downloaded in vain
        return build(obtain(published))
    except CheckpointError as error:  # not asked for by name: go on with the other metrics
        return MetricSuite.left_out(name, str(error))
