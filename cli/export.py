"""The command `export`: ONNX graphs of a model, for programs without Python or PyTorch."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from .console import echo, echo_json
from .options import Download, Json, Overwrite
from .progress import display_fraction

if TYPE_CHECKING:
    from ..core.checkpoint import Checkpoint
    from ..core.directions import Direction

_Model = Annotated[
    str, typer.Argument(metavar="MODEL", help="Bundled name, checkpoint file or Hugging Face id.")
]
_Out = Annotated[Path, typer.Option("--out", help="Folder to write to.")]
_Weights = Annotated[
    Literal["float32", "float16"],
    typer.Option(help="How weights are stored; float16 takes half the space. Both run in float32."),
]
_Graphs = Annotated[
    list[str] | None,
    typer.Option(
        "--graph", help="Write this graph only; repeat for more [default: all the model has]"
    ),
]
_Directions = Annotated[
    list[str] | None,
    typer.Option(
        "--direction", help="Add a direction: a file, sefa:K or ganspace:K; repeat for more."
    ),
]


def export(
    model: _Model,
    *,
    out: _Out,
    weights: _Weights = "float32",
    graph: _Graphs = None,
    direction: _Directions = None,
    overwrite: Overwrite = False,
    download: Download = False,
    as_json: Json = False,
) -> None:
    """Write a model as ONNX graphs, each checked against the model."""
    from ..core.checkpoint import inspect_checkpoint, read_checkpoint, resolve_source
    from ..core.export import export_model

    path = resolve_source(model, download)
    parts = [part for part in inspect_checkpoint(path).parts if part != "discriminator"]
    checkpoint = read_checkpoint(path, parts)
    directions = _directions_of(checkpoint, direction or ())
    with display_fraction() as show:
        card = export_model(
            checkpoint,
            out,
            weights=weights,
            directions=directions,
            only=graph or (),
            overwrite=overwrite,
            on_step=lambda done, total: show(done / total, f"{done} of {total} graphs"),
        )
    if as_json:
        echo_json(card, indent=2)
        return
    for line in _describe(card):
        echo(line)
    echo(f"wrote {out}")


def _directions_of(checkpoint: "Checkpoint", added: Sequence[str]) -> "dict[str, Direction]":
    """Return the bundled directions of the model's generator, and those that were asked for."""
    from ..core.directions import bundled_directions
    from ..core.editor import Editor
    from .direction_files import resolve

    editor = Editor(checkpoint)
    editor.directions = bundled_directions(checkpoint.generator_id)
    found = [resolve(editor, name) for name in added]
    return {**editor.directions, **{direction.name: direction for direction in found}}


def _describe(card: dict[str, Any]) -> Iterator[str]:
    """Yield what was exported line by line, for people."""
    yield f"{'graph':<12} {'operators':>9} {'MB':>7} {'difference':>10} {'ms':>8}"
    for name, graph in card["graphs"].items():
        yield (
            f"{name:<12} {graph['operators']:>9} {graph['bytes'] / 1e6:>7.1f} "
            f"{graph['difference']:>10.2g} {graph['milliseconds']:>8.1f}"
        )
    total = sum(file["bytes"] for file in card["files"].values())
    yield f"{'all files':<12} {'':>9} {total / 1e6:>7.1f}"
