"""The command `evaluate`: its options, its progress and its report."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .console import echo, echo_json
from .options import Device, Json, Precision
from .progress import display_fraction

if TYPE_CHECKING:
    from ..evaluation.plan import Evaluation

_LEAST_COLUMNS = 240  # keeps each table row on one line when stdout is not a terminal

_Model = Annotated[
    str | None,
    typer.Argument(
        metavar="MODEL",
        help="Bundled name, checkpoint file or Hugging Face id; or use --predictions.",
    ),
]
_Data = Annotated[Path, typer.Option(help="Folder, zip or .txt list of images to measure on.")]
_Out = Annotated[Path, typer.Option(help="Folder for the report.")]
_Predictions = Annotated[
    list[str] | None,
    typer.Option(
        metavar="[NAME=]FOLDER",
        help="Another method's results for OUT/pairs: FOLDER/IMAGE-0.png, IMAGE-1.png ... "
        "Repeat it for several methods.",
    ),
]
_Resize = Annotated[
    str,
    typer.Option(
        metavar="FILTER",
        help="For results of another size: lanczos, bicubic, bilinear or box.",
    ),
]
_Resolution = Annotated[int | None, typer.Option(help="In pixels [default: the model's]")]
_Masks = Annotated[
    str,
    typer.Option(
        help="Sampler: paper, comodgan, mat-large, mat-small, box, half or outpaint; "
        "or a folder of masks, or an .npz file."
    ),
]
_HoleRange = Annotated[
    tuple[float, float] | None,
    typer.Option(metavar="LOW HIGH", help="Only masks that erase such fractions, 0.2 0.4 say."),
]
_Invert = Annotated[
    bool, typer.Option("--invert-masks", help="Masks from files are black where they erase.")
]
_Show = Annotated[
    list[str] | None,
    typer.Option(metavar="IMAGE", help="An image for the side-by-side sheet; repeat it for more."),
]
_Without = Annotated[
    list[str] | None,
    typer.Option(
        metavar="METRIC", help="Leave c2st or swd out, which take hours on thousands of images."
    ),
]
_Seed = Annotated[int, typer.Option(help="Seed of the masks and the random codes.")]
_Split = Annotated[
    str, typer.Option(help="Measure on all images, or on those held-out from training.")
]
_AllowTrained = Annotated[
    bool,
    typer.Option(
        "--allow-training-pictures", help="Measure on images that the model has learned from."
    ),
]
_Lite2 = Annotated[
    bool,
    typer.Option(
        "--lite2", help="Frechet distance on EfficientNet-Lite2, which needs no download."
    ),
]
_Count = Annotated[int | None, typer.Option(min=3, help="Number of images [default: all]")]
_Training = Annotated[
    Path | None, typer.Option(help="The model's training images, to search for copies of them.")
]
_BatchSize = Annotated[int, typer.Option(min=1, help="Images completed at once.")]
_Fit = Annotated[
    int,
    typer.Option(
        metavar="STEPS",
        min=0,
        help="Measure also the model with codes fitted to each image; 15 steps are usually enough.",
    ),
]
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
    bool, typer.Option("--download", help="Allow downloads of the model and of weights.")
]


def evaluate(
    model: _Model = None,
    *,
    data: _Data,
    out: _Out,
    predictions: _Predictions = None,
    resize: _Resize = "lanczos",
    resolution: _Resolution = None,
    masks: _Masks = "paper",
    hole_range: _HoleRange = None,
    invert_masks: _Invert = False,
    seed: _Seed = 0,
    split: _Split = "all",
    allow_training_pictures: _AllowTrained = False,
    count: _Count = None,
    training: _Training = None,
    batch_size: _BatchSize = 16,
    device: Device = None,
    inception: _Inception = None,
    inception_imagenet: _InceptionImagenet = None,
    lpips: _Lpips = None,
    lite2: _Lite2 = False,
    cache: _Cache = None,
    download: _Download = False,
    show: _Show = None,
    without: _Without = None,
    fit: _Fit = 0,
    precision: Precision = "float32",
    as_json: Json = False,
) -> None:
    """Measure a model or other methods' results, beside baselines.

    Writes results.json, pictures.csv, tables, plots and contact sheets to OUT. The images and masks
    go to OUT/pairs, so that other methods can be run on them.
    """
    from ..core.distributed import join
    from ..evaluation.evaluate import Plan
    from ..evaluation.evaluate import evaluate as measure
    from ..evaluation.report import results

    place, processes = join(device)
    plan = Plan(
        data=data,
        out=out,
        model=model,
        predictions=_folders(predictions or ()),
        resize=resize,
        resolution=resolution,
        masks=masks,
        hole_range=hole_range or (0.0, 1.0),
        inverted=invert_masks,
        seed=seed,
        split=split,
        allow_training_images=allow_training_pictures,
        count=count,
        training=training,
        batch_size=batch_size,
        device=str(place),
        weights={
            "inception": inception,
            "inception_imagenet": inception_imagenet,
            "lpips": lpips,
        },
        lite2=lite2,
        cache=cache,
        download=download,
        show=tuple(show or ()),
        without=frozenset(without or ()),
        fit_steps=fit,
        precision=precision,
    )
    if not processes.is_main:
        measure(plan, processes=processes)
        return
    with display_fraction() as progress:
        evaluation = measure(plan, progress, processes)
    assert evaluation is not None, "the main process returns it"
    _write(evaluation, out)
    if as_json:
        echo_json(results(evaluation), indent=2)
    else:
        _print_report(evaluation, out)


def _folders(predictions: Sequence[str]) -> dict[str, Path]:
    """Return the folders of --predictions by the name of the method."""
    from ..core.errors import InputError

    folders: dict[str, Path] = {}
    for given in predictions:
        name, separator, folder = given.partition("=")
        if not separator or Path(given).is_dir():  # a folder may have = in its name
            name, folder = "predictions", given
        if name in folders:
            raise InputError(
                "another NAME for each --predictions NAME=FOLDER", f"{name!r} twice", "Name them."
            )
        folders[name] = Path(folder)
    return folders


def _write(evaluation: "Evaluation", out: Path) -> None:
    from ..evaluation.plots import write_plots
    from ..evaluation.report import RESULTS_FILE, write_report, write_results
    from ..evaluation.sheets import write_sheets

    (out / RESULTS_FILE).unlink(missing_ok=True)
    write_report(evaluation, out)  # before the images, for which the disk may be too small
    write_plots(evaluation, out)
    write_sheets(evaluation, out / "sheets")
    write_results(evaluation, out)


def _print_report(evaluation: "Evaluation", out: Path) -> None:
    from rich.console import Console
    from rich.table import Table

    from ..evaluation.report import describe, tables

    console = Console(width=None if sys.stdout.isatty() else _LEAST_COLUMNS)
    for made in tables(evaluation):
        table = Table(title=made.title, title_justify="left")
        for k, name in enumerate(made.header):
            table.add_column(name, justify="right" if k else "left")
        for row in made.rows:
            table.add_row(*row)
        console.print(table)
    for line in describe(evaluation):
        echo(line)
    echo(f"Wrote the report to {out}")
