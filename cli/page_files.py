"""The files of a live page: its own, those of an export and those of ONNX Runtime Web."""

import gzip
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from ..core.errors import InputError
from ..core.export import WEIGHTS_FILE
from ..core.export.card import CARD_FILE, DIRECTIONS_FILE, FORMAT, FORMAT_VERSION
from ..core.files import atomic_write
from ..core.foreign_data import DataError, parse_json
from .web_runtime import BACKENDS, VERSION

GRAPHS = ("encode", "map", "mix", "synthesize", "refine")
"""Those of an export that a page runs."""
OPTIONAL_GRAPH = "refine"
"""A model without skip encoder has only stage 1."""

_SOURCES = Path(__file__).parents[1] / "web" / "demo"
_LIST = "page.json"
_PACKED_LEVEL = 9
_FACTS = ["title", "license", "generator_id", "resolution", "num_layers", "w_dim", "z_dim"]


class Export(NamedTuple):
    """What a page takes of an export."""

    facts: Mapping[str, Any]
    """About the model, for the page."""
    graphs: Mapping[str, bytes]
    """ONNX files by name of the graph."""
    data: Mapping[str, bytes]
    """Files of weights by name."""


def read_export(folder: Path) -> Export:
    """Read an export.

    Raises:
        InputError: it is none, of another version, damaged, or lacks graphs that a page needs.
    """
    card = _read_card(folder)
    names = [name for name in GRAPHS if name in card["graphs"]]
    missing = [name for name in GRAPHS if name not in (*names, OPTIONAL_GRAPH)]
    if missing:
        raise InputError(
            "an export of a model with encoder and mixer",
            f"{folder} without {', '.join(f'{name}.onnx' for name in missing)}",
            "Train stage 1 on the model, or choose another one.",
        )
    facts = {name: card[name] for name in _FACTS}
    facts["directions"] = json.loads(_read(folder, DIRECTIONS_FILE, card))
    graphs = {name: _read(folder, f"{name}.onnx", card) for name in names}
    return Export(facts, graphs, {WEIGHTS_FILE: _read(folder, WEIGHTS_FILE, card)})


def _read_card(folder: Path) -> dict[str, Any]:
    if not (folder / CARD_FILE).is_file():
        raise InputError(
            f"a checkpoint file, or the folder of an export with its {CARD_FILE}",
            f"the folder {folder}, which has no {CARD_FILE}",
            "Name a checkpoint, or make an export with diverse-inpainting export.",
        )
    try:
        card = parse_json((folder / CARD_FILE).read_bytes())
    except DataError:
        card = None
    version = card.get("format_version") if isinstance(card, dict) else None
    if not isinstance(card, dict) or card.get("format") != FORMAT or version != FORMAT_VERSION:
        raise InputError(
            f"an export of version {FORMAT_VERSION}",
            f"{folder} with another {CARD_FILE}",
            "Make one with diverse-inpainting export.",
        )
    tables = (card.get("graphs"), card.get("files"))
    missing = [name for name in _FACTS if name not in card]
    if missing or not all(isinstance(table, dict) for table in tables):
        raise _damaged(folder, CARD_FILE, "was edited")
    return card


def _read(folder: Path, name: str, card: Mapping[str, Any]) -> bytes:
    """Return a file of an export; a damaged one would give wrong pictures."""
    if not (folder / name).is_file():
        raise _damaged(folder, name, "is missing")
    content = (folder / name).read_bytes()
    told = card["files"].get(name)
    digest = told.get("sha256") if isinstance(told, dict) else None
    if hashlib.sha256(content).hexdigest() != digest:
        raise _damaged(folder, name, f"is not the one that {CARD_FILE} describes")
    return content


def _damaged(folder: Path, name: str, reason: str) -> InputError:
    return InputError(
        "an export as it was made",
        f"{name}, which {reason}",
        "Copy the whole folder again, or make it anew with diverse-inpainting export --overwrite.",
        problem=f"The export in {folder} is damaged: {name} {reason}.",
    )


