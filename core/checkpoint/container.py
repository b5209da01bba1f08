"""Safetensors files: opened without loading, written atomically and reproducibly."""

import contextlib
import json
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from ..errors import CheckpointError
from ..files import atomic_write
from .detection import describe_keys, detect

SUFFIX = ".safetensors"

DTYPES: dict[str, torch.dtype] = {
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I64": torch.int64,
}
"""Element types that our files may hold, under the names that safetensors gives them."""

_NAMES = {dtype: name for name, dtype in DTYPES.items()}
_ALIGNMENT = 8


class Layout(NamedTuple):
    """What a file's header says about one tensor."""

    dtype: str
    """Name of the element type, such as F16."""
    shape: tuple[int, ...]


def layout_of(tensor: Tensor) -> Layout:
    """Return what a header would say about a tensor."""
    return Layout(_NAMES.get(tensor.dtype, str(tensor.dtype)), tuple(tensor.shape))


class Container:
    """An open safetensors file: its header has been read, its tensors have not."""

    def __init__(self, path: Path, handle: Any) -> None:  # noqa: ANN401 (safetensors has no public type for it)
        self.path = path
        self.metadata: dict[str, str] = handle.metadata() or {}
        slices = {name: handle.get_slice(name) for name in handle.keys()}  # noqa: SIM118
        self.layouts = {
            name: Layout(piece.get_dtype(), tuple(piece.get_shape()))
            for name, piece in slices.items()
        }
        self._handle = handle

    def load(self, name: str, dtype: torch.dtype | None = None) -> Tensor:
        """Return one tensor on the CPU, converted to dtype unless that is None.

        The copy owns its memory: a view of the mapped file would keep it open (Windows could not
        replace it) and would change or crash when another program truncates it.
        """
        return self._handle.get_tensor(name).to(dtype=dtype, copy=True)

    def check_format(self, name: str, version: int, what: str, expected: str, remedy: str) -> None:
        """Raise CheckpointError unless the file says that it has this format and version.

        Args:
            name: of the format.
            version: of the format.
            what: what files of this format hold ("codes").
            expected: what the caller needs, as a noun phrase.
            remedy: for files of another format.
        """
        if self.metadata.get("format") != name:
            found = f"{self.path}, {describe_keys(self.layouts, self.metadata)}"
            raise CheckpointError(expected, found, remedy)
        if self.metadata.get("format_version") != str(version):
            found = f"{self.metadata.get('format_version', '')[:60]!r} in {self.path}"
            wanted = f"{what} of format version {version}"
            raise CheckpointError(wanted, found, "Update diverse-inpainting.")


@contextlib.contextmanager
def open_container(path: Path, expected: str) -> Iterator[Container]:
    """Open a safetensors file; nothing but its header is read.

    Args:
        path: the file.
        expected: what the caller needs, as a noun phrase for the error.

    Raises:
        CheckpointError: the path is no readable safetensors file; the message says what it is.
    """
    found = detect(path)
    if not found.is_safetensors:
        raise CheckpointError(expected, f"{path}, {found.description}", found.remedy)
    with contextlib.ExitStack() as stack:
        try:
            handle = stack.enter_context(safe_open(path, framework="pt", device="cpu"))
            container = Container(path, handle)
        except (SafetensorError, OSError, ValueError) as error:
            raise CheckpointError(
                expected,
                f"{path}, a .safetensors file that cannot be read ({error})",
                "It is damaged: copy or download it again.",
            ) from error
        yield container


def check_place(path: Path) -> None:
    """Raise unless a file of this name may be written.

    Raises:
        CheckpointError: the name or folder does not fit.
    """
    if path.suffix != SUFFIX or not path.parent.is_dir():
        raise CheckpointError(
            f"a file name ending with {SUFFIX} in an existing folder",
            f"{path}",
            "Change the name or make the folder.",
        )


def write_container(path: Path, tensors: Mapping[str, Tensor], metadata: dict[str, str]) -> None:
    """Write a safetensors file; a reader sees the old file or the whole new one.

    The same content gives the same bytes (the safetensors package orders metadata at random), and
    the file gets the usual access rights (that package gives them to the owner alone).

    Args:
        path: ends with .safetensors; its folder exists.
        tensors: of a type in `DTYPES`, any device.
        metadata: strings for the header.

    Raises:
        CheckpointError: the name or folder does not fit, or the disk refuses.
    """
    path = Path(path)
    check_place(path)
    try:
        atomic_write(path, lambda file: write_to(file, tensors, metadata))
    except OSError as error:
        raise CheckpointError(
            "a folder that can be written to",
            f"{path} ({error.strerror or error})",
            "Choose another folder or make room on the disk.",
        ) from error


def write_to(file: BinaryIO, tensors: Mapping[str, Tensor], metadata: dict[str, str]) -> None:
    """Write the content of a safetensors file; see `write_container`."""
    # Wide types first, as the safetensors package does: every tensor then starts aligned.
    ordered = sorted(tensors.items(), key=lambda item: (-item[1].element_size(), item[0]))
    header: dict[str, Any] = {"__metadata__": dict(sorted(metadata.items()))}
    offset = 0
    for name, tensor in ordered:
        end = offset + tensor.numel() * tensor.element_size()
        header[name] = {
            "dtype": _NAMES[tensor.dtype],
            "shape": list(tensor.shape),
            "data_offsets": [offset, end],
        }
        offset = end
    encoded = json.dumps(header, separators=(",", ":")).encode()
    encoded += b" " * (-len(encoded) % _ALIGNMENT)
    file.write(struct.pack("<Q", len(encoded)) + encoded)
    for _, tensor in ordered:
        file.write(raw_bytes(tensor))


def raw_bytes(tensor: Tensor) -> memoryview:
    """Return the elements of a tensor in row-major order."""
    flat = tensor.detach().cpu().contiguous().reshape(-1)
    return flat.view(torch.uint8).numpy().data
