"""The command `page`: a web page on which a model completes pictures in the visitor's browser."""

import os
import tempfile
from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from ..core.errors import InputError
from .console import echo
from .progress import OnProgress, display_fraction
from .web_runtime import read_runtime

_Out = Annotated[Path, typer.Option(help="Folder for the page; an older page there is replaced.")]
_Model = Annotated[
    str,
    typer.Option(
        "--model", help="Bundled name, checkpoint file, Hugging Face id or folder of an export."
    ),
]
_Runtime = Annotated[
    Path | None,
    typer.Option(
        help="ONNX Runtime Web as npm packs it, or unpacked [default: sought in this folder]"
    ),
]
_Download = Annotated[
    bool, typer.Option("--download", help="Allow npm to download the runtime, and hub ids.")
]
_Pictures = Annotated[
    Path | None,
    typer.Option(help="Folder of example pictures [default: five photographs of cats]"),
]

_MOST_PICTURES = 8
_SHOWN_BY_BROWSERS = {".png", ".apng", ".jpg", ".jpeg", ".jfif", ".webp", ".avif", ".bmp", ".gif"}
_FIRST = "tortoiseshell"  # its sixteen answers differ most


def page(
    *,
    out: _Out,
    model: _Model = "cats",
    runtime: _Runtime = None,
    download: _Download = False,
    pictures: _Pictures = None,
) -> None:
    """Write a web page on which the model completes pictures, for any static server.

    The model runs in the visitor's browser; their pictures never leave it.
    """
    from ..core.files import explain_writing, prepare_folder
    from .page_files import PageFiles, check_free, read_export

    with display_fraction() as show:
        show(0.0, "finding ONNX Runtime Web")
        engine = read_runtime(runtime, download=download)
        examples = _examples(pictures)
        prepare_folder(out)
        check_free(out)
        with (
            explain_writing(out, "Choose another folder, or free some space."),
            tempfile.TemporaryDirectory() as folder,
        ):
            export = read_export(_exported(model, Path(folder), download, show))
            files = PageFiles(out)
            show(0.7, "packing the model")
            files.add_model(export)
            show(0.8, "packing the runtime")
            files.add_runtime(engine)
            files.add_pictures(examples)
            files.finish()
        show(1.0, "done")
    echo(f"page:   {out / 'index.html'}")
    echo(f"size:   {files.first_visit / 1e6:.1f} MB for a first visit")
    echo(f"try it: python -m http.server --directory {out}, then open http://localhost:8000")


def _exported(model: str, folder: Path, download: bool, show: OnProgress) -> Path:
    """Return the folder of a model's export: the given one, or a new one."""
    from ..core.checkpoint import bundled_names, read_checkpoint, resolve_source
    from ..core.directions import bundled_directions
    from ..core.export import export_model
    from .page_files import GRAPHS, OPTIONAL_GRAPH

    given = Path(os.path.expanduser(model))
    if model and model not in bundled_names() and given.is_dir():
        return given
    path = resolve_source(model, download)
    checkpoint = read_checkpoint(path)
    missing = {"encoder", "mixer"} - set(checkpoint.parts)
    if missing:
        raise InputError(
            "a model with encoder and mixer",
            f"{path.name} without {' and '.join(sorted(missing))}",
            "Train stage 1 on it, or choose another model.",
        )

    def on_step(done: int, total: int) -> None:
        show(0.1 + 0.6 * done / total, "exporting the model")

    show(0.1, "exporting the model")
    directions = bundled_directions(checkpoint.generator_id)
    has_stage2 = "skip_encoder" in checkpoint.parts
    export_model(
        checkpoint,
        folder,
        weights="float16",
        directions=directions,
        only=[name for name in GRAPHS if has_stage2 or name != OPTIONAL_GRAPH],
        on_step=on_step,
    )
    return folder


def _examples(folder: Path | None) -> dict[str, Path]:
    """Return the example pictures by name."""
    from ..core.examples import EXAMPLES
    from ..core.image_listing import list_images

    if folder is None:
        return {_FIRST: EXAMPLES[_FIRST], **EXAMPLES}
    if not folder.is_dir():
        raise InputError("a folder of pictures", f"{folder}", "Check --pictures.")
    images = list_images(folder, recursive=False).images
    shown = [path for path in images if path.suffix.lower() in _SHOWN_BY_BROWSERS]
    if not shown:
        kinds = ", ".join(sorted(_SHOWN_BY_BROWSERS))
        raise InputError(
            f"pictures to start from ({kinds})", f"none in {folder}", "Check --pictures."
        )
    stems = Counter(path.stem for path in shown)
    return {
        path.name if stems[path.stem] > 1 else path.stem: path for path in shown[:_MOST_PICTURES]
    }
