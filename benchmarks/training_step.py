"""How fast the stages train, their memory, and where the time goes.

    python benchmarks/training_step.py --stages stage1 stage2 --resolutions 128

Measures the recipes demo64-cpu, demo128-cuda and ffhq256, each line in a separate process. Networks
(VGG16 included) and images have random values, so that nothing but the checkout is needed: speed
does not depend on them. R1 is added in every r1_every-th step; the default of 16 iterations
includes as much of it as a training does. On a GPU, images/s is measured with CUDA graphs, and the
breakdown into phases without.
"""

import argparse
import contextlib
import dataclasses
import multiprocessing
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from machine import peak_mib

from diverse_inpainting.core.checkpoint import Checkpoint
from diverse_inpainting.core.device import resolve_device
from diverse_inpainting.core.networks import build
from diverse_inpainting.training.completion import CompletionTrainer
from diverse_inpainting.training.config import Recipe, StageConfig
from diverse_inpainting.training.cuda_graphs import StepGraphs
from diverse_inpainting.training.data import Photographs
from diverse_inpainting.training.hardware import device_name, feature_dtype, set_fast_arithmetic
from diverse_inpainting.training.prior import PriorTrainer
from diverse_inpainting.training.recipe_file import load_recipe
from diverse_inpainting.training.stage1 import Stage1Trainer
from diverse_inpainting.training.stage2 import Stage2Trainer
from diverse_inpainting.training.vgg import LAYERS

RECIPES = {64: "demo64-cpu", 128: "demo128-cuda", 256: "ffhq256"}
COMPLETIONS = {"stage1": Stage1Trainer, "stage2": Stage2Trainer}
MEASURED = ("prior", *COMPLETIONS)
AnyTrainer = PriorTrainer | CompletionTrainer
COLUMNS = ("stage", "side", "batch", "dtype", "images/s", "peak MiB")
PHASES = ("data", "forward", "backward", "optimiser")


def main() -> None:
    options = parse()
    device = resolve_device(options.device)
    print(f"{device_name(device)}, torch {torch.__version__}, {torch.get_num_threads()} threads")
    print("  ".join(f"{name:>9}" for name in (*COLUMNS, *PHASES)))
    for resolution in options.resolutions:
        for stage in options.stages:
            # A new process, because peak memory never falls.
            spawned = multiprocessing.get_context("spawn")
            with ProcessPoolExecutor(1, mp_context=spawned) as pool:
                cells = pool.submit(measure, stage, resolution, options).result()
            print("  ".join(f"{cell:>9}" for cell in cells), flush=True)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--stages", nargs="+", choices=MEASURED, default=MEASURED)
    parser.add_argument("--resolutions", nargs="+", type=int, choices=RECIPES, default=RECIPES)
    parser.add_argument("--batch", type=int, help="overrides the recipe")
    parser.add_argument(
        "--micro-batch", type=int, default=0, help="with --batch; 0 for the whole batch"
    )
    parser.add_argument("--iterations", type=int, default=16)
    parser.add_argument("--warm-up", type=int, default=2, help="iterations before, on CPUs")
    parser.add_argument("--device", default=None, help="cuda if available, else cpu")
    return parser.parse_args()


def measure(stage: str, resolution: int, options: argparse.Namespace) -> list[str]:
    """Return one line of the table."""
    set_fast_arithmetic()
    device = resolve_device(options.device)
    stopwatch = Stopwatch(device)
    with tempfile.TemporaryDirectory() as folder:
        trainer = make_trainer(stage, choose_recipe(stage, resolution, options, folder), device)
    batch, on_cuda = trainer.config.batch_size, device.type == "cuda"
    begun = begin(trainer.config)
    # On a GPU each variant of a step is captured as a graph on its third run.
    warm_up = 3 * trainer.config.r1_every if on_cuda else options.warm_up
    run(trainer, begun, warm_up, stopwatch)
    first = begun + warm_up * batch
    seconds = run(trainer, first, options.iterations, stopwatch) if on_cuda else 0.0
    trainer._graphs = StepGraphs(device, is_used=False)  # whose phases cannot be timed
    with watched(trainer, stopwatch):
        watched_seconds = run(trainer, first, options.iterations, stopwatch)
    seconds = seconds or watched_seconds
    memory = torch.cuda.max_memory_allocated(device) / 2**20 if on_cuda else peak_mib()
    dtype = str(feature_dtype(trainer.config.precision, device)).removeprefix("torch.")
    speed = options.iterations * batch / seconds
    cells = [stage, str(resolution), str(batch), dtype, f"{speed:.2f}", f"{memory:.0f}"]
    return cells + [f"{fraction:.0%}" for fraction in fractions(stopwatch.seconds())]


def run(trainer: AnyTrainer, nimg: int, num_steps: int, stopwatch: "Stopwatch") -> float:
    """Return how many seconds num_steps steps take, starting at image nimg."""
    stopwatch.wait()
    started = time.perf_counter()
    for i in range(num_steps):
        trainer.step(nimg + i * trainer.config.batch_size)
    stopwatch.wait()
    return time.perf_counter() - started


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

    def __init__(self, device: torch.device) -> None:
        self._on_cuda = device.type == "cuda"
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
            return time.perf_counter()
        event = torch.cuda.Event(enable_timing=True)
        event.record()
        return event

    def wait(self) -> None:
        """Wait until the device is idle."""
        if self._on_cuda:
            torch.cuda.synchronize()

    def seconds(self) -> Counter[str]:
        """Return the total times by name; call `wait` first."""
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
    """Return the fraction of a step that each of PHASES takes.

    Passes may overlap: their parts are counted as fractions of all passes.
    """
    gradients = seconds["gradients"] / seconds["step"]
    data, backward = (seconds[name] / seconds["passes"] for name in ("data", "backward"))
    return [*(gradients * part for part in (data, 1 - data - backward, backward)), 1 - gradients]


if __name__ == "__main__":
    main()
