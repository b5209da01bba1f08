"""Feeds methods to metrics: a few images at a time in all processes, then whole sets.

Legend: n images.
"""

from collections.abc import Callable, Mapping, Sequence

from torch import Tensor

from ..core.heap import return_freed_memory
from .bootstrap import BUCKETS, summarise
from .images import Storage, chunks
from .types import Estimate, ImageValues, Method, MetricSuite

OnProgress = Callable[[float, str], None]
"""(fraction done, current step)"""

PerImage = Mapping[str, Mapping[str, ImageValues]]
"""By method and metric, one value for each image."""

Buckets = Mapping[str, Mapping[str, Mapping[str, Estimate]]]
"""By method, label of the bucket (see `BUCKETS`) and metric; empty buckets are left out."""


def measure_images(
    methods: Sequence[Method],
    suites: Sequence[MetricSuite],
    storage: Storage,
    on_progress: OnProgress,
) -> dict[str, dict[str, ImageValues]]:
    """Return what each image's own metrics say; each process measures some of the images.

    Unpaired methods have none.
    """
    per_image: dict[str, dict[str, ImageValues]] = {method.method: {} for method in methods}
    paired = [method for method in methods if method.is_paired]
    for done, method in enumerate(paired):
        positions, parts = chunks(len(method.names)), {}
        for number, index in storage.share(positions):
            fraction = (done + number / len(positions)) / len(paired)
            on_progress(fraction, f"measuring {method.method}")
            parts[number] = _measured(method, suites, index)
            return_freed_memory()
        collected = {
            n: values for part in storage.processes.collect(parts) for n, values in part.items()
        }
        ordered = [collected[number] for number in range(len(positions))]
        per_image[method.method] = {
            name: ImageValues.joined([values[name] for values in ordered]) for name in ordered[0]
        }
    return per_image


def _measured(
    method: Method, suites: Sequence[MetricSuite], index: Tensor
) -> dict[str, ImageValues]:
    output = method.read(index)
    metrics = (metric for suite in suites for metric in suite.per_image)
    return {name: values for metric in metrics for name, values in metric(output).items()}


def measure_sets(
    methods: Sequence[Method],
    suites: Sequence[MetricSuite],
    per_image: dict[str, dict[str, ImageValues]],
    on_progress: OnProgress,
) -> Buckets:
    """Return what buckets of images come to, and add the metrics that look at all of them."""
    steps = len(methods) + len(BUCKETS)
    for number, method in enumerate(methods):
        on_progress(number / steps, f"measuring {method.method}")
        for metric in [metric for suite in suites for metric in suite.per_method]:
            per_image[method.method].update(metric(method) if method.is_paired else {})
            return_freed_memory()
    buckets: dict[str, dict[str, dict[str, Estimate]]] = {m.method: {} for m in methods}
    for number, bucket in enumerate(BUCKETS, start=len(methods)):
        on_progress(number / steps, f"comparing sets, hole ratio {bucket.label}")
        parts: list[Method] = []
        for method in methods:
            index = bucket.members(method.ratios)
            if len(index):
                parts.append(method.at(index))
                estimates = summarise(per_image[method.method], index)
                buckets[method.method][bucket.label] = estimates
        for metric in [metric for suite in suites for metric in suite.per_set]:
            for part, values in zip(parts, metric(parts), strict=True):
                buckets[part.method][bucket.label].update(values)
            return_freed_memory()
    return buckets
