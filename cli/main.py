"""The command line: demo, inpaint, info, directions, train, evaluate.

Only typer is imported up front, so that --help answers at once; each command imports what it
needs. Results and facts go to stdout, progress and errors to stderr. Exit codes: 0 all done, 1
some pictures failed or a promise was not kept, 2 wrong use.
"""

import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

from ..core.errors import DiverseInpaintingError
from .progress import display, duration


def _fail(message: str, code: int) -> NoReturn:
    print(message, file=sys.stderr)
    raise SystemExit(code)


try:
    import typer

    from .directions import directions
    from .evaluate import evaluate
    from .train import Device, train
except ModuleNotFoundError as error:
    if error.name != "typer":
        raise
    _fail("Expected the package typer; got none. Install diverse-inpainting[cli].", 2)

if TYPE_CHECKING:
    from .batch import Outcome
    from .settings import Settings

app = typer.Typer(
    help="Erase a part of a picture and get many different believable completions.",
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,  # typer would import rich for it, half of what --help takes
    pretty_exceptions_enable=False,
)
_Model = Annotated[str, typer.Option("--model", help="Bundled name, file, or hub id.")]
_Seed = Annotated[int, typer.Option(help="Variant k depends on (seed, k) alone.")]
_Variants = Annotated[int, typer.Option(min=1, help="Completions of each picture.")]
_Download = Annotated[bool, typer.Option("--download", help="Allow to download a hub id.")]
_Json = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]


@app.command()
def demo(
    *,
    out: Annotated[Path, typer.Option(help="Folder for the results.")] = Path("demo-out"),
    seed: _Seed = 0,
    variants: _Variants = 8,
    model: _Model = "cats",
    device: Device = None,
) -> None:
    """Complete a bundled photograph, and check what the results promise."""
    from ..core.device import resolve_device
    from ..core.files import prepare_folder
    from ..core.inpainter import Inpainter
    from .batch import write_results
    from .demo import PICTURE, demo_input, examine
    from .result_files import ResultFiles
    from .settings import Settings

    prepare_folder(out)
    started = time.perf_counter()
    inpainter = Inpainter.load(model, device=resolve_device(device))
    loaded = time.perf_counter()
    image, hole_mask = demo_input()
    files = ResultFiles(out, PICTURE.stem, variants)
    write_results(inpainter, image, hole_mask, files, Settings(num_variants=variants, seed=seed))
    written = time.perf_counter()
    found = examine(PICTURE, hole_mask[0], files.results)
    print(f"model:   {inpainter.title} ({inpainter.license})")
    print(f"results: {files.results[0]} to {files.results[-1].name}")
    print(f"sheet:   {files.sheet}")
    print(f"time:    {loaded - started:.2f} s to load, {written - loaded:.2f} s to complete, write")
    changed = ", ".join(map(str, found.num_changed))
    print(f"outside: of {found.num_valid} pixels, this many differ from the photograph: {changed}")
    if found.differences:
        low, high = min(found.differences), max(found.differences)
        print(f"inside:  any two results differ by {low:.1f} to {high:.1f} of 255 on average")
    if not (found.keeps_valid_pixels and found.all_differ):
        _fail("Expected results that differ inside the mask and nowhere else; got others.", 1)


@app.command()
def inpaint(
    source: Annotated[Path, typer.Argument(metavar="INPUT", help="A picture or a folder.")],
    *,
    out: Annotated[Path, typer.Option(help="Folder for the results.")],
    mask: Annotated[
        Path | None,
        typer.Option(help="White is filled. A file, or a folder of masks named as the pictures."),
    ] = None,
    model: _Model = "cats",
    variants: _Variants = 8,
    seed: _Seed = 0,
    edit: Annotated[
        list[str] | None, typer.Option(help="NAME or FILE=STRENGTH; may be repeated.")
    ] = None,
    truncation: Annotated[float, typer.Option(help="Below 1: more typical, more alike.")] = 1.0,
    gate_bias: Annotated[float, typer.Option(help="Above 0: nearer to what is visible.")] = 0.0,
    crop: Annotated[str, typer.Option(help="What the model sees: picture or hole.")] = "picture",
    margin: Annotated[float, typer.Option(help="Around the hole, for --crop hole.")] = 0.25,
    feather: Annotated[int, typer.Option(min=0, help="Fade out over so many pixels.")] = 0,
    skip_source: Annotated[
        str, typer.Option(help="With edits, the second pass sees: edited, unedited or none.")
    ] = "edited",
    device: Device = None,
    download: _Download = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace results.")] = False,
    as_json: _Json = False,
) -> None:
    """Complete pictures: STEM-0.png, STEM-1.png ... and STEM-sheet.png for each.

    Without --mask, what is transparent in a picture is filled. Results that exist are kept.
    """
    from .settings import Settings, parse_edit

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
    )
    loading = {"source": model, "device": device, "download": download}
    outcomes, unused = _inpaint(source, mask, out, settings, loading, overwrite, quiet=as_json)
    _print_report(outcomes, unused, out, as_json)
    if any(outcome.status == "failed" for outcome in outcomes):
        raise SystemExit(1)


