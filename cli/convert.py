"""The command `convert`: a foreign StyleGAN2 file to a checkpoint, without running its code."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from .console import echo, echo_json
from .options import Json, Overwrite
from .progress import OnProgress, display_fraction

if TYPE_CHECKING:
    from ..core.checkpoint import Conversion

_In = Annotated[
    Path,
    typer.Argument(
        metavar="IN",
        help="StyleGAN2 of NVIDIA (.pkl), rosinality, pSp, e4e, StyleRes, GenForce, MMGeneration.",
    ),
]
_Out = Annotated[Path, typer.Argument(metavar="OUT.safetensors", help="The checkpoint to write.")]
_Title = Annotated[str, typer.Option(help="What the model knows, such as 'human faces'.")]
_License = Annotated[str, typer.Option(help="Licence of the weights, as their authors state it.")]

_Channels = Annotated[
    Literal["rgb", "bgr"] | None,
    typer.Option(
        help="Order of the colours in the file [default: as its authors usually store them]"
    ),
]

_SHOWN_FROM = 30_000_000
"""Values from which on progress is shown: smaller files are read in a moment."""


def convert(
    source: _In,
    out: _Out,
    *,
    title: _Title = "",
    license: _License = "",
    channels: _Channels = None,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Convert a StyleGAN2 file of another program; no code in it is run."""
    from ..core.checkpoint import check_target, convert_file, write_checkpoint

    check_target(out, overwrite)
    with display_fraction() as show:
        conversion = convert_file(
            source,
            title=title,
            license=license,
            progress=_report_to(show, source.name),
            channels=channels,
        )
        write_checkpoint(out, conversion.checkpoint)
    report = _report(conversion, source, out)
    if as_json:
        echo_json(report, indent=2)
        return
    for line in _describe(report):
        echo(line)


def _report_to(show: OnProgress, name: str) -> Callable[[int, int], None]:
    def progress(done: int, total: int) -> None:
        if total >= _SHOWN_FROM:
            show(done / total, f"reading {name}")

    return progress


def _report(conversion: "Conversion", source: Path, out: Path) -> dict[str, Any]:
    """Return what was done as plain data for JSON."""
    checkpoint = conversion.checkpoint
    return {
        "file": str(source),
        "format": conversion.family,
        "out": str(out),
        "title": checkpoint.title,
        "license": checkpoint.license,
        "generator_id": checkpoint.generator_id,
        "kept": {
            part: sum(tensor.numel() for tensor in checkpoint.state_dict_of(part).values())
            for part in checkpoint.parts
        },
        "config": checkpoint.config.to_dict(),
        "left_out": [*conversion.left_out],
        "notes": [*conversion.notes],
    }


def _describe(report: dict[str, Any]) -> Iterator[str]:
    """Yield the report line by line, for people."""
    generator = report["config"]["generator"]
    limit = generator.get("conv_clamp")
    yield f"{report['file']}: StyleGAN2 in the format of {report['format']}"
    yield (
        f"  {generator['resolution']} px, z {generator['z_dim']}, w {generator['w_dim']}, "
        f"{generator['mapping_depth']} mapping layers, {generator['num_classes']} classes, "
        f"{'no limit' if limit is None else f'limit {limit:g}'} on features"
    )
    for part, values in report["kept"].items():
        yield f"  kept      {part} ({values:,} values)"
    for part in report["left_out"]:
        yield f"  left out  {part}"
    for note in report["notes"]:
        yield f"  note      {note}"
    if not report["license"]:
        yield "  note      No --license was given: the weights keep the licence of their authors."
    yield f"wrote {report['out']}"
