"""The command `page`: a web page on which a model completes pictures in the visitor's browser."""

import gzip
import hashlib
import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from ..core.errors import InputError
from .console import echo
from .progress import OnProgress, display_fraction
from .web_runtime import BACKENDS, VERSION, read_runtime

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

_SOURCES = Path(__file__).parents[1] / "web" / "demo"
_PAGE_FILE, _MODEL_FOLDER, _RUNTIME_FOLDER = "page.json", "model", "runtime"
_GRAPHS = ("encode", "map", "mix", "synthesize", "refine")
_OPTIONAL = ("refine",)  # a model of stage 1 has no skip encoder
_FACTS = (
    *("title", "license", "generator_id", "resolution", "num_layers", "w_dim", "z_dim"),
)  # of the model's card
_MOST_PICTURES = 8
_FIRST = "tortoiseshell"  # its sixteen answers differ most
_PACKED_LEVEL = 9


def page(
    *,
    out: _Out,
    model: _Model = "cats",
    runtime: _Runtime = None,
    download: _Download = False,
    pictures: _Pictures = None,
) -> None:
    """Write a web page on which the model completes pictures, on any static server.

    The model runs in the visitor's browser; their pictures never leave it.
    """
    from ..core.files import explain_writing, prepare_folder

    with display_fraction() as show:
        show(0.0, "finding ONNX Runtime Web")
        files = read_runtime(runtime, download=download)
        prepare_folder(out)
        _check_free(out)
        with (
            explain_writing(out, "Choose another folder, or free some space."),
            tempfile.TemporaryDirectory() as folder,
        ):
            writer = _Writer(out)
            exported = _exported(model, Path(folder), download, show)
            show(0.7, "packing the model")
            described = writer.add_model(exported)
            show(0.8, "packing the runtime")
            backends = writer.add_runtime(files)
            examples = writer.add_pictures(_pictures(pictures))
            writer.finish({"model": described, "runtime": backends, "examples": examples})
        show(1.0, "done")
    echo(f"page:   {out / 'index.html'}")
    echo(f"size:   {writer.total('wasm') / 1e6:.1f} MB, of which a first visit loads all")
    echo(f"try it: python -m http.server --directory {out}, then open http://localhost:8000")


def _check_free(out: Path) -> None:
    """Raise InputError if the folder holds something else than an older page."""
    others = [path.name for path in out.iterdir()]
    if others and not (out / _PAGE_FILE).is_file():
        raise InputError(
            "an empty folder, or one that holds an older page",
            f"{out} with {others[0]}",
            "Choose another folder.",
        )


def _exported(model: str, folder: Path, download: bool, show: OnProgress) -> Path:
    """Return the folder of a model's export: the given one, or a new one."""
    from ..core.checkpoint import read_checkpoint, resolve_source
    from ..core.directions import bundled_directions
    from ..core.export import CARD_FILE, export_model

    if (Path(model) / CARD_FILE).is_file():
        return Path(model)
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
    export_model(checkpoint, folder, weights="float16", directions=directions, on_step=on_step)
    return folder


def _pictures(folder: Path | None) -> dict[str, Path]:
    """Return the example pictures by name."""
    from ..core.examples import EXAMPLES
    from ..core.image_listing import list_images

    if folder is None:
        first = {_FIRST: EXAMPLES[_FIRST]}
        return first | EXAMPLES
    if not folder.is_dir():
        raise InputError("a folder of pictures", f"{folder}", "Check --pictures.")
    images = list_images(folder, recursive=False).images[:_MOST_PICTURES]
    if not images:
        raise InputError("pictures to start from", f"none in {folder}", "Check --pictures.")
    return {path.stem: path for path in images}


