"""The whole evaluation: what `diverse-inpainting evaluate` and the ablation script run."""

import hashlib
import importlib.metadata
import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

from ..core.checkpoint import resolve_source
from ..core.checks import check_int
from ..core.dataset import load_images
from ..core.device import resolve_device
from ..core.distributed import ALONE, Processes
from ..core.errors import ConfigError
from ..core.inpainter import Inpainter
from ..core.pretrained import sha256_of
from .baselines import yardsticks
from .bootstrap import BUCKETS, Bucket, summarise
from .diversity import diversity
from .feature_metrics import memorisation, two_sample_test
from .fidelity import fidelity
from .methods import complete, read_predictions
from .network_metrics import NetworkFiles, network_metrics
from .protocol import Pairs, make_pairs, write_pairs
from .seam import seam
from .swd import swd
from .types import Estimate, Evaluated, MetricSuite, PictureValues

OnProgress = Callable[[float, str], None]
"""(share that is done, what is being done)"""

WITHOUT_NETWORKS = MetricSuite(picture=(fidelity, diversity, seam), sets=(swd,))
"""Metrics that can always be computed."""

_COMPLETING = 0.5  # share of the whole that progress counts the model's own work as


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What to evaluate, and how."""

    data: Path
    """Folder or zip of photographs."""
    out: Path
    """Folder of the results."""
    model: str | Path | None = None
    """Bundled name, file or hub id; None measures predictions and yardsticks only."""
    predictions: Path | None = None
    """Folder of another method's results, see `read_predictions`."""
    resolution: int | None = None
    """R in pixels; None takes the model's."""
    masks: str = "paper"
    """A sampler of `sample_hole_masks`."""
    seed: int = 0
    """Of masks and random codes."""
    count: int | None = None
    """Pictures to measure on; None for all."""
    training: Path | None = None
    """Folder or zip of photographs that the model was trained on."""
    batch_size: int = 16
    """Pictures that are completed at once."""
    device: str | None = None
    """Where to complete; None takes the best."""
    download: bool = False
    """Whether a hub id, and weights that `networks` lacks, may be downloaded."""
    networks: NetworkFiles = field(default_factory=NetworkFiles)
    """Weights for metrics on features."""
    cache: Path | None = None
    """File of features that evaluations share; None takes OUT/features.sqlite."""
    stages: tuple[str, ...] = ("stage1", "stage2")
    """Which of the model's to measure."""
    yardsticks: bool = True
    """Whether to measure them: they depend on pictures and masks alone."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Evaluation:
    """All that was measured."""

    pairs: Pairs
    """Pictures and holes."""
    methods: Mapping[str, Evaluated]
    """What each method made of them; methods under test first, then yardsticks."""
    pictures: Mapping[str, Mapping[str, PictureValues]]
    """By method and metric, one value for each picture."""
    buckets: Mapping[str, Mapping[str, Mapping[str, Estimate]]]
    """By method, label of the bucket (see `BUCKETS`) and metric; buckets without pictures are
    left out."""
    facts: Mapping[str, Any]
    """What the values depend on, plain data for JSON."""
    training: Tensor | None = None
    """[T, 3, R, R] uint8, the training pictures that were given."""


def evaluate(
    plan: Plan,
    on_progress: OnProgress = lambda share, what: None,
    processes: Processes = ALONE,
) -> Evaluation | None:
    """Measure a model, another method's results, or both, beside the yardsticks.

    The pictures and masks are written to OUT/pairs, and features to the cache; nothing else is.

    Args:
        plan: what and how.
        on_progress: called again and again.
        processes: those that complete the pictures together and part then; the main one measures.

    Returns:
        All that was measured; None in a process that is not the main one.

    Raises:
        DiverseInpaintingError: unusable plan, data, model or predictions.
    """
    check_int(plan.batch_size, "batch_size", 1, 4096)
    model = None if plan.model is None else _load(plan)
    resolution = _resolution(plan, model)
    on_progress(0.0, "reading pictures")
    pairs = make_pairs(plan.data, resolution, plan.masks, plan.seed, plan.count)
    training = None if plan.training is None else load_images(plan.training, resolution)[1]
    if processes.is_main:
        write_pairs(pairs, plan.out / "pairs")
    suites = _suites(plan, pairs, training) if processes.is_main else ()
    methods = [] if plan.predictions is None else [read_predictions(plan.predictions, pairs)]
    if model is not None:
        completed = _complete(model, pairs, plan, on_progress, processes)
        methods = [*(one for one in completed if one.method in plan.stages), *methods]
    processes.leave()
    if not processes.is_main:
        return None
    if plan.yardsticks:
        methods += yardsticks(pairs, plan.seed, training)
    pictures, buckets = _measure(methods, suites, on_progress)
    facts = {
        "protocol": _protocol_facts(plan, pairs, training),
        "model": None if model is None else _model_facts(plan, model),
        "metrics": {name: value for suite in suites for name, value in suite.facts.items()},
        "versions": _versions(),
    }
    return Evaluation(
        pairs=pairs,
        methods={evaluated.method: evaluated for evaluated in methods},
        pictures=pictures,
        buckets=buckets,
        facts=facts,
        training=training,
    )


def _suites(plan: Plan, pairs: Pairs, training: Tensor | None) -> tuple[MetricSuite, ...]:
    device = resolve_device(plan.device)
    cache = plan.cache or plan.out / "features.sqlite"
    return (
        WITHOUT_NETWORKS,
        two_sample_test(len(pairs.names), plan.seed, device),
        *([] if training is None else [memorisation(training)]),
        *network_metrics(plan.networks, cache, device, plan.download),
    )


def _load(plan: Plan) -> Inpainter:
    assert plan.model is not None
    device = resolve_device(plan.device)
    return Inpainter.load(plan.model, device=device, download=plan.download)


def _resolution(plan: Plan, model: Inpainter | None) -> int:
    if model is None and plan.resolution is None:
        raise ConfigError(
            "a model, or the resolution to measure at", "neither", "Give one of the two."
        )
    if model is not None and plan.resolution not in (None, model.resolution):
        raise ConfigError(
            f"the model's resolution of {model.resolution} pixels",
            str(plan.resolution),
            "Leave the resolution out.",
        )
    return model.resolution if model is not None else plan.resolution


def _complete(
    model: Inpainter, pairs: Pairs, plan: Plan, on_progress: OnProgress, processes: Processes
) -> list[Evaluated]:
    def on_batch(num_pictures: int) -> None:
        on_progress(_COMPLETING * num_pictures / len(pairs.names), "completing pictures")

    return complete(model, pairs, plan.seed, plan.batch_size, on_batch, processes)


def _measure(
    methods: Sequence[Evaluated], suites: Sequence[MetricSuite], on_progress: OnProgress
) -> tuple[dict[str, dict[str, PictureValues]], dict[str, dict[str, dict[str, Estimate]]]]:
    """Return the values of pictures and those of buckets."""
    share = (1 - _COMPLETING) / (len(methods) + len(BUCKETS))
    pictures: dict[str, dict[str, PictureValues]] = {}
    for number, evaluated in enumerate(methods):
        on_progress(_COMPLETING + share * number, f"measuring {evaluated.method}")
        values = pictures[evaluated.method] = {}
        for suite in suites:
            for metric in suite.picture if evaluated.is_paired else ():
                values.update(metric(evaluated))
    buckets: dict[str, dict[str, dict[str, Estimate]]] = {e.method: {} for e in methods}
    for number, bucket in enumerate(BUCKETS, start=len(methods)):
        on_progress(_COMPLETING + share * number, f"comparing sets, hole ratio {bucket.label}")
        for method, found in _in_bucket(bucket, methods, pictures, suites).items():
            buckets[method][bucket.label] = found
    on_progress(1.0, "writing the report")
    return pictures, buckets


def _in_bucket(
    bucket: Bucket,
    methods: Sequence[Evaluated],
    pictures: Mapping[str, Mapping[str, PictureValues]],
    suites: Sequence[MetricSuite],
) -> dict[str, dict[str, Estimate]]:
    """Return by method what it has in a bucket, if it has pictures there."""
    parts: list[Evaluated] = []
    estimates: dict[str, dict[str, Estimate]] = {}
    for evaluated in methods:
        index = bucket.members(evaluated.ratios)
        if len(index):
            whole = len(index) == len(evaluated.names)  # no copy of everything
            parts.append(evaluated if whole else evaluated.subset(index))
            estimates[evaluated.method] = summarise(pictures[evaluated.method], index)
    for suite in suites:
        for metric in suite.sets:
            for part, found in zip(parts, metric(parts), strict=True):
                estimates[part.method].update(found)
    return estimates


def _protocol_facts(plan: Plan, pairs: Pairs, training: Tensor | None) -> dict[str, Any]:
    ratios = pairs.holes.double().mean(dim=(1, 2, 3))
    return {
        "data": str(plan.data),
        "pictures": len(pairs.names),
        "pictures_by_bucket": {b.label: len(b.members(ratios)) for b in BUCKETS},
        "pairs_sha256": _hash_pairs(pairs),
        "resolution": pairs.originals.shape[-1],
        "masks": plan.masks,
        "seed": plan.seed,
        "training": None if plan.training is None else str(plan.training),
        "training_pictures": 0 if training is None else len(training),
        "predictions": None if plan.predictions is None else str(plan.predictions),
    }


def _hash_pairs(pairs: Pairs) -> str:
    """Return what is equal where methods were measured on the same pictures and masks."""
    digest = hashlib.sha256("\n".join(pairs.names).encode())
    digest.update(pairs.originals.contiguous().numpy())
    digest.update(pairs.holes.contiguous().numpy())
    return digest.hexdigest()


def _model_facts(plan: Plan, model: Inpainter) -> dict[str, Any]:
    assert plan.model is not None
    return {
        "source": str(plan.model),
        "sha256": sha256_of(resolve_source(plan.model)),
        "title": model.title,
        "generator_id": model.generator_id,
        "training": model.training,
        "device": str(model.device),
    }


def _versions() -> dict[str, str]:
    packages = {name: importlib.metadata.version(name) for name in ("torch", "numpy", "pillow")}
    return {"python": platform.python_version(), **packages}
