"""What would stop a training, found without starting it and without writing anything."""

import contextlib
import itertools
import json
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import cast

import torch

from ..core.checkpoint import resolve_source
from ..core.dataset import READ_ERRORS, load_images
from ..core.distributed import Processes
from ..core.errors import DiverseInpaintingError
from ..core.image_digests import digest
from ..core.image_listing import image_files
from .checkpointing import States, load_state
from .config import CompletionConfig, PriorConfig
from .data import held_out, load_labels, require_training_images
from .fingerprint import fingerprint, require_same_recipe
from .init_from import plan_restart, read_source
from .loop import require_no_exports
from .options import TrainOptions, required_data, required_start
from .projected_gan import load_feature_network
from .stages import STAGES
from .vgg import check_vgg16

_LEAST_PX = 8  # of images that are only looked for


def obstacles(
    options: TrainOptions, device: torch.device, processes: Processes
) -> Iterator[DiverseInpaintingError]:
    """Yield an error for each file that is missing and each combination that would be refused.

    Images are not decoded: damaged ones show only in the training. With a holdout, files are read.

    Args:
        options: as for `run.train`, with a recipe that fits the generator.
        device: where it would be trained.
        processes: the processes that would train together.
    """
    for check in _checks(options, device, processes):
        try:
            check()
        except DiverseInpaintingError as error:
            yield error


def _checks(
    options: TrainOptions, device: torch.device, processes: Processes
) -> Iterator[Callable[[], object]]:
    """Yield a check for each file by itself: one that is missing hides none of the others."""
    config, perceptual = options.config, options.recipe.perceptual
    if isinstance(config, PriorConfig) or cast("CompletionConfig", config).uses_photographs:
        yield lambda: required_data(options)
    for source in filter(None, (options.data, options.holdout)):
        yield partial(_look_for_images, source, options)
    if options.data is not None and options.holdout is not None:
        yield partial(_look_for_training_images, options.data, options.holdout)
    yield lambda: _check_start(options, processes)
    if isinstance(config, PriorConfig):
        if config.projected_network != "none":
            yield load_feature_network
    elif perceptual.network == "vgg16":
        yield lambda: check_vgg16(perceptual.weights, perceptual.layers)
    yield lambda: _look_into_folder(options, device)


def _look_for_images(source: Path, options: TrainOptions) -> None:
    recipe = options.recipe
    names = [name for name, _ in image_files(source)]
    if not names:
        load_images(source, _LEAST_PX)  # says what is wrong with it
    if source is options.data and options.holdout is None:
        held_out(len(names), recipe.data, None)
    if source is options.data and isinstance(options.config, PriorConfig):
        load_labels(source, names, recipe.model.generator.num_classes)


def _look_for_training_images(source: Path, holdout: Path) -> None:
    try:
        apart = frozenset(_digests(holdout))
        digests = _digests(source)
        first = next(digests, None)
    except DiverseInpaintingError:
        return  # said of each of them
    if first is not None:
        require_training_images(source, itertools.chain([first], digests), holdout, apart)


def _digests(source: Path) -> Iterator[bytes]:
    """Yield those of the images that can be read; the training skips the others."""
    for _, read in image_files(source):
        with contextlib.suppress(*READ_ERRORS):
            yield digest(read())


def _check_start(options: TrainOptions, processes: Processes) -> None:
    """Raise unless the stage can start from its files and deal its batch out to the processes."""
    stage, recipe, config = STAGES[options.stage], options.recipe, options.config
    restart = None if options.restart_from is None else resolve_source(options.restart_from)
    discriminator = recipe.model.discriminator
    source = None
    if stage.previous is not None:
        source = read_source(required_start(options), stage, recipe)
        discriminator = source.checkpoint.config.discriminator
    elif restart is not None:
        source = read_source(restart, stage, recipe)
    if restart is not None and source is not None:
        plan_restart(restart, source, stage, recipe)
    assert discriminator is not None, "read_source and require_parts have checked it"
    group_size = getattr(config, "stddev_group_size", 0) or discriminator.stddev_group_size
    processes.shard(config.micro_batch or config.batch_size, group_size)


def _look_into_folder(options: TrainOptions, device: torch.device) -> None:
    stage = STAGES[options.stage]
    folder = options.out / stage.name
    newest = States(folder).newest()
    if newest is None:
        require_no_exports(folder)
    else:
        saved = json.loads(load_state(newest)["fingerprint"])
        # No schedule of a stage without a previous one depends on its total.
        inputs = {"total_images": None} if stage.previous is None else {}
        require_same_recipe(saved, fingerprint(options.recipe, stage, device, inputs), folder)