class _Writer:
    """Writes a page's files; the last one lists them, so that a page that is half there fails."""

    def __init__(self, out: Path) -> None:
        self._out = out
        self._sizes: dict[str, int] = {}

    def total(self, backend: str) -> int:
        """Return the bytes that a browser with this backend loads."""
        others = [name for key, of in BACKENDS.items() if key != backend for name in of.files]
        left_out = {f"{_RUNTIME_FOLDER}/{name}" for name in others}
        left_out |= {f"{name}.gz" for name in left_out}
        return sum(size for name, size in self._sizes.items() if name not in left_out)

    def add_model(self, folder: Path) -> dict[str, Any]:
        """Add the graphs and weights of an export; return what the page is told of the model."""
        card = _read_card(folder)
        names = [name for name in _GRAPHS if name in card["graphs"]]
        missing = [name for name in _GRAPHS if name not in (*names, *_OPTIONAL)]
        if missing:
            raise InputError(
                "an export of a model with encoder and mixer",
                f"{folder} without {', '.join(f'{name}.onnx' for name in missing)}",
                "Train stage 1 on the model, or choose another one.",
            )
        graphs = [f"{name}.onnx" for name in names]
        data = [name for name in card["files"] if name.endswith(".bin")]
        digest = hashlib.sha256()
        for name in (*graphs, *data):
            content = (folder / name).read_bytes()
            digest.update(content)
            self._write(f"{_MODEL_FOLDER}/{name}.gz", _packed(content))
        directions = json.loads((folder / "directions.json").read_text("utf-8"))
        facts = {name: card[name] for name in _FACTS}
        version = digest.hexdigest()[:12]
        return facts | {
            "graphs": names,
            "data": data,
            "version": version,
            "directions": directions,
        }

    def add_runtime(self, files: Mapping[str, bytes]) -> dict[str, Any]:
        """Add ONNX Runtime Web; return where the page finds it, by backend."""
        described = {}
        for key, backend in BACKENDS.items():
            for name in (backend.module, backend.loader):
                self._write(f"{_RUNTIME_FOLDER}/{name}", files[name])
            binary = f"{_RUNTIME_FOLDER}/{backend.binary}.gz"
            self._write(binary, _packed(files[backend.binary]))
            described[key] = {
                "module": f"./{_RUNTIME_FOLDER}/{backend.module}",
                "loader": f"./{_RUNTIME_FOLDER}/{backend.loader}",
                "binary": binary,
                "version": VERSION,
            }
        return described

    def add_pictures(self, pictures: Mapping[str, Path]) -> list[dict[str, str]]:
        """Add the examples; return their names and files."""
        described = []
        for index, (name, path) in enumerate(pictures.items()):
            file = f"pictures/{index}{path.suffix.lower()}"
            self._write(file, path.read_bytes())
            described.append({"name": name, "file": file})
        return described

    def finish(self, described: Mapping[str, Any]) -> None:
        """Add the page's own files."""
        for path in sorted(_SOURCES.iterdir()):
            self._write(path.name, path.read_bytes())
        text = json.dumps({**described, "sizes": self._sizes}, separators=(",", ":"))
        self._write(_PAGE_FILE, text.encode())

    def _write(self, name: str, content: bytes) -> None:
        from ..core.files import atomic_write

        path = self._out / name
        path.parent.mkdir(exist_ok=True)
        atomic_write(path, lambda file: file.write(content))
        self._sizes[name] = len(content)


def _packed(content: bytes) -> bytes:
    """Return gzip of bytes; the same bytes give the same file."""
    return gzip.compress(content, _PACKED_LEVEL, mtime=0)


def _read_card(folder: Path) -> dict[str, Any]:
    from ..core.export.card import CARD_FILE, FORMAT
    from ..core.foreign_data import DataError, parse_json

    try:
        card = parse_json((folder / CARD_FILE).read_bytes())
    except DataError:
        card = None
    if not isinstance(card, dict) or card.get("format") != FORMAT:
        raise InputError(
            "the folder of an export",
            f"{folder} with another {CARD_FILE}",
            "Make one with diverse-inpainting export.",
        )
    return card
