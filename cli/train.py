"""The command `train`: its options, its progress and its report."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..training.stages import STAGES
from .console import echo
from .options import TRAINING_RECIPES, Device
from .progress import display, duration

if TYPE_CHECKING:
    import torch

    from ..core.distributed import Processes
    from ..training.options import TrainOptions
    from ..training.run import TrainResult
    from ..training.stages import Progress


if TYPE_CHECKING:
    _StageName = StrEnum
else:
    _StageName = StrEnum("Stage", {name.upper(): name for name in STAGES})

_Stage = Annotated[_StageName, typer.Argument(help="Train them in this order.")]
_Recipe = Annotated[
    str | None,
    typer.Option(
        "--config",
        help=f"A .toml file, or a bundled recipe: {TRAINING_RECIPES} [default: any-generator; "
        "prior has none].",
    ),
]
_Out = Annotated[Path, typer.Option("--out", help="Run directory; resumes if it exists.")]
_Data = Annotated[
    Path | None,
    typer.Option(help="Folder, zip or .txt list of images; stage1 and stage2 often work without."),
]
_Holdout = Annotated[
    Path | None,
    typer.Option(
        help="Folder, zip or .txt list of images to hold out [default: those that the recipe "
        "chooses among DATA]."
    ),
]
_Source = Annotated[
    str | None,
    typer.Option("--from", help="Starting checkpoint [default: previous stage in OUT]"),
]
_Restart = Annotated[
    str | None,
    typer.Option("--restart-from", help="Checkpoint to continue training from, in a new OUT."),
]
_DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Print what would be trained and how, then exit.")
]
_Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="KEY=VALUE", help="Override the recipe: prior.seed=1. May be repeated."
    ),
]
_Threads = Annotated[int | None, typer.Option(min=1, help="CPU threads [default: all]")]


_DEFAULT_RECIPE = "any-generator"


def train(
    stage: _Stage,
    *,
    recipe: _Recipe = None,
    out: _Out,
    data: _Data = None,
    source: _Source = None,
    restart_from: _Restart = None,
    override: _Set = None,
    device: Device = None,
    threads: _Threads = None,
    dry_run: _DryRun = False,
    holdout: _Holdout = None,
) -> None:
    """Train a model of your own, stage by stage.

    prior: generator and discriminator, on photographs. stage1: encoder and mixer, on generated
    images. stage2: the skip encoder; writes the finished model.

    On several GPUs or machines: accelerate launch -m diverse_inpainting train ...
    """
    import torch

    from ..core.distributed import join
    from ..core.errors import InputError
    from ..training.options import TrainOptions
    from ..training.recipe_file import load_recipe

    if threads is not None:
        torch.set_num_threads(threads)
    if recipe is None and STAGES[stage.value].previous is None:
        raise InputError(
            f"a recipe for {stage.value}",
            "none",
            "Give one with --config: a bundled one, such as ffhq256, or a .toml file.",
            problem=f"The stage {stage.value} needs a recipe.",
        )
    options = TrainOptions(
        stage=stage.value,
        recipe=load_recipe(recipe or _DEFAULT_RECIPE, tuple(override or ())),
        out=out,
        data=data,
        holdout=holdout,
        source=source,
        restart_from=restart_from,
    )
    place, processes = join(device)
    if dry_run:
        _print_plan(options, place, processes)
        return
    finished = _train(options, place, processes)
    processes.leave()
    if processes.is_main:
        _print_end(finished)


def _print_plan(options: "TrainOptions", device: "torch.device", processes: "Processes") -> None:
    from ..training.dry_run import describe_training
    from ..training.obstacles import obstacles
    from ..training.options import fit_recipe

    options = fit_recipe(options)
    if not processes.is_main:
        return
    for line in describe_training(options.recipe, options.stage, device, processes.world_size):
        echo(line)
    found = [str(error) for error in obstacles(options, device, processes)]
    echo("# it would not start yet:" if found else "# it can start")
    for sentence in found:
        echo(f"#   {sentence}")


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


def _print_end(finished: "TrainResult") -> None:
    count = f"{finished.nimg} of {finished.total_images} images"
    if finished.is_complete:
        echo(f"Finished at {count}.")
    else:
        echo(f"Stopped at {count}. Rerun the same command to resume.")
    for path in finished.exports:
        echo(f"Wrote {path}")
