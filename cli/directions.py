"""The commands `directions ...`: their options and their answers.

Only typer is imported up front, so that --help answers at once.
"""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .progress import display_share
from .train import Device

if TYPE_CHECKING:
    from ..core.directions import Direction
    from ..core.inpainter import Inpainter
    from .direction_recipes import Wanted

directions = typer.Typer(
    help="Find and draw edit directions.", no_args_is_help=True, rich_markup_mode=None
)

_Model = Annotated[str, typer.Option("--model", help="Bundled name, or file.")]
_Out = Annotated[Path, typer.Option("--out", help="The .safetensors file to write.")]
_Name = Annotated[str | None, typer.Option(help="Of the slider. [default: how it was found]")]
_Component = Annotated[int, typer.Option(min=0, help="0 changes most.")]
_First = Annotated[int, typer.Option(min=0, help="First style layer that it moves.")]
_Last = Annotated[
    int | None, typer.Option(min=0, help="Last style layer that it moves. [default: the model's]")
]
_Reverse = Annotated[bool, typer.Option("--reverse", help="Positive strengths go the other way.")]
_Which = Annotated[
    list[str],
    typer.Argument(metavar="DIRECTION...", help="A file, a bundled name, sefa:K or ganspace:K."),
]


def _discovery(method: str) -> Callable[..., None]:
    def discover(
        *,
        out: _Out,
        model: _Model = "cats",
        component: _Component = 0,
        first_layer: _First = 0,
        last_layer: _Last = None,
        reverse: _Reverse = False,
        name: _Name = None,
    ) -> None:
        from .direction_recipes import Wanted

        wanted = Wanted(
            name=name or f"{method}:{component}",
            method=method,
            component=component,
            first_layer=first_layer,
            last_layer=last_layer,
            reverse=reverse,
        )
        _find(model, None, wanted, out)

    return discover


directions.command("sefa", help="Find a direction in the generator's weights (arXiv:2007.06600).")(
    _discovery("sefa")
)
directions.command(
    "ganspace", help="Find a direction along which random codes vary (arXiv:2004.02546)."
)(_discovery("ganspace"))


@directions.command()
def interfacegan(
    *,
    score: Annotated[str, typer.Option(help="What grows: brightness, warmth, markings, ...")],
    out: _Out,
    model: _Model = "cats",
    apart_from: Annotated[
        list[str] | None, typer.Option(help="A score that is not to change; may be repeated.")
    ] = None,
    first_layer: _First = 0,
    last_layer: _Last = None,
    reverse: _Reverse = False,
    name: _Name = None,
    device: Device = None,
) -> None:
    """Find the direction along which a score of the pictures grows (arXiv:1907.10786)."""
    from .direction_recipes import Wanted

    wanted = Wanted(
        name=name or score,
        method="interfacegan",
        score=score,
        apart_from=tuple(apart_from or ()),
        first_layer=first_layer,
        last_layer=last_layer,
        reverse=reverse,
    )
    _find(model, device, wanted, out)


@directions.command()
def recipe(
    source: Annotated[
        str, typer.Argument(metavar="RECIPE", help="cats, or a .toml file that says what to find.")
    ],
    *,
    out: Annotated[Path, typer.Option(help="Folder for the direction files.")],
    model: _Model = "cats",
    device: Device = None,
) -> None:
    """Find all directions of a recipe again."""
    from ..core.files import prepare_folder
    from .direction_recipes import RECIPES_DIR, file_stem, find_all

    path = Path(source) if source.endswith(".toml") else RECIPES_DIR / f"{source}.toml"
    prepare_folder(out)
    loaded = _load(model, device)
    with display_share(_line) as show:
        found = find_all(loaded, path, show)
    for direction in found:
        _write(direction, out / f"{file_stem(direction.name)}.safetensors")


@directions.command()
def preview(
    which: _Which,
    *,
    out: Annotated[Path, typer.Option(help="Folder for the strips.")],
    model: _Model = "cats",
    strength: Annotated[
        list[float] | None, typer.Option(help="Of a column. [default: -3 -1.5 0 1.5 3]")
    ] = None,
    samples: Annotated[int, typer.Option(min=1, help="Rows.")] = 4,
    seed: Annotated[int, typer.Option(help="Of the rows.")] = 0,
    device: Device = None,
) -> None:
    """Draw random samples at several strengths of each direction."""
    from ..core.files import prepare_folder
    from .direction_recipes import check_stems, file_stem
    from .direction_strips import STRENGTHS, strip

    loaded = _load(model, device)
    prepare_folder(out)
    stems = [
        file_stem(Path(name).stem if name.endswith(".safetensors") else name) for name in which
    ]
    check_stems(stems)
    for direction, stem in zip(_resolve(loaded, which), stems, strict=True):
        path = out / f"{stem}.png"
        strip(loaded, direction, strength or STRENGTHS, samples, seed).save(path)
        print(path)


def _line(percent: int, what: str) -> str:
    return f"{percent} %: {what}"


def _load(model: str, device: str | None) -> "Inpainter":
    from ..core.device import resolve_device
    from ..core.inpainter import Inpainter

    return Inpainter.load(model, device=resolve_device(device))


def _resolve(model: "Inpainter", which: list[str]) -> "list[Direction]":
    """Return directions of the model."""
    from ..core.latents import check_same_generator
    from .settings import named_direction

    found = []
    for name in which:
        direction = named_direction(name)
        direction = model.direction(direction) if isinstance(direction, str) else direction
        check_same_generator(direction.generator_id, model.generator_id, f"direction {name}")
        found.append(direction)
    return found


def _find(model: str, device: str | None, wanted: "Wanted", out: Path) -> None:
    from ..core.directions import check_target
    from .direction_recipes import Finder

    check_target(out)
    loaded = _load(model, device)
    with display_share(_line) as show:
        direction = Finder(loaded, on_progress=show).find(wanted)
    _write(direction, out)


def _write(direction: "Direction", path: Path) -> None:
    from ..core.directions import write_direction

    write_direction(path, direction)
    print(f"{path}: {direction.source}")
