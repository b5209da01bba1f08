"""How fast the stages train, their memory, and where the time goes.

    python benchmarks/training_step.py --stages stage1 stage2 --resolutions 128

Measures the recipes demo64-cpu, demo128-cuda and ffhq256, each line in a separate process. Networks
(VGG16 included) and images have random values, so that nothing but the checkout is needed: speed
does not depend on them. R1 is added in every r1_every-th step; the default of 16 steps includes as
much of it as a training does, and the highest time is that of such a step. On a GPU, steps are
measured with CUDA graphs, and the breakdown into phases without. Floors are of the stage's number
format, though E, S and what VGG16 does are computed in float32.
"""

import argparse
import contextlib
import dataclasses
import multiprocessing
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from machine import describe, floor
from measuring import Clock, Row, add_options, clock_of, gflop, name_of, report, spread

from diverse_inpainting.core.checkpoint import Checkpoint
from diverse_inpainting.core.networks import build
from diverse_inpainting.training.completion import CompletionTrainer
from diverse_inpainting.training.config import Recipe, StageConfig
from diverse_inpainting.training.cuda_graphs import StepGraphs
from diverse_inpainting.training.data import Photographs
from diverse_inpainting.training.hardware import (
    feature_dtype,
    peak_memory_mib,
    set_fast_arithmetic,
)
from diverse_inpainting.training.prior import PriorTrainer
from diverse_inpainting.training.recipe_file import load_recipe
from diverse_inpainting.training.stage1 import Stage1Trainer
from diverse_inpainting.training.stage2 import Stage2Trainer
from diverse_inpainting.training.vgg import LAYERS

RECIPES = {64: "demo64-cpu", 128: "demo128-cuda", 256: "ffhq256"}
COMPLETIONS = {"stage1": Stage1Trainer, "stage2": Stage2Trainer}
MEASURED = ("prior", *COMPLETIONS)
AnyTrainer = PriorTrainer | CompletionTrainer


@dataclasses.dataclass
class StepRow(Row):
    """A stage's line of the table; phases are fractions of a step."""

    images_per_s: float | None = None
    data: float | None = None
    forward: float | None = None
    backward: float | None = None
    optimiser: float | None = None


def main(arguments: list[str] | None = None) -> None:
    options = parse(arguments)
    clock, rows = clock_of(options), []
    for resolution in options.resolutions:
        for stage in options.stages:
            # A new process, because peak memory never falls.
            spawned = multiprocessing.get_context("spawn")
            with ProcessPoolExecutor(1, mp_context=spawned) as pool:
                rows.append(pool.submit(measure, stage, resolution, options).result())
    report(describe(clock.device) | {"clock": clock.kind}, rows, options.json)


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--stages", nargs="+", choices=MEASURED, default=MEASURED)
    parser.add_argument("--resolutions", nargs="+", type=int, choices=RECIPES, default=RECIPES)
    parser.add_argument("--batch", type=int, help="overrides the recipe")
    parser.add_argument(
        "--micro-batch", type=int, default=0, help="with --batch; 0 for the whole batch"
    )
    parser.add_argument("--warm-up", type=int, default=2, help="steps before, on CPUs")
    add_options(parser, rounds=16)
    return parser.parse_args(arguments)


def measure(stage: str, resolution: int, options: argparse.Namespace) -> StepRow:
    """Return one line of the table."""
    set_fast_arithmetic()
    clock = clock_of(options)
    with tempfile.TemporaryDirectory() as folder:
        recipe = choose_recipe(stage, resolution, options, folder)
        trainer = make_trainer(stage, recipe, clock.device)
    batch, on_cuda = trainer.config.batch_size, clock.device.type == "cuda"
    begun = begin(trainer.config)
    # On a GPU each variant of a step is captured as a graph on its third run.
    warm_up = 3 * trainer.config.r1_every if on_cuda else options.warm_up
    run(trainer, begun, warm_up, clock)
    first = begun + warm_up * batch
    first -= first % (batch * trainer.config.r1_every)  # a step with R1
    times = run(trainer, first, options.rounds, clock)
    peak = peak_memory_mib(clock.device)
    stopwatch = Stopwatch(clock)
    trainer._graphs = StepGraphs(clock.device, is_used=False)  # whose phases cannot be timed
    with watched(trainer, stopwatch):
        run(trainer, first, options.rounds, clock)
    dtype = feature_dtype(trainer.config.precision, clock.device)
    row = StepRow(stage, f"{batch} x {resolution}px", name_of(dtype), **spread(times))
    row.images_per_s, row.peak_mib = len(times) * batch / sum(times), peak
    plain_step = first + batch if trainer.config.r1_every > 1 else first
    row.gflop = gflop(lambda: one_by_one(trainer, plain_step))
    row.gflop_per_s = row.gflop / min(times)
    row.floor_share = row.gflop_per_s / floor(dtype, clock)
    row.data, row.forward, row.backward, row.optimiser = fractions(stopwatch.seconds())
    return row


