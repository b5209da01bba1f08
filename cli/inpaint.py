"""The command `inpaint`: its options, its progress and its report."""

import dataclasses
import functools
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .console import echo, echo_json
from .options import Device, Download, JsonLines, Model, Overwrite, Seed, Variants
from .progress import display, duration

if TYPE_CHECKING:
    from ..core.editor import Edit
    from ..core.inpainter import Inpainter
    from .batch import Outcome, Settings
    from .pairing import Job, Plan
    from .result_files import Record

_Sources = Annotated[
    list[Path], typer.Argument(metavar="INPUT...", help="Images, folders of images, or patterns.")
]
_Out = Annotated[Path, typer.Option(help="Folder for the results.")]
_Masks = Annotated[
    list[Path] | None,
    typer.Option(
        help="White is filled. One file for all images, or a folder of same-named masks. Repeat "
        "for more masks of each image."
    ),
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
    str,
    typer.Option(
        metavar="picture|hole|face|auto|holes",
        help="Square the model sees: the whole image, the hole's surroundings, the cat's face that "
        "the hole lies in (or else as hole), what fits best, or a square for each hole.",
    ),
]
_Margin = Annotated[
    float, typer.Option(help="With --crop hole or holes: margin, as a fraction of the hole's size.")
]
_Feather = Annotated[int, typer.Option(min=0, help="Width of the soft edge, in pixels.")]
_SkipSource = Annotated[
    str,
    typer.Option(
        metavar="edited|unedited|none",
        help="Input of the skip encoder when there are edits; none disables it.",
    ),
]
_Fit = Annotated[
    int,
    typer.Option(
        metavar="STEPS",
        min=0,
        help="Fit the codes to each image; 15 steps are usually enough. "
        "A model without an encoder takes 75 by default.",
    ),
]
_Recursive = Annotated[bool, typer.Option("--recursive", help="Search subfolders.")]
_MaskInvert = Annotated[bool, typer.Option("--mask-invert", help="Fill what the mask keeps.")]
_MaskFill = Annotated[bool, typer.Option("--mask-fill", help="Fill what the hole encloses.")]
_MaskGrow = Annotated[int, typer.Option(help="Grow the hole, in pixels; shrink it if negative.")]
_MaskBlur = Annotated[int, typer.Option(help="Soften the hole's edge, in pixels.")]
_DryRun = Annotated[
    bool,
    typer.Option("--dry-run", help="List images and masks, draw them to OUT/dry-run.png, exit."),
]
_Blend = Annotated[
    str | None,
    typer.Option(
        metavar="seamless|feather|paste",
        help="How completions meet the image. Default: feather with --feather, else seamless.",
    ),
]
_Format = Annotated[
    str,
    typer.Option(
        "--format",
        metavar="png|same",
        help="Format of the results: PNG, or that of each image in its quality. JPEG, WebP and "
        "AVIF may change pixels outside the hole slightly.",
    ),
]
_From = Annotated[
    Path | None,
    typer.Option(
        "--from",
        metavar="RESULT",
        help="Take all settings from a result or its contact sheet; options given as well win.",
    ),
]

_Shard = Annotated[
    str | None,
    typer.Option(
        metavar="I/N",
        help="Complete only part I, from 1, of N equal parts: for jobs of an array.",
    ),
]

_MaxMegapixels = Annotated[
    float,
    typer.Option(help="Refuse larger images; each megapixel takes about 40 MB of memory."),
]


