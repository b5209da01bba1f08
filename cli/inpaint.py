"""The command `inpaint`: its options, its progress and its report."""

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .options import Device, Download, Json, Model, Seed, Variants
from .progress import display, duration

if TYPE_CHECKING:
    from ..core.editor import Edit
    from ..core.inpainter import Inpainter
    from .batch import Outcome, Settings
    from .pairing import Job

_Source = Annotated[Path, typer.Argument(metavar="INPUT", help="An image or a folder of images.")]
_Out = Annotated[Path, typer.Option(help="Folder for the results.")]
_Mask = Annotated[
    Path | None,
    typer.Option(help="White is filled. One file for all images, or a folder of same-named masks."),
]
_Edit = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME=STRENGTH", help="Direction name or file. Repeat for more edits."),
]
_Truncation = Annotated[
    float, typer.Option(help="Below 1, completions are more typical and less diverse.")
]
_GateBias = Annotated[float, typer.Option(help="Above 0, completions follow the image more.")]
_Crop = Annotated[
    str, typer.Option(metavar="picture|hole", help="Square the model sees: whole image or hole.")
]
_Margin = Annotated[
    float, typer.Option(help="With --crop hole: margin, as a fraction of the hole's size.")
]
_Feather = Annotated[int, typer.Option(min=0, help="Width of the soft edge, in pixels.")]
_SkipSource = Annotated[
    str,
    typer.Option(
        metavar="edited|unedited|none",
        help="Input of the skip encoder when there are edits; none disables it.",
    ),
]
_Blend = Annotated[
    str | None,
    typer.Option(
        metavar="seamless|feather|paste",
        help="How completions meet the image. Default: feather with --feather, else seamless.",
    ),
]
_Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace existing results.")]


def inpaint(
    source: _Source,
    *,
    out: _Out,
    mask: _Mask = None,
    model: Model = "cats",
    variants: Variants = 8,
    seed: Seed = 0,
    edit: _Edit = None,
    truncation: _Truncation = 1.0,
    gate_bias: _GateBias = 0.0,
    crop: _Crop = "picture",
    margin: _Margin = 0.25,
    feather: _Feather = 0,
    skip_source: _SkipSource = "edited",
    blend: _Blend = None,
    device: Device = None,
    download: Download = False,
    overwrite: _Overwrite = False,
    as_json: Json = False,
) -> None:
    """Complete an image or a folder of images.

    Writes STEM-0.png, STEM-1.png ... and a contact sheet, STEM-sheet.png, for each image. Without
    --mask, the transparent part of each image is filled. Existing results are kept.
    """
    from ..core.device import resolve_device
    from ..core.files import prepare_folder
    from ..core.inpainter import Inpainter
    from .batch import Settings, rehearse
    from .pairing import plan_jobs

    settings = Settings(
        num_variants=variants,
        seed=seed,
        edits=tuple(parse_edit(text) for text in edit or ()),
        truncation_psi=truncation,
        gate_bias=gate_bias,
        crop_mode=crop,
        margin=margin,
        feather_px=feather,
        skip_source=skip_source,
        blend=blend,
    )
    jobs, unused = plan_jobs(source, mask, out, variants)
    prepare_folder(out)
    inpainter = Inpainter.load(model, device=resolve_device(device), download=download)
    rehearse(inpainter, settings)
    outcomes = _run(inpainter, jobs, settings, overwrite, quiet=as_json)
    _print_report(outcomes, unused, out, as_json)
    if any(outcome.status == "failed" for outcome in outcomes):
        raise SystemExit(1)


def parse_edit(text: str) -> "Edit":
    """Return the edit NAME=STRENGTH; NAME may be a direction file (.safetensors).

    Raises:
        InputError: the text has another form.
        CheckpointError: the file is missing or is not a direction.
    """
    import math

    from ..core.directions import read_direction
    from ..core.editor import Edit
    from ..core.errors import InputError

    name, _, number = text.rpartition("=")
    name = name.strip()
    try:
        strength = float(number)
    except ValueError:
        strength = math.nan
    if not name or not math.isfinite(strength):
        raise InputError("an edit as NAME=STRENGTH", repr(text), "Write sefa:0=1.5, for example.")
    return Edit(read_direction(name) if name.endswith(".safetensors") else name, strength)


def _run(
    model: "Inpainter",
    jobs: "Sequence[Job]",
    settings: "Settings",
    overwrite: bool,
    *,
    quiet: bool,
) -> list["Outcome"]:
    from .batch import run_jobs

    outcomes: list[Outcome] = []
    started = time.perf_counter()
    with display(len(jobs), "images") as (say, advance):
        for num_done, outcome in enumerate(run_jobs(model, jobs, settings, overwrite), start=1):
            outcomes.append(outcome)
            if not quiet:
                say(str(outcome))
            seconds_left = (time.perf_counter() - started) / num_done * (len(jobs) - num_done)
            advance(num_done, f"{duration(seconds_left)} left")
    return outcomes


def _print_report(
    outcomes: "Sequence[Outcome]", unused: Sequence[Path], out: Path, as_json: bool
) -> None:
    statuses = [outcome.status for outcome in outcomes]
    counts = {status: statuses.count(status) for status in ("done", "skipped", "failed")}
    if as_json:
        report = {
            **counts,
            "pictures": [outcome.to_dict() for outcome in outcomes],
            "unused_masks": [str(path) for path in unused],
        }
        print(json.dumps(report, indent=2))
        return
    if unused:
        print(f"masks without an image: {', '.join(path.name for path in unused)}")
    summary = ", ".join(f"{count} {status}" for status, count in counts.items())
    hint = "; use --overwrite to replace the skipped ones" if counts["skipped"] else ""
    print(f"{summary}; results in {out}{hint}")
