"""JSON and TOML from files that anybody may have made: plain data that nothing later trips over."""

import json
import math
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from .errors import ConfigError
from .printable import printable

MAX_DEPTH = 32
"""Levels of lists and tables, far from Python's limit on recursion."""

MAX_WHOLE = 2**64
"""Limit of whole numbers, which no seed or count of images reaches."""


class DataError(ValueError):
    """A text that is not JSON or TOML as this pack reads it; says why in a few words."""


def parse_json(text: str | bytes) -> object:
    """Return the value of a JSON text.

    Raises:
        DataError: it is not JSON, has a key twice, NaN or infinity, whole numbers of 2^64 or more,
            or over 32 levels.
    """
    try:
        data = json.loads(text, object_pairs_hook=_without_twins)
    except RecursionError as error:
        raise _too_deep() from error
    except DataError:
        raise
    except ValueError as error:
        raise DataError(printable(error, 200)) from error
    _check(data)
    return data


def parse_toml(text: str) -> dict[str, Any]:
    """Return the tables of a TOML text.

    Raises:
        DataError: it is not TOML, or has numbers or levels that `parse_json` refuses, too.
    """
    try:
        data = tomllib.loads(text)
    except RecursionError as error:
        raise _too_deep() from error
    except ValueError as error:  # not only TOMLDecodeError: Python limits the digits of numbers
        raise DataError(printable(error, 200)) from error
    _check(data)
    return data


def read_toml(path: Path, what: str) -> dict[str, Any]:
    """Return the tables of a TOML file in UTF-8, with or without a byte order mark.

    Args:
        path: the file.
        what: what it is to the user ("a recipe").

    Raises:
        ConfigError: another encoding or format.
    """
    data = path.read_bytes()
    try:
        return parse_toml(data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        is_utf16 = data.startswith((b"\xff\xfe", b"\xfe\xff"))
        raise ConfigError(
            f"{what} in UTF-8",
            f"{path}, which is in {'UTF-16' if is_utf16 else 'another encoding'}",
            "Save it again as UTF-8.",
        ) from error
    except DataError as error:
        raise ConfigError(f"{what} in TOML", f"{path} ({error})", "Correct the file.") from error


def _without_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) < len(pairs):
        raise DataError("a key occurs twice in one object")
    return table


def _check(data: object) -> None:
    """Raise DataError for what `parse_json` refuses; not recursive, so that no depth defeats it."""
    level: Iterable[object] = (data,)
    for _ in range(MAX_DEPTH + 1):
        inner: list[object] = []
        for value in level:
            if isinstance(value, dict):
                inner += value.values()
            elif isinstance(value, list):
                inner += value
            elif isinstance(value, float) and not math.isfinite(value):
                raise DataError("a number is not finite")
            elif isinstance(value, int) and abs(value) >= MAX_WHOLE:
                raise DataError("a whole number is too large")
        if not inner:
            return
        level = inner
    raise _too_deep()


def _too_deep() -> DataError:
    return DataError(f"it is nested more than {MAX_DEPTH} levels deep")
