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

_CORE = Path(__file__).parents[1] / "core"
DIRECTIONS = "|".join(sorted(path.stem for path in (_CORE / "weights/directions").glob("*")))
"""Bundled directions, from the names of their files: reading them would import torch."""