def run(trainer: AnyTrainer, nimg: int, num_steps: int, clock: Clock) -> list[float]:
    """Return how many seconds each of num_steps steps takes, starting at image nimg."""
    size = trainer.config.batch_size
    return [clock.seconds(lambda i=i: trainer.step(nimg + i * size)) for i in range(num_steps)]


def one_by_one(trainer: AnyTrainer, nimg: int) -> None:
    """Take a step with its micro-batches in this thread, where operations are counted."""
    with mock.patch.object(trainer._accumulator, "_pool", None):
        trainer.step(nimg)


def choose_recipe(stage: str, resolution: int, options: argparse.Namespace, folder: str) -> Recipe:
    """Return the recipe of a resolution; a VGG16 that it needs is random and lies in the folder."""
    changes = ()
    if options.batch:
        sizes = {"batch_size": options.batch, "micro_batch": options.micro_batch}
        changes = tuple(f"{stage}.{name}={size}" for name, size in sizes.items())
    recipe = load_recipe(RECIPES[resolution], changes)
    if recipe.perceptual.network != "vgg16":
        return recipe
    path, state, before = Path(folder) / "vgg16.pth", {}, 3
    for key, channels in LAYERS.values():
        state[f"{key}.weight"] = torch.randn(channels, before, 3, 3) * (2 / (9 * before)) ** 0.5
        state[f"{key}.bias"] = torch.zeros(channels)
        before = channels
    torch.save(state, path)
    perceptual = dataclasses.replace(recipe.perceptual, weights=str(path))
    return dataclasses.replace(recipe, perceptual=perceptual)


def make_trainer(stage: str, recipe: Recipe, device: torch.device) -> AnyTrainer:
    """Return the trainer of a stage with random networks."""
    torch.manual_seed(0)
    R = recipe.model.generator.resolution
    images = torch.randint(0, 256, (256, 3, R, R), dtype=torch.uint8)
    photographs = Photographs(images, recipe.data, 0)
    if stage == "prior":
        return PriorTrainer(recipe, photographs, device)
    tensors = dict(build(recipe.model).state_dict())
    checkpoint = Checkpoint(config=recipe.model, tensors=tensors, generator_id="0" * 64)
    return COMPLETIONS[stage](recipe, checkpoint, photographs, device)


def begin(config: StageConfig) -> int:
    """Return an image at which an R1 period begins and the adversarial term has its full weight."""
    ramp = getattr(config, "discriminator_warmup", 0) + getattr(config, "adversarial_ramp", 0)
    period = config.batch_size * config.r1_every
    return -(-ramp // period) * period


class Stopwatch:
    """Adds up how long functions take on the device; they may overlap."""

    def __init__(self, clock: Clock) -> None:
        self._on_cuda = clock.device.type == "cuda"
        self._clock = clock
        self._spans: list[tuple[str, Any, Any]] = []

    def timed(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return the function, with its time added to a name."""

        def run(*args: object, **kwargs: object) -> object:
            begun = self._now()
            result = function(*args, **kwargs)
            self._spans.append((name, begun, self._now()))
            return result

        return run

    def _now(self) -> float | torch.cuda.Event:
        if not self._on_cuda:
            return self._clock.now()
        event = torch.cuda.Event(enable_timing=True)
        event.record()
        return event

    def seconds(self) -> Counter[str]:
        """Return the total times by name; the device must be idle."""
        sums: Counter[str] = Counter()
        for name, begun, ended in self._spans:
            sums[name] += begun.elapsed_time(ended) / 1000 if self._on_cuda else ended - begun
        return sums


@contextlib.contextmanager
def watched(trainer: AnyTrainer, stopwatch: Stopwatch) -> Iterator[None]:
    """Time the parts of a trainer's steps."""
    is_prior = isinstance(trainer, PriorTrainer)
    places: list[tuple[str, Any, str]] = [
        ("step", trainer, "step"),
        ("gradients", trainer._accumulator, "run"),
        ("passes", trainer, "_gradients"),
        ("backward", torch.autograd, "grad"),
    ]
    places += (
        [("data", trainer, "_draw")]
        if is_prior
        else [("data", trainer.batches, "draw"), ("data", trainer.batches, "make")]
    )
    with contextlib.ExitStack() as stack:
        for name, owner, attribute in places:
            timed = stopwatch.timed(name, getattr(owner, attribute))
            stack.enter_context(mock.patch.object(owner, attribute, timed))
        yield


def fractions(seconds: Counter[str]) -> list[float]:
    """Return the fraction of a step that data, forward, backward and optimiser take.

    Passes may overlap: their parts are counted as fractions of all passes.
    """
    gradients = seconds["gradients"] / seconds["step"]
    data, backward = (seconds[name] / seconds["passes"] for name in ("data", "backward"))
    return [*(gradients * part for part in (data, 1 - data - backward, backward)), 1 - gradients]


if __name__ == "__main__":
    main()
