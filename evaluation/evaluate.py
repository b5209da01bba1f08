"""The whole evaluation: what `diverse-inpainting evaluate` runs."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from ..core.checks import check_choice
from ..core.device import resolve_device
from ..core.distributed import ALONE, Processes
from ..core.errors import ConfigError
from ..core.inpainter import Inpainter
from .baselines import baselines
from .c2st import two_sample_test
from .facts import model_facts, selection_facts, versions
from .images import Images, Storage, spread
from .measuring import Buckets, OnProgress, PerImage, measure_images, measure_sets
from .memorisation import memorisation
from .methods import complete, methods_of
from .network_metrics import network_metrics
from .photographs import names_of, read_photographs
from .pixel_metrics import diversity, fidelity, seam, sharpness
from .predictions import check_names, read_predictions
from .protocol import Protocol, make_pairs, write_pairs
from .swd import swd
from .types import Method, MetricSuite, Pairs

ALWAYS = MetricSuite(per_image=(fidelity, diversity, seam, sharpness))
"""Metrics that every evaluation has."""

LEFT_OUT = ("c2st", "swd")
"""Metrics that may be left out: they take hours where there are thousands of images."""

_NOT_WANTED = "asked for with --without"
_SHOWN = 6  # images of the side-by-side sheet

_COMPLETING, _COMPARING = (
    0.5,
    0.75,
)  # fractions of the progress where images are completed, measured


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What to evaluate, and how."""

    data: Path
    """Folder or zip of photographs."""
    out: Path
    """Folder of the results."""
    model: str | Path | None = None
    """Bundled name, file or hub id; None measures predictions and baselines only."""
    predictions: Mapping[str, Path] = field(default_factory=dict)
    """Folders of other methods' results by the methods' names, see `read_predictions`."""
    resize: str = "lanczos"
    """Filter for results of another size, one of `FILTERS`."""
    resolution: int | None = None
    """R in pixels; None for the model's."""
    masks: str = "paper"
    """A sampler of `sample_hole_masks`, or the path of masks for `read_mask_set`."""
    hole_range: tuple[float, float] = (0.0, 1.0)
    """Masks have low <= hole ratio < high."""
    inverted: bool = False
    """Whether masks from files are black where the image is to be filled."""
    seed: int = 0
    """Of masks and random codes."""
    count: int | None = None
    """Number of images to measure on; None for all."""
    training: Path | None = None
    """Folder or zip of photographs that the model was trained on."""
    batch_size: int = 16
    """Images completed at once, at least 1."""
    without: frozenset[str] = frozenset()
    """Some of `LEFT_OUT`."""
    fit_steps: int = 0
    """Also measure the model with its codes fitted to the valid pixels by so many steps."""
    show: tuple[str, ...] = ()
    """Names of images for the side-by-side sheet; none for a few, evenly spaced by name."""
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


@dataclass(frozen=True, eq=False, kw_only=True)
class Evaluation:
    """Everything that was measured."""

    methods: Mapping[str, Method]
    """What each method made of the images; methods under test first, then baselines."""
    per_image: PerImage
    buckets: Buckets
    facts: Mapping[str, Any]
    """What the values depend on, plain data for JSON."""
    shown: tuple[str, ...] = ()
    """Names of the images of the side-by-side sheet."""
    training: Images | None = None
    """[T, 3, R, R] uint8, the training images if given."""


