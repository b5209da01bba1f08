"""The command `train`: its options, its progress and its answer.

Only typer is imported up front, so that --help answers at once.
"""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .progress import display, duration

if TYPE_CHECKING:
    import torch

    from ..core.distributed import Processes
    from ..training.config import Recipe
    from ..training.run import TrainOptions, TrainResult
    from ..training.stages import Progress


class Stage(StrEnum):
    """What can be trained, in this order."""

    PRIOR = "prior"
    STAGE1 = "stage1"
    STAGE2 = "stage2"


Device = Annotated[str | None, typer.Option(help="cpu, cuda, cuda:1 ... [default: the best]")]
_Stage = Annotated[Stage, typer.Argument(help="Train them one after the other.")]
_Recipe = Annotated[str, typer.Option("--config", help="Bundled recipe, or a .toml file.")]
_Run = Annotated[Path, typer.Option("--out", help="Folder of the run; what it holds goes on.")]
_Data = Annotated[
    Path | None,
    typer.Option(help="Photographs: a folder or a zip. Most stages only measure on them."),
]
_Source = Annotated[
    str | None,
    typer.Option("--from", help="Model to begin with. [default: that of the stage before in OUT]"),
]
_Restart = Annotated[
    str | None,
    typer.Option("--restart-from", help="Model whose weights to go on with, in a new OUT."),
]
_DryRun = Annotated[
    bool,
    typer.Option("--dry-run", help="Only print the recipe, parameters, memory and learning rates."),
]
_Set = Annotated[list[str] | None, typer.Option("--set", help="KEY=VALUE, as prior.seed=1.")]
_Threads = Annotated[int | None, typer.Option(min=1, help="CPU threads. [default: all]")]


def train(
    stage: _Stage,
    *,
    recipe: _Recipe,
    out: _Run,
    data: _Data = None,
    source: _Source = None,
    restart_from: _Restart = None,
    override: _Set = None,
    device: Device = None,
    threads: _Threads = None,
    dry_run: _DryRun = False,
) -> None:
    """Train a model of your own, stage by stage.

    prior: generator and discriminator, on photographs. stage1: encoder and mixer, on pictures that
    the generator makes. stage2: the skip encoder; writes the finished model.

    Several GPUs or machines: accelerate launch -m diverse_inpainting train ...
    """
    from ..training.run import TrainOptions

    loaded, place, processes = _prepare(recipe, override, device, threads)
    if dry_run:
        if processes.is_main:
            _print_plan(loaded, stage, place, processes.world_size)
        return
    options = TrainOptions(
        stage=stage.value,
        recipe=loaded,
        out=out,
        data=data,
        source=source,
        restart_from=restart_from,
    )
    finished = _train(options, place, processes)
    processes.leave()
    if not processes.is_main:
        return
    ended = "finished" if finished.is_complete else "stopped; the same command goes on"
    print(f"{ended} at {finished.nimg} of {finished.total_images} images")
    for path in finished.exports:
        print(f"wrote {path}")


def _prepare(
    recipe: str, overrides: list[str] | None, device: str | None, threads: int | None
) -> tuple["Recipe", "torch.device", "Processes"]:
    import torch

    from ..core.distributed import join
    from ..training.recipe_file import load_recipe

    if threads is not None:
        torch.set_num_threads(threads)
    return load_recipe(recipe, tuple(overrides or ())), *join(device)


def _print_plan(recipe: "Recipe", stage: str, device: "torch.device", num_processes: int) -> None:
    from ..training.dry_run import describe_training

    for line in describe_training(recipe, stage, device, num_processes):
        print(line)


def _train(
    options: "TrainOptions", device: "torch.device", processes: "Processes"
) -> "TrainResult":
    from ..training.run import train as train_stage

    if not processes.is_main:
        return train_stage(options, device, lambda progress: None, processes)
    with display(options.config.total_images, "images") as (say, advance):

        def show(progress: "Progress") -> None:
            speed = f"{progress.images_per_s:.1f} images/s, {duration(progress.seconds_left)} left"
            losses = " ".join(f"{name} {v:.4g}" for name, v in progress.scalars.items())
            if not advance(progress.nimg, speed):
                say(f"{progress.nimg}/{progress.total_images} images, {speed}, {losses}")

        return train_stage(options, device, show, processes)
