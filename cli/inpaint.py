"""The command `inpaint`: its options, its progress and its report."""

import contextlib
import dataclasses
import functools
import time
from collections import Counter
from collections.abc import Callable, Generator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from .console import echo, echo_json
from .inpaint_options import InpaintOptions, signature
from .progress import display, duration

if TYPE_CHECKING:
    from ..core.inpainter import Inpainter
    from .batch import Outcome
    from .pairing import Job, Plan
    from .result_files import Record
    from .settings import Settings


def inpaint(context: typer.Context, **options: Any) -> None:  # noqa: ANN401 - see InpaintOptions
    """Complete images and folders of images.

    Writes STEM-0.png, STEM-1.png ... and a contact sheet, STEM-sheet.png, for each image. Outside
    the hole, pixels, transparency and metadata stay as they were. Without
    --mask, each image's mask is STEM_mask.png beside it, or else its transparent part. Existing
    results are kept; if they were made with other settings, the exit code is 1.
    """
    # `context.obj` is the `Cluster` of the command `scale`, which calls this function.
    from ..core.checks import check_choice
    from ..core.device import resolve_device
    from ..core.files import prepare_folder
    from ..core.inpainter import Inpainter
    from ..core.precision import PRECISIONS
    from .batch import run_jobs
    from .dry_run import show_plan
    from .pairing import deal_jobs, plan_jobs
    from .recorded import load_record, merge_settings, recorded_precision
    from .settings import rehearse

    given = InpaintOptions(**options)
    settings, record = given.settings(), None
    check_choice(given.precision, "precision", PRECISIONS)
    if given.recorded is not None:
        record = load_record(given.recorded)
        is_given = functools.partial(_is_given, context)
        settings = merge_settings(record, settings, is_given, given.recorded)
        if not is_given("precision"):
            given = dataclasses.replace(given, precision=recorded_precision(record, given.recorded))
    plan = plan_jobs(
        given.source,
        given.mask or (),
        given.out,
        settings.num_variants,
        recursive=given.recursive,
        result_format=given.result_format,
    )
    part = dataclasses.replace(plan, jobs=deal_jobs(plan.jobs, given.shard or "1/1"))
    prepare_folder(given.out)
    if given.dry_run:
        raise SystemExit(show_plan(part, settings, given.out / "dry-run.png"))
    model = Inpainter.load(
        given.model,
        device=resolve_device(given.device),
        precision=given.precision,
        download=given.download,
    )
    rehearse(model, settings)
    if record is not None:
        _warn_of_changes(record, model, plan.jobs)
    run = context.obj.run_jobs if context.obj else run_jobs
    complete = functools.partial(run, model, model_name=Path(given.model).name)
    counts, hint = _run(complete, part.jobs, settings, given)
    shown = context.obj.shown if context.obj else str
    _print_report(counts, hint, plan, given, shown)
    if counts["failed"] or counts["stale"]:
        raise SystemExit(1)


inpaint.__signature__ = signature()  # pyright: ignore[reportFunctionMemberAccess]


def _is_given(context: typer.Context, parameter: str) -> bool:
    """Return whether an option was given, on the command line or in the environment."""
    source = context.get_parameter_source(parameter)
    return source is not None and source.name in ("COMMANDLINE", "ENVIRONMENT")


def _warn_of_changes(record: "Record", model: "Inpainter", jobs: "Sequence[Job]") -> None:
    """Say that model, image or mask is not the recorded one; a folder has other images anyway."""
    from .job_inputs import JobInputs
    from .recorded import changes
    from .settings import model_digest

    now = {"model": model_digest(model)}
    if len(jobs) == 1 and jobs[0].problem is None:
        now |= JobInputs.read(jobs[0]).digests()
    for sentence in changes(record, now):
        echo(f"warning: {sentence}", to_stderr=True)


def _run(
    complete: "Callable[[Sequence[Job], Settings, bool], Generator[Outcome]]",
    jobs: "Sequence[Job]",
    settings: "Settings",
    given: InpaintOptions,
) -> tuple[Counter[str], str]:
    """Complete the images and report each; return how many ended how, and a hint."""
    counts = Counter(done=0, skipped=0, stale=0, failed=0)
    hint, started = "", time.perf_counter()
    with display(len(jobs), "images") as (say, advance):

        def show_step(step: int, steps: int) -> None:
            advance(counts.total(), f"step {step} of {steps}")

        shown = dataclasses.replace(settings, on_step=show_step)
        with contextlib.closing(complete(jobs, shown, given.overwrite)) as outcomes:
            for num_done, outcome in enumerate(outcomes, start=1):
                counts[outcome.status] += 1
                facts = outcome.to_dict()
                if outcome.status == "skipped" and not facts["error"]:  # nobody else has it
                    hint = "; use --overwrite to replace the skipped ones"
                if given.as_json:
                    echo_json(facts)
                else:
                    for line in outcome.lines():
                        say(line)
                seconds_left = (time.perf_counter() - started) / num_done * (len(jobs) - num_done)
                advance(num_done, f"{duration(seconds_left)} left")
    return counts, hint


def _print_report(
    counts: Counter[str],
    hint: str,
    plan: "Plan",
    given: InpaintOptions,
    shown: "Callable[[object], str]",
) -> None:
    """Print the summary; `shown` returns a path as the user knows it."""
    if given.as_json:
        left_aside = {shown(path): reason for path, reason in plan.left_aside.items()}
        unused = [shown(path) for path in plan.unused_masks]
        echo_json({**counts, "unused_masks": unused, "left_aside": left_aside})
        return
    for line in plan.remarks():
        echo(line)
    said = {status: count for status, count in counts.items() if count or status != "stale"}
    summary = ", ".join(f"{count} {status}" for status, count in said.items())
    echo(f"{summary}; results in {shown(given.out)}{hint}")