def evaluate(
    plan: Plan,
    on_progress: OnProgress = lambda fraction, step: None,
    processes: Processes = ALONE,
) -> Evaluation | None:
    """Measure a model, other methods' results, or both, beside the baselines.

    Writes the images and masks to OUT/pairs, features to the cache, and what is measured to files
    in OUT that vanish with the evaluation.

    Args:
        plan: what and how.
        on_progress: called now and then.
        processes: those that read, complete and measure the images together and then leave; the
            main one compares the sets.

    Returns:
        Everything that was measured; None in a process other than the main one.

    Raises:
        DiverseInpaintingError: unusable plan, data, model, masks or predictions.
    """
    device = resolve_device(plan.device)
    model = None
    if plan.model is not None:
        model = Inpainter.load(
            plan.model, device=device, precision=plan.precision, download=plan.download
        )
    own_names = () if model is None else methods_of(model, plan.fit_steps)
    check_names(plan.predictions, own_names)
    resolution = _resolution(plan, model)
    on_progress(0.0, "reading images")
    storage = Storage(plan.out, processes)
    selection = make_pairs(_protocol(plan, resolution), storage)
    pairs, training = selection.pairs, None
    for name in plan.show:
        check_choice(name, "an image of the side-by-side sheet", pairs.names)
    if plan.training is not None:
        names = names_of(plan.training)
        training = read_photographs(plan.training, names, resolution, storage).images
    if processes.is_main:
        write_pairs(pairs, plan.out / "pairs")
    suites = _suites(plan, len(pairs.names), device, training, storage)
    predictions = [
        read_predictions(name, folder, pairs, storage, plan.resize)
        for name, folder in plan.predictions.items()
    ]
    methods = [] if model is None else _completed(plan, model, pairs, storage, on_progress)
    methods += [read.method for read in predictions]
    methods += baselines(pairs, plan.seed, training)
    measuring = _part(on_progress, _COMPLETING, _COMPARING)
    per_image = measure_images(methods, suites, storage, measuring)
    processes.leave()
    if not processes.is_main:
        return None
    buckets = measure_sets(methods, suites, per_image, _part(on_progress, _COMPARING, 1.0))
    on_progress(1.0, "writing the report")
    return Evaluation(
        methods={method.method: method for method in methods},
        per_image=per_image,
        buckets=buckets,
        facts={
            "protocol": {
                "data": str(plan.data),
                **selection_facts(selection),
                "masks": plan.masks,
                "hole_range": list(plan.hole_range),
                "seed": plan.seed,
                "training": None if plan.training is None else str(plan.training),
                "training_pictures": 0 if training is None else len(training),
                "predictions": {read.method.method: read.facts for read in predictions},
            },
            "model": None if model is None else model_facts(plan.model, model, plan.fit_steps),
            "metrics": {name: value for suite in suites for name, value in suite.facts.items()},
            "versions": versions(),
        },
        shown=plan.show or spread(pairs.names, _SHOWN),
        training=training,
    )


def _completed(
    plan: Plan, model: Inpainter, pairs: Pairs, storage: Storage, on_progress: OnProgress
) -> list[Method]:
    def on_batch(num_images: int) -> None:
        on_progress(_COMPLETING * num_images / len(pairs.names), "completing images")

    return complete(
        model,
        pairs,
        plan.seed,
        plan.batch_size,
        storage,
        fit_steps=plan.fit_steps,
        on_batch=on_batch,
    )


def _part(on_progress: OnProgress, start: float, end: float) -> OnProgress:
    """Report the progress of a part of the work as that of the whole."""
    return lambda fraction, step: on_progress(start + (end - start) * fraction, step)


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


def _protocol(plan: Plan, resolution: int) -> Protocol:
    return Protocol(
        data=plan.data,
        resolution=resolution,
        masks=plan.masks,
        seed=plan.seed,
        count=plan.count,
        hole_range=plan.hole_range,
        inverted=plan.inverted,
    )


def _suites(
    plan: Plan,
    num_images: int,
    device: torch.device,
    training: Images | None,
    storage: Storage,
) -> tuple[MetricSuite, ...]:
    for name in plan.without:
        check_choice(name, "a metric to leave out", LEFT_OUT)
    test = MetricSuite.left_out("two_sample", _NOT_WANTED)
    if "c2st" not in plan.without:
        test = two_sample_test(num_images, plan.seed, device)
    patches = MetricSuite.left_out("swd", _NOT_WANTED)
    if "swd" not in plan.without:
        patches = MetricSuite(per_set=(swd,))
    if not storage.processes.is_main:
        storage.meet()  # the main process may have to download weights first
    cache = plan.cache or plan.out / "features.sqlite"
    networks = network_metrics(plan.weights, cache, device, plan.download)
    if storage.processes.is_main:
        storage.meet()
    copies = [] if training is None else [memorisation(training)]
    return (ALWAYS, patches, test, *copies, *networks)
