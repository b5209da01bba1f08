"""The commands `directions ...`: find edit directions and draw them."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .console import echo
from .direction_files import (
    SUFFIX,
    FirstLayer,
    LastLayer,
    OutFile,
    Reverse,
    load,
    resolve,
    write,
)
from .foreign_directions import import_direction
from .options import DIRECTION_NAMES, DIRECTION_RECIPES, Device, Model, Overwrite, Precision
from .progress import display_fraction
from .rated_directions import draw_samples, interfacegan

if TYPE_CHECKING:
    from PIL import Image

    from ..core.directions import Direction
    from ..core.inpainter import Inpainter
    from .direction_recipes import DirectionSpec

STRENGTHS = (-3.0, -1.5, 0.0, 1.5, 3.0)
"""Columns of a preview."""

directions = typer.Typer(
    help="Find and preview edit directions.", no_args_is_help=True, rich_markup_mode=None
)

_OutFolder = Annotated[Path, typer.Option("--out", help="Folder for the results.")]
_Name = Annotated[str | None, typer.Option(help="Name of the slider [default: how it was found]")]
_Component = Annotated[int, typer.Option(min=0, help="0 changes the image most.")]
_Recipe = Annotated[
    str,
    typer.Argument(
        metavar="RECIPE", help=f"A .toml file, or a bundled recipe: {DIRECTION_RECIPES}."
    ),
]
_Which = Annotated[
    list[str],
    typer.Argument(metavar="DIRECTION", help=f"What to draw: {DIRECTION_NAMES}."),
]
_Strength = Annotated[
    list[float] | None,
    typer.Option(help="Strength of a column; repeat for more [default: -3 -1.5 0 1.5 3]"),
]
_Samples = Annotated[int, typer.Option(min=1, help="Number of rows.")]
_SampleSeed = Annotated[int, typer.Option(help="Seed of the rows.")]


def _discovery(method: str) -> Callable[..., None]:
    def discover(
        *,
        out: OutFile,
        model: Model = "cats",
        component: _Component = 0,
        first_layer: FirstLayer = 0,
        last_layer: LastLayer = None,
        reverse: Reverse = False,
        name: _Name = None,
        overwrite: Overwrite = False,
    ) -> None:
        from .direction_recipes import DirectionSpec

        spec = DirectionSpec(
            name=name or f"{method}:{component}",
            method=method,
            component=component,
            first_layer=first_layer,
            last_layer=last_layer,
            reverse=reverse,
        )
        _find(model, spec, out, overwrite)

    return discover


directions.command("sefa", help="Find a direction in the generator's weights (arXiv:2007.06600).")(
    _discovery("sefa")
)
directions.command(
    "ganspace", help="Find a principal direction of random codes (arXiv:2004.02546)."
)(_discovery("ganspace"))


directions.command()(interfacegan)
directions.command("samples")(draw_samples)
directions.command("import")(import_direction)


@directions.command()
def recipe(
    source: _Recipe,
    *,
    out: _OutFolder,
    model: Model = "cats",
    device: Device = None,
    overwrite: Overwrite = False,
    precision: Precision = "float32",
) -> None:
    """Find all directions of a recipe."""
    from ..core.directions import check_target
    from ..core.files import prepare_folder
    from .direction_recipes import file_stem, find_all, read_specs, recipe_path

    path = recipe_path(source)
    prepare_folder(out)
    targets = [out / f"{file_stem(spec.name)}{SUFFIX}" for spec in read_specs(path)[0]]
    for target in targets:
        check_target(target, overwrite)
    loaded = load(model, device, precision)
    with display_fraction() as show:
        found = find_all(loaded, path, show)
    for direction, target in zip(found, targets, strict=True):
        write(direction, target)


@directions.command()
def preview(
    which: _Which,
    *,
    out: _OutFolder,
    model: Model = "cats",
    strength: _Strength = None,
    samples: _Samples = 4,
    seed: _SampleSeed = 0,
    device: Device = None,
    precision: Precision = "auto",
) -> None:
    """Draw random samples at several strengths of each direction."""
    from ..core.files import prepare_folder
    from .direction_recipes import check_stems, file_stem

    loaded = load(model, device, precision)
    prepare_folder(out)
    stems = [file_stem(Path(name).stem if name.endswith(SUFFIX) else name) for name in which]
    check_stems(stems)
    resolved = [resolve(loaded, name) for name in which]
    for direction, stem in zip(resolved, stems, strict=True):
        path = out / f"{stem}.png"
        strip(loaded, direction, strength or STRENGTHS, samples, seed).save(path)
        echo(path)


def strip(
    model: "Inpainter",
    direction: "Direction",
    strengths: Sequence[float] = STRENGTHS,
    num_samples: int = 4,
    seed: int = 0,
) -> "Image.Image":
    """Draw random samples, one per row, edited from left to right with increasing strength.

    Args:
        model: the direction's model.
        direction: what changes.
        strengths: of each column, in the direction's unit.
        num_samples: rows.
        seed: of the samples; row k depends on (seed, k) only.

    Raises:
        InputError: a number out of range.
        GeneratorMismatchError: a direction of another model.
    """
    import torch

    from ..core.contact_sheet import contact_sheet
    from ..core.editor import Edit

    codes = model.sample_w(seed, num_samples)
    columns = [model.synthesize(model.edit(codes, [Edit(direction, s)])) for s in strengths]
    rows = torch.stack(columns, dim=1).cpu()
    labels = [f"{s:+g}" if s else "0" for s in strengths]
    return contact_sheet(
        [list(row) for row in rows],
        [[""] * len(labels)] * (num_samples - 1) + [labels],
        title=": ".join(filter(None, (direction.name, direction.description))),
    )


def _find(model: str, spec: "DirectionSpec", out: Path, overwrite: bool) -> None:
    from ..core.directions import check_target
    from .direction_recipes import Finder

    check_target(out, overwrite)
    loaded = load(model, None)
    with display_fraction() as show:
        direction = Finder(loaded, on_progress=show).find(spec)
    write(direction, out)
