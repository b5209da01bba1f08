"""The command `familiarity`: teaches a model to warn of images that it does not know."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .console import echo
from .options import Overwrite

if TYPE_CHECKING:
    from torch import Tensor

_Model = Annotated[str, typer.Argument(metavar="MODEL", help="Bundled name or checkpoint file.")]
_Out = Annotated[Path, typer.Option("--out", help="Checkpoint to write.")]
_Data = Annotated[
    Path | None,
    typer.Option(help="Folder or zip of what it knows [default: images that it generates]"),
]
_Steps = Annotated[int, typer.Option(min=1, help="Updates of the classifier.")]
_Dtype = Annotated[str, typer.Option(metavar="float16|float32", help="Stored number format.")]


def familiarity(
    model: _Model,
    *,
    out: _Out,
    data: _Data = None,
    steps: _Steps = 6000,
    stored_as: _Dtype = "float16",
    overwrite: Overwrite = False,
) -> None:
    """Teach a model to warn of images that it does not know, and write it to a new file.

    Takes a few minutes. The model's other networks stay as they are.
    """
    import torch

    from ..core.checkpoint import check_target, read_checkpoint, resolve_source, write_checkpoint
    from ..core.checks import check_choice
    from ..training.familiarity import Teaching, add_familiarity

    dtypes = {"float16": torch.float16, "float32": torch.float32}
    check_choice(stored_as, "stored-as", dtypes)
    check_target(out, overwrite)
    checkpoint = read_checkpoint(resolve_source(model))
    photographs = None
    if data is not None:
        photographs = _photographs(data, checkpoint.config.generator.resolution)
    taught = add_familiarity(checkpoint, photographs, Teaching(num_steps=steps))
    write_checkpoint(out, taught, dtype=dtypes[stored_as])
    measures = taught.training["diagnostics"]["familiarity"]
    echo(
        f"Wrote {out}. Of unseen images it warns of {measures['known_warned']:.1%} that it knows, "
        f"and of {measures['outliers_warned']:.1%} that were made to be unknown."
    )


def _photographs(source: Path, resolution: int) -> "tuple[Tensor, Tensor]":
    """Return images to learn from, and every 11th, which sets the threshold."""
    from ..core.dataset import load_images
    from ..core.errors import InputError

    images = load_images(source, resolution)[1]
    if len(images) < 2:
        raise InputError("at least two images", "one", "Give more images.")
    index = range(len(images))
    return images[[i for i in index if i % 11]], images[::11]
