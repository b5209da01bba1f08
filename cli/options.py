"""Options that several commands share. Only typer is imported, so that --help answers at once."""

from pathlib import Path
from typing import Annotated

import typer

Model = Annotated[
    str, typer.Option("--model", help="Bundled name, checkpoint file or Hugging Face id.")
]
Device = Annotated[
    str | None,
    typer.Option(help="cpu, cuda, cuda:1, mps ... [default: cuda if available, else cpu]"),
]
Precision = Annotated[
    str,
    typer.Option(
        metavar="auto|float32|bfloat16|float16",
        help="Number format of the networks; auto: the fastest that the device computes natively.",
    ),
]
Seed = Annotated[int, typer.Option(help="Variant k depends on the seed and k only.")]
Variants = Annotated[int, typer.Option(min=1, help="Completions per image.")]
Download = Annotated[
    bool, typer.Option("--download", help="Allow downloads from the Hugging Face hub.")
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace existing results.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
JsonLines = Annotated[
    bool, typer.Option("--json", help="Print a line of JSON for each image, then a summary.")
]


def _stems(*folders: str) -> str:
    """Return the names of bundled files: reading the files would import torch."""
    root = Path(__file__).parents[1]
    return ", ".join(sorted(file.stem for name in folders for file in (root / name).iterdir()))


DIRECTION_NAMES = (
    f"a file, sefa:K, ganspace:K or, of the model cats, {_stems('core/weights/directions')}"
)
"""What names a direction, for --help; so are those below."""
DIRECTION_RECIPES = _stems("core/directions/recipes")
TRAINING_RECIPES = _stems("training/recipes")
SCORES = "brightness, warmth, markings, background, white_chin, turn, size"
"""Keys of `core.directions.SCORES`."""
