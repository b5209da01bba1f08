"""What the commands `directions ...` share: options, the model, directions by name, and files."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .console import echo

if TYPE_CHECKING:
    from ..core.directions import Direction
    from ..core.editor import Editor
    from ..core.inpainter import Inpainter

SUFFIX = ".safetensors"
"""Of a direction's file; what ends with it is a file, not a name."""

OutFile = Annotated[Path, typer.Option("--out", help="The .safetensors file to write.")]
FirstLayer = Annotated[int, typer.Option(min=0, help="First style layer to edit.")]
LastLayer = Annotated[
    int | None, typer.Option(min=0, help="Last style layer to edit [default: the model's last]")
]
Reverse = Annotated[bool, typer.Option("--reverse", help="Swap positive and negative strengths.")]


def load(model: str, device: str | None, precision: str = "float32") -> "Inpainter":
    """Return a model on a device, see `Inpainter.load`."""
    from ..core.device import resolve_device
    from ..core.inpainter import Inpainter

    return Inpainter.load(model, device=resolve_device(device), precision=precision)


def resolve(model: "Editor", name: str) -> "Direction":
    """Return a direction of the model by name, or from a file."""
    from ..core.directions import read_direction
    from ..core.latents import check_same_generator

    direction = read_direction(name) if name.endswith(SUFFIX) else model.direction(name)
    check_same_generator(direction.generator_id, model.generator_id, f"direction {name}")
    return direction


def write(direction: "Direction", path: Path) -> None:
    """Write a direction, and say how it was found."""
    from ..core.directions import write_direction

    write_direction(path, direction)
    echo(f"{path}: {direction.source}")
