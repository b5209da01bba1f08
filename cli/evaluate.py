"""The command `evaluate`: its options, its progress and its answer.

Only typer is imported up front, so that --help answers at once.
"""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .progress import display_share
from .train import Device

if TYPE_CHECKING:
    from ..core.distributed import Processes
    from ..evaluation.evaluate import Evaluation, Plan

_LEAST_COLUMNS = 200  # where nobody sees a terminal's width, rows stay in one piece


def evaluate(
    model: Annotated[
        str | None, typer.Argument(help="Bundled name, file, or hub id; none for --predictions.")
    ] = None,
    *,
    data: Annotated[Path, typer.Option(help="Photographs to measure on: a folder or a zip.")],
    out: Annotated[Path, typer.Option(help="Folder for the report.")],
    predictions: Annotated[
        Path | None,
        typer.Option(help="Results of another method for OUT/pairs: NAME-0.png, NAME-1.png."),
    ] = None,
    resolution: Annotated[
        int | None, typer.Option(help="In pixels. [default: the model's]")
    ] = None,
    masks: Annotated[
        str,
        typer.Option(help="Sampler: paper, comodgan, mat-large, mat-small, box, half or outpaint."),
    ] = "paper",
    seed: Annotated[int, typer.Option(help="Of the holes and the random codes.")] = 0,
    count: Annotated[
        int | None, typer.Option(min=3, help="Pictures to measure on. [default: all]")
    ] = None,
    training: Annotated[
        Path | None, typer.Option(help="What the model was trained on, to look for copies of it.")
    ] = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Pictures completed at once.")] = 16,
    device: Device = None,
    inception: Annotated[
        Path | None, typer.Option(help="Weights for FID, U-IDS, P-IDS: torch-fidelity's Inception.")
    ] = None,
    inception_imagenet: Annotated[
        Path | None, typer.Option(help="The same on torchvision's ImageNet Inception-v3.")
    ] = None,
    lpips: Annotated[
        Path | None, typer.Option(help="Weights for LPIPS: torchvision's AlexNet or VGG16.")
    ] = None,
    cache: Annotated[
        Path | None, typer.Option(help="Features to share. [default: OUT/features.sqlite]")
    ] = None,
    download: Annotated[
        bool, typer.Option("--download", help="Allow to download a hub id and absent weights.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")] = False,
) -> None:
    """Measure a model, or another method's results, beside baselines of known quality.

    OUT gets results.json, pictures.csv, table.md, plots, contact sheets, and in pairs/ the
    pictures and masks, for other methods to run on.
    """
    from ..core.distributed import join
    from ..evaluation.evaluate import Plan
    from ..evaluation.network_metrics import NetworkFiles
    from ..evaluation.plots import write_plots
    from ..evaluation.report import describe, results, tables, write_report
    from ..evaluation.sheets import write_sheets

    place, processes = join(device)
    plan = Plan(
        data=data,
        out=out,
        model=model,
        predictions=predictions,
        resolution=resolution,
        masks=masks,
        seed=seed,
        count=count,
        training=training,
        batch_size=batch_size,
        device=str(place),
        download=download,
        networks=NetworkFiles(
            inception=inception, inception_imagenet=inception_imagenet, lpips=lpips
        ),
        cache=cache,
    )
    evaluation = _evaluate(plan, processes)
    if evaluation is None:
        return
    write_report(evaluation, out)
    write_plots(evaluation, out)
    write_sheets(evaluation, out / "sheets")
    if as_json:
        print(json.dumps(results(evaluation), indent=2))
        return
    from rich.console import Console

    console = Console(width=None if sys.stdout.isatty() else _LEAST_COLUMNS)
    for table in tables(evaluation):
        console.print(table)
    for line in describe(evaluation):
        print(line)
    print(f"report in {out}")


def _evaluate(plan: "Plan", processes: "Processes") -> "Evaluation | None":
    from ..evaluation.evaluate import evaluate

    if not processes.is_main:
        return evaluate(plan, processes=processes)
    with display_share(lambda percent, what: f"{percent} %: {what}") as show:
        return evaluate(plan, show, processes)
