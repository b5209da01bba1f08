"""Opens a foreign file and lists its tensors by dotted names, whatever it is packed in."""

import json
import mmap
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .arrays import Array, Storage, array_of
from .errors import Budget, RefusedFileError, damaged
from .machine import Machine
from .numpy_files import is_npy, is_npz, read_npy, read_npz
from .records import PERSISTENT, TENSORFLOW_NETWORK, Record, mapping_of, number_of
from .safetensors_files import is_safetensors, read_safetensors
from .torch_files import MAGIC, read_legacy, read_zip

_MAX_DEPTH = 24
_MAX_NAME = 400
_MAX_VISITS = 200_000
_MAX_LIST = 64
_VISIT_COST = 64

Attributes = dict[str, Any]
"""Numbers, texts, truth values, None, and short lists of numbers."""


@dataclass
class Contents:
    """What a file holds."""

    budget: Budget
    arrays: dict[str, Array] = field(default_factory=dict)
    """Tensors by dotted name, such as `g_ema.style.1.weight`."""
    attributes: dict[str, Attributes] = field(default_factory=dict)
    """Settings by the dotted name of what they belong to: layers of NVIDIA's pickles, networks of
    TensorFlow's, and "" for the file."""
    release: Callable[[], object] = lambda: None
    """Gives the memory of what has been read of the file back; it can be read again."""

    def add(self, name: str, array: Array) -> None:
        """Add a tensor.

        Raises:
            RefusedFileError: its name could do something to a terminal that shows it.
        """
        if not name.isprintable() or len(name) > _MAX_NAME:
            raise damaged(f"It has a tensor with the name {name[:60]!r}.")
        self.arrays[name] = array

    def settings(self, name: str) -> Attributes:
        """Return the settings of one part, empty if there are none."""
        return self.attributes.get(name, {})


