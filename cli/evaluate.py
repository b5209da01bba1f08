"""The command `evaluate`: its options, its progress and its report."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .options import Device, Json
from .progress import display_fraction

if TYPE_CHECKING:
    from ..core.distributed import Processes
    from ..evaluation.evaluate import Evaluation, Plan

_LEAST_COLUMNS = 200  # keeps each table row on one line when stdout is not a terminal

_Model = Annotated[
    str | None,
    typer.Argument(
        metavar="MODEL",
        help="Bundled name, checkpoint file or Hugging Face id; or use --predictions.",
    ),
]
_Data = Annotated[Path, typer.Option(help="Folder or zip of images to measure on.")]
_Out = Annotated[Path, typer.Option(help="Folder for the report.")]
_Predictions = Annotated[
    Path | None,
    typer.Option(help="Another method's results for OUT/pairs: NAME-0.png, NAME-1.png ..."),
]
_Resolution = Annotated[int | None, typer.Option(help="In pixels [default: the model's]")]
_Masks = Annotated[
    str,
    typer.Option(help="Sampler: paper, comodgan, mat-large, mat-small, box, half or outpaint."),
]
_Seed = Annotated[int, typer.Option(help="Seed of the masks and the random codes.")]
_Count = Annotated[int | None, typer.Option(min=3, help="Number of images [default: all]")]
_Training = Annotated[
    Path | None, typer.Option(help="The model's training images, to search for copies of them.")
]
_BatchSize = Annotated[int, typer.Option(min=1, help="Images completed at once.")]
_Inception = Annotated[
    Path | None,
    typer.Option(help="torch-fidelity's Inception weights, for FID, U-IDS and P-IDS."),
]
_InceptionImagenet = Annotated[
    Path | None, typer.Option(help="torchvision's Inception-v3 weights, for the same metrics.")
]
_Lpips = Annotated[
    Path | None, typer.Option(help="torchvision's AlexNet or VGG16 weights, for LPIPS.")
]
_Cache = Annotated[Path | None, typer.Option(help="Feature cache [default: OUT/features.sqlite]")]
_Download = Annotated[
    bool,
    typer.Option("--download", help="Allow downloads of the model and of the metrics' networks."),
]


def evaluate(
    model: _Model = None,
    *,
    data: _Data,
    out: _Out,
    predictions: _Predictions = None,
    resolution: _Resolution = None,
    masks: _Masks = "paper",
    seed: _Seed = 0,
    count: _Count = None,
    training: _Training = None,
    batch_size: _BatchSize = 16,
    device: Device = None,
    inception: _Inception = None,
    inception_imagenet: _InceptionImagenet = None,
    lpips: _Lpips = None,
    cache: _Cache = None,
    download: _Download = False,
    as_json: Json = False,
) -> None:
    """Measure a model or another method's results.

    Baselines are measured beside it. Writes results.json, pictures.csv, table.md, plots and
    contact sheets to OUT, and to OUT/pairs the images and masks, so that other methods can be run
    on them.
    """
    options = locals()  # their names are those of the fields of Plan and NetworkFiles
    from ..core.distributed import join

    del options["as_json"]
    place, processes = join(device)
    evaluation = _evaluate(_plan({**options, "device": str(place)}), processes)
    if evaluation is not None:
        _report(evaluation, out, as_json)


def _plan(options: dict[str, Any]) -> "Plan":
    from ..evaluation.evaluate import Plan
    from ..evaluation.network_metrics import NetworkFiles

    files = {name: options.pop(name) for name in ("inception", "inception_imagenet", "lpips")}
    return Plan(**options, networks=NetworkFiles(**files))


def _evaluate(plan: "Plan", processes: "Processes") -> "Evaluation | None":
    from ..evaluation.evaluate import evaluate

    if not processes.is_main:
        return evaluate(plan, processes=processes)
    with display_fraction() as show:
        return evaluate(plan, show, processes)


def _report(evaluation: "Evaluation", out: Path, as_json: bool) -> None:
    from rich.console import Console

    from ..evaluation.plots import write_plots
    from ..evaluation.report import describe, results, tables, write_report
    from ..evaluation.sheets import write_sheets

    write_report(evaluation, out)
    write_plots(evaluation, out)
    write_sheets(evaluation, out / "sheets")
    if as_json:
        print(json.dumps(results(evaluation), indent=2))
        return
    console = Console(width=None if sys.stdout.isatty() else _LEAST_COLUMNS)
    for table in tables(evaluation):
        console.print(table)
    for line in describe(evaluation):
        print(line)
    print(f"report in {out}")
