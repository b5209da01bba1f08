"""Configurations: frozen dataclasses built from TOML or JSON, with every field checked.

Recipes, recipes of directions and the networks' configurations all use these functions.
"""

import dataclasses
import types
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any, Literal, TypeVar, Union, get_args, get_origin

from .errors import ConfigError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    T = TypeVar("T", bound=DataclassInstance)
else:
    T = TypeVar("T")

REMEDY = "Correct the configuration."

_MOST = 1e30  # of any setting; the product of two is still a number of every floating-point type


def from_mapping(kind: type[T], values: object, name: str, remedy: str = REMEDY) -> T:
    """Build a dataclass from plain data; lists become tuples.

    Args:
        kind: the dataclass; it checks its values itself, with `check_fields`.
        values: a mapping of field names to values.
        name: what the mapping is called in the file, for messages.
        remedy: what to do about unknown or missing fields.

    Raises:
        ConfigError: values is not a mapping, or has unknown or missing fields; lists all of them.
    """
    if not isinstance(values, Mapping):
        raise ConfigError(f"a table {name}", repr(values), remedy)
    fields = dataclasses.fields(kind)
    known = {field.name for field in fields}
    faults = {
        "unknown": sorted(str(key) for key in values if key not in known),
        "missing": [f.name for f in fields if _is_required(f) and f.name not in values],
    }
    found = "; ".join(f"{fault}: {', '.join(names)}" for fault, names in faults.items() if names)
    if found:
        raise ConfigError(f"{name} fields among {', '.join(sorted(known))}", found, remedy)
    return kind(**{k: tuple(v) if isinstance(v, list) else v for k, v in values.items()})


def _is_required(field: "dataclasses.Field[Any]") -> bool:
    has_default = field.default is not dataclasses.MISSING
    return not has_default and field.default_factory is dataclasses.MISSING


def check_fields(config: "DataclassInstance") -> None:
    """Raise ConfigError unless each field has its declared type; numbers have to be >= 0."""
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if not _is_a(value, field.type):
            raise ConfigError(
                f"{type(config).__name__}.{field.name} to be {_describe(field.type)}",
                repr(value),
                REMEDY,
            )


def require_positive(config: object, *names: str) -> None:
    """Raise ConfigError unless the named numbers, or all numbers of named tuples, are > 0."""
    for name in names:
        value = getattr(config, name)
        if not all(number > 0 for number in (value if isinstance(value, tuple) else (value,))):
            raise ConfigError(f"{type(config).__name__}.{name} to be positive", repr(value), REMEDY)


def require_choices(config: object, name: str, choices: Collection[str]) -> None:
    """Raise ConfigError unless the named text, or all texts of a named tuple, are choices."""
    value = getattr(config, name)
    if not all(text in choices for text in (value if isinstance(value, tuple) else (value,))):
        raise ConfigError(
            f"{type(config).__name__}.{name} among {', '.join(choices)}", repr(value), REMEDY
        )


def _is_a(value: object, kind: Any) -> bool:  # noqa: ANN401 - types have no common base
    origin, args = get_origin(kind), get_args(kind)
    if origin is Literal:
        return value in args
    if origin in (Union, types.UnionType):
        return any(_is_a(value, arg) for arg in args)
    if origin is tuple:
        if not isinstance(value, tuple):
            return False
        kinds = args[:1] * len(value) if args[-1] is ... else args
        return len(value) == len(kinds) and all(map(_is_a, value, kinds))
    if kind in (int, float):
        numbers = int if kind is int else int | float
        return isinstance(value, numbers) and not isinstance(value, bool) and 0 <= value <= _MOST
    return isinstance(value, origin or kind)


def _describe(kind: Any) -> str:  # noqa: ANN401 - types have no common base
    origin, args = get_origin(kind), get_args(kind)
    if origin is Literal:
        return f"one of {', '.join(map(repr, args))}"
    if origin in (Union, types.UnionType):
        return " or ".join(_describe(arg) for arg in args if arg is not types.NoneType)
    if origin is tuple:
        length = "of any length" if args[-1] is ... else f"of length {len(args)}"
        return f"a list {length}, each item {_describe(args[0])}"
    words = {int: "a whole number >= 0", float: "a number >= 0", bool: "true or false", str: "text"}
    return words.get(kind) or getattr(kind, "__name__", str(kind))