def open_contents(path: Path) -> Contents:
    """Return what a file holds; the values of its tensors are read from the disk when used.

    Args:
        path: a pickle, a PyTorch file of either format, a safetensors file, or arrays of NumPy.

    Raises:
        RefusedFileError: it is none of them, damaged, hostile or too costly.
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        if path.stat().st_size == 0:
            raise RefusedFileError("It is empty.", "Download it again.")
        pages = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    contents = read_contents(memoryview(pages))
    if hasattr(mmap, "MADV_DONTNEED"):  # absent from Windows
        contents.release = lambda: pages.madvise(mmap.MADV_DONTNEED)
    return contents


def read_contents(data: memoryview) -> Contents:
    """Return what the bytes of a file hold; the tensors are views of them.

    Args:
        data: the whole file.

    Raises:
        RefusedFileError: as in `open_contents`.
    """
    contents = Contents(Budget(len(data)))
    if is_safetensors(data):
        arrays, metadata = read_safetensors(data, contents.budget)
        for name, array in arrays.items():
            contents.add(name, array)
        contents.attributes[""] = _parse_metadata(metadata)
        return contents
    if is_npy(data):
        contents.add("", read_npy(data))
        return contents
    if is_npz(data):
        for name, array in read_npz(data, contents.budget).items():
            contents.add(name, array)
        return contents
    walk = _Walk(contents)
    walk.visit(_read_root(data, contents.budget), "", 0)
    return contents


def _read_root(data: memoryview, budget: Budget) -> object:
    start = bytes(data[:4])
    if start == b"PK\x03\x04":
        return read_zip(data, budget)
    if len(start) > 1 and start[0] == 0x80 and 2 <= start[1] <= 5:
        root = Machine(data, budget, nested=lambda raw: read_legacy(raw, budget)).run()
        return read_legacy(data, budget) if root == MAGIC else root
    raise RefusedFileError(
        "It is neither a pickle nor a PyTorch, safetensors or NumPy file.",
        "Give the file as its authors publish it.",
    )


def _parse_metadata(metadata: Mapping[str, str]) -> Attributes:
    """Return the settings that converters store as JSON in a safetensors header."""
    settings: Attributes = dict(metadata)
    try:
        kwargs = json.loads(metadata.get("init_kwargs", "{}"))
    except (ValueError, RecursionError):
        kwargs = {}
    if isinstance(kwargs, dict):
        nested = kwargs.get("synthesis_kwargs", {})
        settings |= {k: v for k, v in kwargs.items() if isinstance(v, int | float | None)}
        if isinstance(nested, dict):
            settings |= {k: v for k, v in nested.items() if isinstance(v, int | float | None)}
    return settings


class _Walk:
    """Visits nested dicts and modules; shared parts are visited again, so visits are counted."""

    def __init__(self, contents: Contents) -> None:
        self.contents = contents
        self.visits = 0

    def visit(self, value: object, name: str, depth: int) -> None:
        """List the tensors of a value under its name."""
        self.visits += 1
        self.contents.budget.allocate_object(_VISIT_COST)
        if depth > _MAX_DEPTH or self.visits > _MAX_VISITS or len(name) > _MAX_NAME:
            raise damaged("It is nested or shared more deeply than any checkpoint.")
        array = array_of(value)
        if array is not None:
            self.contents.add(name, array)
        elif isinstance(value, Record) and value.path == PERSISTENT:
            self._visit_module(value, name, depth)
        elif isinstance(value, Record) and value.path == TENSORFLOW_NETWORK:
            self._visit_network(value, name, depth)
        elif isinstance(value, tuple) and _are_networks(value):
            for role, network in zip(("G", "D", "Gs"), value, strict=True):
                self.visit(network, role, depth + 1)
        else:
            self._visit_items(mapping_of(value) or {}, name, depth)

    def _visit_items(self, items: Mapping[Any, Any], name: str, depth: int) -> None:
        settings = {k: v for k, v in items.items() if isinstance(k, str) and _is_plain(v)}
        if settings and name in ("", "meta", "args", "opts"):
            self.contents.attributes[name] = settings
        for key, child in items.items():
            if isinstance(key, str):
                if len(key) > _MAX_NAME:
                    raise damaged(f"It has a part whose name has {len(key):,} characters.")
                self.visit(child, f"{name}.{key}" if name else key, depth + 1)

    def _visit_module(self, record: Record, name: str, depth: int) -> None:
        """A module of NVIDIA's: its source code is left alone, its state is a plain dict."""
        meta = mapping_of(record.args[0]) if record.args else None
        state = mapping_of(meta.get("state")) if meta else None
        if meta is None or state is None:
            raise damaged("It has a module of NVIDIA's without a state.")
        settings = {k: _plain(v) for k, v in state.items() if isinstance(k, str)}
        settings |= _numbers(mapping_of(state.get("_init_kwargs")))
        settings["class_name"] = _plain(meta.get("class_name"))
        self.contents.attributes[name] = settings
        for group in ("_parameters", "_buffers", "_modules"):
            children = mapping_of(state.get(group)) or {}
            self._visit_items({k: v for k, v in children.items() if v is not None}, name, depth)

    def _visit_network(self, record: Record, name: str, depth: int) -> None:
        """A network of TensorFlow's: a list of named values, and networks within."""
        state = mapping_of(record.state)
        if state is None or not isinstance(state.get("variables"), list):
            raise damaged("It has a TensorFlow network without variables.")
        settings = {k: _plain(v) for k, v in (mapping_of(state.get("static_kwargs")) or {}).items()}
        settings["version"] = _plain(state.get("version"))
        settings["class_name"] = _plain(state.get("build_func_name"))
        self.contents.attributes[name] = settings
        variables = {
            pair[0]: pair[1]
            for pair in state["variables"]
            if isinstance(pair, tuple) and len(pair) == 2 and isinstance(pair[0], str)
        }
        self._visit_items({**variables, **(mapping_of(state.get("components")) or {})}, name, depth)


def _are_networks(value: tuple[Any, ...]) -> bool:
    return len(value) == 3 and all(
        isinstance(part, Record) and part.path == TENSORFLOW_NETWORK for part in value
    )


def _is_plain(value: object) -> bool:
    return isinstance(value, str | int | float | None)


def _plain(value: object) -> Any:  # noqa: ANN401 - any of several plain types
    """Return a setting; a `Record` of something that is no setting becomes its class's name."""
    if _is_plain(value):
        return value
    number = number_of(value)
    if number is not None:
        return number
    if isinstance(value, list | tuple) and len(value) <= _MAX_LIST:
        return [number_of(item) for item in value]
    return None if isinstance(value, Storage) else f"<{type(value).__name__}>"


def _numbers(kwargs: Mapping[Any, Any] | None) -> Attributes:
    """Return the numbers among the arguments that a module was made with, nested ones too."""
    found: Attributes = {}
    for key, value in (kwargs or {}).items():
        nested = mapping_of(value)
        if nested is not None:
            found |= {f"{key}.{k}": _plain(v) for k, v in nested.items() if isinstance(k, str)}
        elif isinstance(key, str):
            found[f"init.{key}"] = _plain(value)
    return found
