"""The whole evaluation: what `diverse-inpainting evaluate` runs."""

import hashlib
import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

from torch import Tensor

from ..core.checkpoint import resolve_source
from ..core.dataset import load_images
from ..core.device import resolve_device
from ..core.distributed import ALONE, Processes
from ..core.errors import ConfigError
from ..core.inpainter import Inpainter
from ..core.pretrained import sha256_of
from .baselines import baselines
from .bootstrap import BUCKETS, summarise
from .c2st import two_sample_test
from .memorisation import memorisation
from .methods import complete, read_predictions
from .network_metrics import network_metrics
from .pixel_metrics import diversity, fidelity, seam, sharpness
from .protocol import make_pairs, write_pairs
from .swd import swd
from .types import Estimate, ImageValues, MethodOutput, MetricSuite, Pairs

OnProgress = Callable[[float, str], None]
"""(fraction done, current step)"""

ALWAYS = MetricSuite(per_image=(fidelity, diversity, seam, sharpness), per_set=(swd,))
"""Metrics that every evaluation has."""

_COMPLETING = 0.5  # fraction of the progress that completing the images counts as


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What to evaluate, and how."""

    data: Path
    """Folder or zip of photographs."""
    out: Path
    """Folder of the results."""
    model: str | Path | None = None
    """Bundled name, file or hub id; None measures predictions and baselines only."""
    predictions: Path | None = None
    """Folder of another method's results, see `read_predictions`."""
    resolution: int | None = None
    """R in pixels; None for the model's."""
    masks: str = "paper"
    """A sampler of `sample_hole_masks`."""
    seed: int = 0
    """Of masks and random codes."""
    count: int | None = None
    """Number of images to measure on; None for all."""
    training: Path | None = None
    """Folder or zip of photographs that the model was trained on."""
    batch_size: int = 16
    """Images completed at once, at least 1."""
    fit_steps: int = 0
    """Also measure the model with its codes fitted to the valid pixels by so many steps."""
    device: str | None = None
    """Where to compute; None for the best."""
    weights: Mapping[str, Path | None] = field(default_factory=dict)
    """Files of the feature networks, see `network_metrics`."""
    cache: Path | None = None
    """File of features that evaluations share; None for OUT/features.sqlite."""
    precision: str = "float32"
    """One of `PRECISIONS`; published values are those of float32."""
    download: bool = False
    """Whether a hub id, and weights that are not given, may be downloaded."""


PerImage = Mapping[str, Mapping[str, ImageValues]]
"""By method and metric, one value for each image."""

