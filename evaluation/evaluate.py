"""The whole evaluation: what `diverse-inpainting evaluate` runs."""

from collections.abc import Sequence
from typing import Any, NamedTuple

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
from .measuring import OnProgress, measure_images, measure_sets
from .memorisation import memorisation
from .methods import complete, methods_of
from .network_metrics import network_metrics
from .photographs import names_of, read_photographs
from .pixel_metrics import diversity, fidelity, seam, sharpness
from .plan import LEFT_OUT, Evaluation, Plan
from .predictions import FILTERS, Predictions, check_names, read_predictions
from .protocol import Protocol, Selection, make_pairs, write_pairs
from .splits import SPLITS, known_images, refuse_trained, require_known, trained_names
from .swd import swd
from .types import Method, MetricSuite

ALWAYS = MetricSuite(per_image=(fidelity, diversity, seam, sharpness))
"""Metrics that every evaluation has."""

_NOT_WANTED = "asked for with --without"
_SHOWN = 6  # images of the side-by-side sheet

_COMPLETING, _COMPARING = 0.5, 0.75  # of the progress: images are completed, and measured


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
    inputs = _prepare(plan, processes, on_progress)
    pairs, training, storage = inputs.selection.pairs, inputs.training, inputs.storage
    if processes.is_main:
        write_pairs(pairs, plan.out / "pairs")
    suites = _suites(plan, len(pairs.names), inputs.device, training, storage)
    predictions = [
        read_predictions(name, folder, pairs, storage, plan.resize)
        for name, folder in plan.predictions.items()
    ]
    methods = _completed(plan, inputs, on_progress)
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
            "protocol": _protocol_facts(plan, inputs, predictions),
            "model": None
            if inputs.model is None
            else model_facts(plan.model, inputs.model, plan.fit_steps),
            "metrics": {name: value for suite in suites for name, value in suite.facts.items()},
            "versions": versions(),
        },
        shown=plan.show or spread(pairs.names, _SHOWN),
        training=training,
    )


class _Inputs(NamedTuple):
    """What is measured, and where."""

    device: torch.device
    model: Inpainter | None
    storage: Storage
    selection: Selection
    num_trained: int | None
    """How many images the model has learned from; None if that is not known."""
    training: Images | None


def _prepare(plan: Plan, processes: Processes, on_progress: OnProgress) -> _Inputs:
    """Load the model and read all images; checks the plan."""
    device = resolve_device(plan.device)
    model = None
    if plan.model is not None:
        model = Inpainter.load(
            plan.model, device=device, precision=plan.precision, download=plan.download
        )
    elif plan.fit_steps:
        raise ConfigError("a model, whose codes to fit", "none", "Leave --fit out.")
    own_names = () if model is None else methods_of(model, plan.fit_steps)
    check_names(plan.predictions, own_names)
    for name in plan.without:
        check_choice(name, "metric to leave out", LEFT_OUT)
    check_choice(plan.resize, "resampling filter", FILTERS)
    resolution = _resolution(plan, model)
    on_progress(0.0, "reading images")
    storage = Storage(plan.out, processes)
    selection, num_trained = _select(plan, resolution, storage)
    for name in plan.show:
        check_choice(name, "image to show", selection.pairs.names)
    training = None
    if plan.training is not None:
        names = names_of(plan.training)
        training = read_photographs(plan.training, names, resolution, storage).images
    return _Inputs(device, model, storage, selection, num_trained, training)


def _protocol_facts(
    plan: Plan, inputs: _Inputs, predictions: Sequence[Predictions]
) -> dict[str, Any]:
    return {
        "data": str(plan.data),
        **selection_facts(inputs.selection),
        "masks": plan.masks,
        "hole_range": list(plan.hole_range),
        "split": plan.split,
        "trained_pictures": inputs.num_trained,
        "seed": plan.seed,
        "training": None if plan.training is None else str(plan.training),
        "training_pictures": 0 if inputs.training is None else len(inputs.training),
        "predictions": {read.method.method: read.facts for read in predictions},
    }


def _select(plan: Plan, resolution: int, storage: Storage) -> tuple[Selection, int | None]:
    """Return images and holes, and how many were trained on; None if that is not known."""
    check_choice(plan.split, "split", SPLITS)
    known, without = known_images(plan.model), set()
    if plan.split == "held-out":
        known = require_known(known)
        without = trained_names(plan.data, names_of(plan.data), known, storage)
    protocol = Protocol(
        data=plan.data,
        resolution=resolution,
        masks=plan.masks,
        seed=plan.seed,
        count=plan.count,
        hole_range=plan.hole_range,
        inverted=plan.inverted,
    )
    selection = make_pairs(protocol, storage, without)
    if known is None:
        return selection, None
    seen = trained_names(plan.data, selection.files, known, storage)
    if not plan.allow_training_images:
        refuse_trained(seen, len(selection.files))
    return selection, len(seen)


def _completed(plan: Plan, inputs: _Inputs, on_progress: OnProgress) -> list[Method]:
    pairs = inputs.selection.pairs
    if inputs.model is None:
        return []

    def on_batch(num_images: int) -> None:
        on_progress(_COMPLETING * num_images / len(pairs.names), "completing images")

    return complete(
        inputs.model,
        pairs,
        plan.seed,
        plan.batch_size,
        inputs.storage,
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


def _suites(
    plan: Plan,
    num_images: int,
    device: torch.device,
    training: Images | None,
    storage: Storage,
) -> tuple[MetricSuite, ...]:
    test = MetricSuite.left_out("two_sample", _NOT_WANTED)
    if "c2st" not in plan.without:
        test = two_sample_test(num_images, plan.seed, device)
    patches = MetricSuite.left_out("swd", _NOT_WANTED)
    if "swd" not in plan.without:
        patches = MetricSuite(per_set=(swd,))
    if not storage.processes.is_main:
        storage.meet()  # the main process may have to download weights first
    cache = plan.cache or plan.out / "features.sqlite"
    networks = network_metrics(plan.weights, cache, device, plan.download, plan.lite2)
    if storage.processes.is_main:
        storage.meet()
    copies = [] if training is None else [memorisation(training)]
    return (ALWAYS, patches, test, *copies, *networks)