def _inpaint(
    source: Path,
    masks: Path | None,
    out: Path,
    settings: "Settings",
    loading: dict[str, Any],
    overwrite: bool,
    *,
    quiet: bool,
) -> tuple[list["Outcome"], Sequence[Path]]:
    from ..core.device import resolve_device
    from ..core.files import prepare_folder
    from ..core.inpainter import Inpainter
    from .batch import run_jobs
    from .pairing import plan_jobs, unused_masks
    from .settings import rehearse

    jobs = plan_jobs(source, masks, out)
    prepare_folder(out)
    loading["device"] = resolve_device(loading["device"])
    model = Inpainter.load(**loading)
    rehearse(model, settings)
    outcomes: list[Outcome] = []
    started = time.perf_counter()
    with display(len(jobs), "pictures") as (say, advance):
        for outcome in run_jobs(model, jobs, out, settings, overwrite):
            outcomes.append(outcome)
            if not quiet:
                say(str(outcome))
            each_s = (time.perf_counter() - started) / len(outcomes)
            advance(len(outcomes), f"{duration(each_s * (len(jobs) - len(outcomes)))} left")
    return outcomes, unused_masks(jobs, masks)


def _print_report(
    outcomes: Sequence["Outcome"], unused: Sequence[Path], out: Path, as_json: bool
) -> None:
    from .batch import report

    facts = report(outcomes)
    if as_json:
        print(json.dumps({**facts, "unused_masks": [str(path) for path in unused]}, indent=2))
        return
    if unused:
        print(f"masks without a picture: {', '.join(path.name for path in unused)}")
    counts = ", ".join(f"{facts[status]} {status}" for status in ("done", "skipped", "failed"))
    hint = "; --overwrite makes the skipped ones again" if facts["skipped"] else ""
    print(f"{counts}; results in {out}{hint}")


@app.command()
def info(
    model: Annotated[str, typer.Argument(help="Bundled name, file, or hub id.")] = "cats",
    *,
    measure: Annotated[
        bool, typer.Option("--measure", help="Also measure whether both inputs are used.")
    ] = False,
    download: _Download = False,
    as_json: _Json = False,
) -> None:
    """Show what a model file says about itself, and which backends compute here."""
    from ..core.checkpoint import resolve_source
    from ..core.ops import list_backends
    from ..training.diagnostics import LIMITS
    from .info import describe_card, model_card

    path = resolve_source(model, download)
    card = model_card(path)
    if measure:
        from ..core.inpainter import Inpainter
        from ..training.diagnostics import measure_model

        card["measured"] = measure_model(Inpainter.load(path))
    backends = {name: why or "available" for name, why in list_backends().items()}
    if as_json:
        print(json.dumps({**card, "backends": backends}, indent=2))
        return
    notes = {name: limit.meaning for name, limit in LIMITS.items()}
    for line in describe_card(card, backends, notes):
        print(line)


app.add_typer(directions, name="directions")
app.command()(train)
app.command()(evaluate)


def main() -> None:
    """Run the command line; what a user can cause and mend is one sentence, never a traceback."""
    try:
        app(prog_name="diverse-inpainting")
    except DiverseInpaintingError as error:
        _fail(str(error), 2)
    except ModuleNotFoundError as error:
        if (error.name or "").startswith(__name__.split(".")[0]):
            raise
        install = "Install diverse-inpainting[cli], or [training] to train."
        _fail(f"Expected the package {error.name}; got none. {install}", 2)
    except OSError as error:
        name = f" ({error.filename})" if error.filename else ""
        reason = error.strerror or str(error)
        _fail(f"Expected to read and write files; got {reason}{name}. Check the path.", 2)


if __name__ == "__main__":
    main()