def check_free(out: Path) -> None:
    """Raise InputError if a folder holds something else than a page."""
    others = [path.name for path in out.iterdir()]
    if others and not (out / _LIST).is_file():
        raise InputError(
            "an empty folder, or one that holds an older page",
            f"{out} with {others[0]}",
            "Choose another folder.",
        )


class PageFiles:
    """Writes a page file by file; until the last one, browsers are told that it is incomplete."""

    def __init__(self, out: Path) -> None:
        """Start a page.

        Args:
            out: an existing folder.
        """
        self._out = out
        self._sizes: dict[str, int] = {}
        self._described: dict[str, Any] = {"digests": {}}
        self._remove_older()
        self._write(_LIST, b"{}")

    @property
    def first_visit(self) -> int:
        """Bytes that a browser without WebGPU loads."""
        others = {BACKENDS[name].folder for name in BACKENDS if name != "wasm"}
        return sum(size for name, size in self._sizes.items() if not name.startswith(tuple(others)))

    def add_model(self, export: Export) -> None:
        """Add graphs, weights and facts."""
        digest = hashlib.sha256()
        graphs = {f"{name}.onnx": content for name, content in export.graphs.items()}
        for name, content in {**graphs, **export.data}.items():
            digest.update(content)
            self._write_packed(f"model/{name}.gz", content)
        self._described["model"] = {
            **export.facts,
            "graphs": list(export.graphs),
            "data": list(export.data),
            "version": digest.hexdigest()[:12],
        }

    def add_runtime(self, files: Mapping[str, bytes]) -> None:
        """Add ONNX Runtime Web.

        Args:
            files: those of all `BACKENDS` by name.
        """
        self._described["runtime"] = {}
        for key, backend in BACKENDS.items():
            for name in (backend.module, backend.loader):
                self._write(f"{backend.folder}/{name}", files[name])
            binary = f"{backend.folder}/{backend.binary}.gz"
            self._write_packed(binary, files[backend.binary])
            self._described["runtime"][key] = {
                "module": f"./{backend.folder}/{backend.module}",
                "loader": f"./{backend.folder}/{backend.loader}",
                "binary": binary,
                "version": VERSION,
            }

    def add_pictures(self, pictures: Mapping[str, Path]) -> None:
        """Add examples by name."""
        self._described["examples"] = []
        for index, (name, path) in enumerate(pictures.items()):
            file = f"pictures/{index}{path.suffix.lower()}"
            self._write(file, path.read_bytes())
            self._described["examples"].append({"name": name, "file": file})

    def finish(self) -> None:
        """Add the page's own files and the list of all."""
        for path in sorted(_SOURCES.iterdir()):
            self._write(path.name, path.read_bytes())
        sizes = {name: size for name, size in self._sizes.items() if name != _LIST}
        text = json.dumps({**self._described, "sizes": sizes}, separators=(",", ":"))
        self._write(_LIST, text.encode())

    def _remove_older(self) -> None:
        """Remove the files of an older page: its pictures may not be for everybody."""
        try:
            older = parse_json((self._out / _LIST).read_bytes())
        except (FileNotFoundError, DataError):
            return
        sizes = older.get("sizes") if isinstance(older, dict) else None
        for name in sizes if isinstance(sizes, dict) else ():
            path = self._out / name
            if path.resolve().is_relative_to(self._out.resolve()) and path.is_file():
                path.unlink()

    def _write_packed(self, name: str, content: bytes) -> None:
        """Write gzip, the same for the same bytes; the page checks what it unpacks."""
        self._described["digests"][name] = hashlib.sha256(content).hexdigest()
        self._write(name, gzip.compress(content, _PACKED_LEVEL, mtime=0))

    def _write(self, name: str, content: bytes) -> None:
        path = self._out / name
        path.parent.mkdir(parents=True, exist_ok=True)
        atomic_write(path, lambda file: file.write(content))
        self._sizes[name] = len(content)
