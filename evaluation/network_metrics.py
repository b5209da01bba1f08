"""Which metrics on network features an evaluation has: those with weights at hand."""

from collections.abc import Callable, Mapping
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
from .fid import frechet_metric, inception_metrics
from .lite2 import lite2
from .lpips import ALEXNET, lpips_distance, lpips_diversity
from .types import MetricSuite

_LITE2 = "frechet_lite2"


def network_metrics(
    weights: Mapping[str, Path | None],
    cache: Path,
    device: torch.device,
    download: bool,
    with_lite2: bool = False,
) -> tuple[MetricSuite, ...]:
    """Return FID, U-IDS and P-IDS on each Inception network, LPIPS diversity, and Lite2's distance.

    Without its weights a metric becomes an empty suite whose facts say how to get it.

    Args:
        weights: files by network: `inception` (the FID's), `inception_imagenet` (torchvision's
            Inception-v3), `lpips` (torchvision's AlexNet or VGG16).
        cache: file of features, created if absent.
        device: where the networks run.
        download: whether to download published weights in place of files that are not given.
        with_lite2: whether to measure on EfficientNet-Lite2, whose weights a package brings.

    Raises:
        CheckpointError: a file was given, or Lite2 asked for, and cannot be used.
        InputError: the cache cannot be used.
    """

    def suite(
        name: str, published: PublishedWeights, package: str, build: Callable[[Path], MetricSuite]
    ) -> MetricSuite:
        file = weights.get(name)
        if file is not None:
            return build(file)
        if not download:
            option = "--" + name.replace("_", "-")
            return MetricSuite.left_out(name, f"give {option} {published.filename}, or --download")
        try:
            import_library(package)  # before a hundred megabytes are downloaded in vain
            return build(obtain(published))
        except CheckpointError as error:  # not asked for by name: go on with the other metrics
            return MetricSuite.left_out(name, str(error))

    def fid(file: Path) -> MetricSuite:
        return inception_metrics(fid_inception(file, device), FeatureCache(cache))

    def fid_imagenet(file: Path) -> MetricSuite:
        network = imagenet_inception(file, device)
        return inception_metrics(network, FeatureCache(cache), "_imagenet")

    return (
        suite("inception", INCEPTION, "torch_fidelity", fid),
        suite("inception_imagenet", IMAGENET_INCEPTION, "torchvision", fid_imagenet),
        suite(
            "lpips", ALEXNET, "lpips", lambda file: lpips_diversity(lpips_distance(file, device))
        ),
        frechet_metric(lite2(device), FeatureCache(cache), _LITE2)
        if with_lite2
        else MetricSuite.left_out(_LITE2, "give --lite2"),
    )