def inpaint(
    context: typer.Context,
    source: _Sources,
    *,
    out: _Out,
    mask: _Masks = None,
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
    fit: _Fit = 0,
    device: Device = None,
    download: Download = False,
    overwrite: Overwrite = False,
    as_json: JsonLines = False,
    recursive: _Recursive = False,
    mask_invert: _MaskInvert = False,
    mask_fill: _MaskFill = False,
    mask_grow: _MaskGrow = 0,
    mask_blur: _MaskBlur = 0,
    dry_run: _DryRun = False,
    result_format: _Format = "png",
    recorded: _From = None,
    shard: _Shard = None,
    max_megapixels: _MaxMegapixels = 64.0,
) -> None:
    """Complete images and folders of images.

    Writes STEM-0.png, STEM-1.png ... and a contact sheet, STEM-sheet.png, for each image. Outside
    the hole, pixels, transparency and metadata stay as they were. Without
    --mask, each image's mask is STEM_mask.png beside it, or else its transparent part. Existing
    results are kept; if they were made with other settings, the exit code is 1.
    """
    # `context.obj` is the `Cluster` of the command `scale`, which calls this function.
    from ..core.device import resolve_device
    from ..core.files import prepare_folder
    from ..core.inpainter import Inpainter
    from ..core.mask_edits import MaskEdits
    from .batch import Settings, rehearse, run_jobs
    from .dry_run import show_plan
    from .pairing import deal_jobs, plan_jobs
    from .recorded import load_record, merge_settings

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
        fit_steps=fit,
        mask_edits=MaskEdits(
            invert=mask_invert, fill=mask_fill, grow_px=mask_grow, blur_px=mask_blur
        ),
        blend=blend,
        max_megapixels=max_megapixels,
    )
    record = None if recorded is None else load_record(recorded)
    if record is not None and recorded is not None:
        settings = merge_settings(record, settings, lambda name: _is_given(context, name), recorded)
    plan = plan_jobs(
        source,
        mask or (),
        out,
        settings.num_variants,
        recursive=recursive,
        result_format=result_format,
    )
    part = dataclasses.replace(plan, jobs=deal_jobs(plan.jobs, shard or "1/1"))
    prepare_folder(out)
    if dry_run:
        raise SystemExit(show_plan(part, settings, out / "dry-run.png"))
    inpainter = Inpainter.load(model, device=resolve_device(device), download=download)
    rehearse(inpainter, settings)
    if record is not None:
        _warn_of_changes(record, inpainter, plan.jobs)
    complete = functools.partial(
        context.obj.run_jobs if context.obj else run_jobs, inpainter, model_name=Path(model).name
    )
    counts = _run(complete, part.jobs, settings, overwrite, as_json)
    _print_report(counts, plan, out, as_json, context.obj.shown if context.obj else str)
    if counts["failed"] or counts["stale"]:
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


def _is_given(context: typer.Context, parameter: str) -> bool:
    """Return whether an option was given, on the command line or in the environment."""
    source = context.get_parameter_source(parameter)
    return source is not None and source.name in ("COMMANDLINE", "ENVIRONMENT")


def _warn_of_changes(record: "Record", model: "Inpainter", jobs: "Sequence[Job]") -> None:
    """Say that model, image or mask is not the recorded one; a folder has other images anyway."""
    from .batch import input_digests, model_digest
    from .recorded import changes

    now = {"model": model_digest(model)}
    if len(jobs) == 1 and jobs[0].problem is None:
        now |= input_digests(jobs[0])
    for sentence in changes(record, now):
        echo(f"warning: {sentence}", to_stderr=True)


def _run(
    complete: "Callable[[Sequence[Job], Settings, bool], Iterator[Outcome]]",
    jobs: "Sequence[Job]",
    settings: "Settings",
    overwrite: bool,
    as_json: bool,
) -> Counter[str]:
    """Complete the images and report each; return how many ended how."""
    counts = Counter(done=0, skipped=0, stale=0, failed=0)
    started = time.perf_counter()
    with display(len(jobs), "images") as (say, advance):

        def show_step(step: int, steps: int) -> None:
            advance(counts.total(), f"fitting step {step} of {steps}")

        shown = dataclasses.replace(settings, on_fit_step=show_step)
        for num_done, outcome in enumerate(complete(jobs, shown, overwrite), start=1):
            counts[outcome.status] += 1
            if as_json:
                echo_json(outcome.to_dict())
            else:
                for line in outcome.lines():
                    say(line)
            seconds_left = (time.perf_counter() - started) / num_done * (len(jobs) - num_done)
            advance(num_done, f"{duration(seconds_left)} left")
    return counts


def _print_report(
    counts: Counter[str], plan: "Plan", out: Path, as_json: bool, shown: "Callable[[object], str]"
) -> None:
    """Print the summary; `shown` returns a path as the user knows it."""
    if as_json:
        left_aside = {shown(path): reason for path, reason in plan.left_aside.items()}
        unused = [shown(path) for path in plan.unused_masks]
        echo_json({**counts, "unused_masks": unused, "left_aside": left_aside})
        return
    for line in plan.remarks():
        echo(line)
    said = {status: count for status, count in counts.items() if count or status != "stale"}
    summary = ", ".join(f"{count} {status}" for status, count in said.items())
    hint = "; use --overwrite to replace the skipped ones" if counts["skipped"] else ""
    echo(f"{summary}; results in {shown(out)}{hint}")
