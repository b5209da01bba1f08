"""Files of style codes, and PNGs that carry the codes of what they show, to edit another day."""

import base64
import binascii
import io
import json
import math
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from PIL import Image
from torch import Tensor

from .checkpoint.container import Container, open_container, write_container, write_to
from .checks import is_generator_id
from .errors import CheckpointError
from .foreign_data import DataError, parse_json
from .printable import is_printable

FORMAT = "diverse-inpainting-codes"
FORMAT_VERSION = 1

PNG_KEY = "diverse-inpainting-codes"
"""Keyword of the PNG text that holds a file of codes, in base64."""

_EXPECTED = "a file of style codes"
_TENSOR = "codes"
_LABELS = "labels"  # key of the metadata, as are those of _OWN
_OWN = ("format", "format_version", "generator_id", _LABELS)
_MAX_VALUES = 2**26  # 64 variants of 64 images at 1024 px: 32 million
_MAX_VALUE = 1e12  # codes are about 1, and 1e8 after the strongest edit; images of 1e30 are NaN
_MAX_LABEL = 200
_NO_FACTS: Mapping[str, str] = MappingProxyType({})
_REMEDY = "Use a file that Save Codes or WPlus.save wrote."


class StoredCodes(NamedTuple):
    """What a file of codes holds."""

    codes: Tensor
    """[B, V, L, D] float32."""
    generator_id: str
    labels: tuple[str, ...] = ()
    """As those of `WPlus`."""
    facts: Mapping[str, str] = _NO_FACTS
    """Other metadata by key."""


def write_codes(path: str | Path, stored: StoredCodes) -> None:
    """Write style codes; a reader sees the old file or the whole new one.

    Args:
        path: ends with .safetensors; its folder exists. Codes there are replaced.
        stored: codes on any device, of any floating-point type.

    Raises:
        CheckpointError: the file cannot be written, or is none of codes.
    """
    path = Path(path)
    if path.exists():
        read_codes(path)
    write_container(path, {_TENSOR: stored.codes.float()}, _metadata(stored))


def codes_as_text(stored: StoredCodes) -> str:
    """Return the file of codes in base64, for a PNG's text under `PNG_KEY`."""
    file = io.BytesIO()
    write_to(file, {_TENSOR: stored.codes.float()}, _metadata(stored))
    return base64.b64encode(file.getvalue()).decode("ascii")


def _metadata(stored: StoredCodes) -> dict[str, str]:
    own = {"format": FORMAT, "format_version": str(FORMAT_VERSION)}
    own["generator_id"] = stored.generator_id
    if stored.labels:
        own[_LABELS] = json.dumps(stored.labels)
    return {**stored.facts, **own}


def read_codes(path: str | Path) -> StoredCodes:
    """Return the style codes of a file that `write_codes` wrote, or of a PNG that carries them.

    Raises:
        CheckpointError: the file is missing, foreign, damaged or too new.
    """
    path = Path(path)
    if path.suffix.lower() != ".png":
        return _read(path)
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "codes.safetensors"
        copy.write_bytes(_carried(path))
        try:
            return _read(copy)
        except CheckpointError as error:
            got = f"other data under {PNG_KEY!r} in {path}"
            raise CheckpointError(error.expected, got, "Save the image again.") from error


def _read(path: Path) -> StoredCodes:
    with open_container(path, _EXPECTED) as container:
        metadata, layouts = container.metadata, container.layouts
        container.check_format(FORMAT, FORMAT_VERSION, "codes", _EXPECTED, _REMEDY)
        shape = layouts[_TENSOR].shape if list(layouts) == [_TENSOR] else ()
        is_fitting = len(shape) == 4 and 0 < math.prod(shape) <= _MAX_VALUES
        generator_id = metadata.get("generator_id")
        if not is_fitting or not is_generator_id(generator_id):
            expected = "a tensor `codes` of shape [B, V, L, D] and a generator_id"
            raise CheckpointError(expected, f"something else in {path}", "Save the codes again.")
        labels = _read_labels(container, math.prod(shape[:2]))
        tensor = container.load(_TENSOR)
    if not bool((tensor.abs() <= _MAX_VALUE).all()):  # NaN is not, either
        got = f"NaN, infinity or values beyond {_MAX_VALUE:g} in {path}"
        raise CheckpointError("codes that give an image", got, "Save the codes again.")
    facts = {key: value for key, value in metadata.items() if key not in _OWN}
    return StoredCodes(tensor.float(), str(generator_id), labels, facts)


def _read_labels(container: Container, count: int) -> tuple[str, ...]:
    if _LABELS not in container.metadata:
        return ()
    try:
        labels = parse_json(container.metadata[_LABELS])
    except DataError:
        labels = None
    if isinstance(labels, list) and len(labels) == count and all(map(_is_label, labels)):
        return tuple(labels)
    raise CheckpointError(
        f"{count} labels, one for each variant",
        f"others in {container.path}",
        "Save the codes again.",
    )


def _is_label(label: object) -> bool:
    return isinstance(label, str) and len(label) <= _MAX_LABEL and is_printable(label)


def _carried(path: Path) -> bytes:
    """Return the file of codes that a PNG carries."""
    try:
        with Image.open(path, formats=["PNG"]) as image:
            text = image.info.get(PNG_KEY)
        if text is not None:
            return base64.b64decode(text, validate=True)
    except (OSError, SyntaxError, ValueError, binascii.Error) as error:
        got = f"{path}, which cannot be read ({error})"
        raise CheckpointError("a PNG that carries style codes", got, _REMEDY) from error
    raise CheckpointError(
        "a PNG that carries style codes",
        f"{path}, which carries none",
        "Use one that Save Codes wrote: other programs drop the codes when they save an image.",
    )