Buckets = Mapping[str, Mapping[str, Mapping[str, Estimate]]]
"""By method, label of the bucket (see `BUCKETS`) and metric; empty buckets are left out."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Evaluation:
    """Everything that was measured."""

    methods: Mapping[str, MethodOutput]
    """What each method made of the images; methods under test first, then baselines."""
    per_image: PerImage
    buckets: Buckets
    facts: Mapping[str, Any]
    """What the values depend on, plain data for JSON."""
    training: Tensor | None = None
    """[T, 3, R, R] uint8, the training images if given."""


def evaluate(
    plan: Plan,
    on_progress: OnProgress = lambda fraction, step: None,
    processes: Processes = ALONE,
) -> Evaluation | None:
    """Measure a model, another method's results, or both, beside the baselines.

    Writes the images and masks to OUT/pairs and features to the cache, and nothing else.

    Args:
        plan: what and how.
        on_progress: called now and then.
        processes: those that complete the images together and then leave; the main one measures.

    Returns:
        Everything that was measured; None in a process other than the main one.

    Raises:
        DiverseInpaintingError: unusable plan, data, model or predictions.
    """
    device = resolve_device(plan.device)
    model = None
    if plan.model is not None:
        model = Inpainter.load(
            plan.model, device=device, precision=plan.precision, download=plan.download
        )
    resolution = _resolution(plan, model)
    on_progress(0.0, "reading images")
    pairs = make_pairs(plan.data, resolution, plan.masks, plan.seed, plan.count)
    training = None if plan.training is None else load_images(plan.training, resolution)[1]
    suites: Sequence[MetricSuite] = ()
    if processes.is_main:
        write_pairs(pairs, plan.out / "pairs")
        suites = (
            ALWAYS,
            two_sample_test(len(pairs.names), plan.seed, device),
            *([] if training is None else [memorisation(training)]),
            *network_metrics(
                plan.weights, plan.cache or plan.out / "features.sqlite", device, plan.download
            ),
        )
    predictions = [] if plan.predictions is None else [read_predictions(plan.predictions, pairs)]

    def on_batch(num_images: int) -> None:
        on_progress(_COMPLETING * num_images / len(pairs.names), "completing images")

    outputs: list[MethodOutput] = []
    if model is not None:
        outputs = complete(
            model,
            pairs,
            plan.seed,
            plan.batch_size,
            fit_steps=plan.fit_steps,
            on_batch=on_batch,
            processes=processes,
        )
    processes.leave()
    if not processes.is_main:
        return None
    outputs += [*predictions, *baselines(pairs, plan.seed, training)]
    per_image, buckets = _measure(outputs, suites, on_progress)
    return Evaluation(
        methods={output.method: output for output in outputs},
        per_image=per_image,
        buckets=buckets,
        facts={
            "protocol": _protocol_facts(plan, pairs, training),
            "model": None if model is None else _model_facts(plan, model),
            "metrics": {name: value for suite in suites for name, value in suite.facts.items()},
            "versions": {
                "python": platform.python_version(),
                **{name: version(name) for name in ("torch", "numpy", "pillow")},
            },
        },
        training=training,
    )


def _resolution(plan: Plan, model: Inpainter | None) -> int:
    if model is None:
        if plan.resolution is None:
            expected = "a model, or the resolution to measure at"
            raise ConfigError(expected, "neither", "Give one of the two.")
        return plan.resolution
    if plan.resolution not in (None, model.resolution):
        expected = f"the model's resolution of {model.resolution} pixels"
        raise ConfigError(expected, str(plan.resolution), "Leave the resolution out.")
    return model.resolution


def _measure(
    outputs: Sequence[MethodOutput], suites: Sequence[MetricSuite], on_progress: OnProgress
) -> tuple[PerImage, Buckets]:
    step = (1 - _COMPLETING) / (len(outputs) + len(BUCKETS))
    per_image: dict[str, dict[str, ImageValues]] = {}
    for number, output in enumerate(outputs):
        on_progress(_COMPLETING + step * number, f"measuring {output.method}")
        values = per_image[output.method] = {}
        for suite in suites:
            for metric in suite.per_image if output.is_paired else ():
                values.update(metric(output))
    buckets: dict[str, dict[str, dict[str, Estimate]]] = {o.method: {} for o in outputs}
    for number, bucket in enumerate(BUCKETS, start=len(outputs)):
        on_progress(_COMPLETING + step * number, f"comparing sets, hole ratio {bucket.label}")
        parts: list[MethodOutput] = []
        for output in outputs:
            index = bucket.members(output.ratios)
            if len(index):
                is_whole = len(index) == len(output.names)
                parts.append(output if is_whole else output.subset(index))  # copies only if needed
                estimates = summarise(per_image[output.method], index)
                buckets[output.method][bucket.label] = estimates
        for metric in (metric for suite in suites for metric in suite.per_set):
            for part, values in zip(parts, metric(parts), strict=True):
                buckets[part.method][bucket.label].update(values)
    on_progress(1.0, "writing the report")
    return per_image, buckets


def _protocol_facts(plan: Plan, pairs: Pairs, training: Tensor | None) -> dict[str, Any]:
    # Equal if methods were measured on the same images and masks.
    digest = hashlib.sha256("\n".join(pairs.names).encode())
    digest.update(pairs.originals.contiguous().numpy().data)
    digest.update(pairs.holes.contiguous().numpy().data)
    return {
        "data": str(plan.data),
        "pictures": len(pairs.names),
        "pictures_by_bucket": {b.label: len(b.members(pairs.ratios)) for b in BUCKETS},
        "pairs_sha256": digest.hexdigest(),
        "resolution": pairs.originals.shape[-1],
        "masks": plan.masks,
        "seed": plan.seed,
        "training": None if plan.training is None else str(plan.training),
        "training_pictures": 0 if training is None else len(training),
        "predictions": None if plan.predictions is None else str(plan.predictions),
    }


def _model_facts(plan: Plan, model: Inpainter) -> dict[str, Any]:
    assert plan.model is not None
    return {
        "source": str(plan.model),
        "sha256": sha256_of(resolve_source(plan.model)),
        "title": model.title,
        "generator_id": model.generator_id,
        "training": model.training,
        "device": str(model.device),
        "precision": model.precision,
        "fit_steps": plan.fit_steps,
    }
