"""The command `directions import`: a direction of another program as one of a model."""

from pathlib import Path
from typing import Annotated

import typer

from .direction_files import OutFile, Reverse, load, write
from .options import Overwrite

_DEVIATION_SAMPLES = 2000
"""Samples of w that the direction's length and mean code are compared with."""

_File = Annotated[
    Path,
    typer.Argument(
        metavar="FILE", help="A .npy, .npz, .pt or .pkl of InterFaceGAN, e4e, GANSpace, SeFa."
    ),
]
_Generator = Annotated[
    str, typer.Option("--model", help="The generator that the direction was found for.")
]
_Layers = Annotated[
    str | None,
    typer.Option(metavar="FIRST-LAST", help="Style layers to edit [default: the file's, or all]"),
]
_ForeignComponent = Annotated[
    int | None, typer.Option(min=0, help="Which of the file's components.")
]
_ForeignName = Annotated[str | None, typer.Option(help="Name of the slider [default: the file's]")]


def import_direction(
    source: _File,
    *,
    model: _Generator,
    out: OutFile,
    name: _ForeignName = None,
    layers: _Layers = None,
    component: _ForeignComponent = None,
    reverse: Reverse = False,
    overwrite: Overwrite = False,
) -> None:
    """Make a direction of another program one of your model; no code in the file is run."""
    from ..core.directions import adopt, check_target, read_foreign_direction

    check_target(out, overwrite)
    chosen = None if layers is None else _parse_layers(layers)
    foreign = read_foreign_direction(source, component)
    loaded = load(model, "cpu")
    w = loaded.sample_w(0, _DEVIATION_SAMPLES).codes[0, :, 0]
    direction = adopt(
        foreign,
        w,
        loaded.num_layers,
        loaded.generator_id,
        name=name,
        layers=chosen,
        source=source.name,
    )
    write(direction.reversed() if reverse else direction, out)


def _parse_layers(text: str) -> tuple[int, int]:
    """Return (first, last) of "0-7" or "3"."""
    from ..core.errors import ConfigError

    first, dash, last = text.partition("-")
    parts = (first, last if dash else first)
    if all(part.isascii() and part.isdecimal() and len(part) < 4 for part in parts):
        return int(parts[0]), int(parts[1])
    raise ConfigError("--layers such as 0-7 or 3", text, "Write the first and the last layer.")
