"""What a checkpoint's header must say, checked before any tensor is read."""

import dataclasses
import functools
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, cast

import torch

from ..errors import CheckpointError, ConfigError
from ..foreign_data import DataError
from ..foreign_data import parse_json as _parse_json
from ..networks import PARTS, ModelConfig
from .blank import build_blank
from .container import DTYPES, Container, Layout, layout_of
from .detection import convert_command, describe_keys

FORMAT = "diverse-inpainting"
FORMAT_VERSION = 1

EXPECTED = "a diverse-inpainting checkpoint (.safetensors)"
DAMAGED = "The file is damaged or was edited: copy or download it again."

_TEXTS = ("config", "generator_id", "training", "license", "title")

# Far above any real network: without limits, a forged header could make us build for hours.
_MAX_FIELD = 2**20
_MAX_DEPTH = 256
_DEPTH_FIELDS = ("mapping_depth", "depths", "layers_per_block")

_MAX_LISTED = 10


def check_header(container: Container) -> ModelConfig:
    """Return the configuration of a checkpoint whose header is right in every respect.

    Raises:
        CheckpointError: format, version, configuration, or names, shapes or types of the tensors
            are not what this version reads.
    """
    path, metadata = container.path, container.metadata
    _check_format(container)
    absent = [name for name in _TEXTS if name not in metadata]
    require(not absent, f"{EXPECTED} with metadata for {', '.join(absent)}", f"{path} without them")
    config = _parse_config(metadata["config"], path)
    check_layouts(config, container.layouts, f"{path}", DAMAGED)
    return config


def require(holds: bool, expected: str, got: str, remedy: str = DAMAGED) -> None:
    """Raise a CheckpointError unless the condition holds."""
    if not holds:
        raise CheckpointError(expected, got, remedy)


def _check_format(container: Container) -> None:
    metadata = container.metadata
    if metadata.get("format") != FORMAT:
        found = describe_keys(container.layouts, metadata)
        remedy = "Use a model that this project saved."
        if "StyleGAN2" in found:
            remedy = f"Convert it: {convert_command(container.path)}."
        raise CheckpointError(EXPECTED, f"{container.path}, {found}", remedy)
    version = metadata.get("format_version", "")
    if not (version.isascii() and version.isdigit() and len(version) < 6 and int(version) > 0):
        raise CheckpointError(
            "a checkpoint's format_version", f"{version[:60]!r} in {container.path}", DAMAGED
        )
    if int(version) > FORMAT_VERSION:
        raise CheckpointError(
            f"a checkpoint of format version {FORMAT_VERSION} or older",
            f"version {version} in {container.path}",
            "Update diverse-inpainting.",
        )


def parse_json(text: str, name: str, path: Path) -> object:
    """Return the value of a JSON text from the metadata.

    Raises:
        CheckpointError: it is no JSON, or unusable, see `foreign_data.parse_json`.
    """
    try:
        return _parse_json(text)
    except DataError as error:
        got = f"something else in {path} ({error})"
        raise CheckpointError(f"JSON in the metadata's {name}", got, DAMAGED) from error


def _parse_config(text: str, path: Path) -> ModelConfig:
    data = parse_json(text, "config", path)
    require(isinstance(data, dict), "a JSON object as config", f"{text[:60]!r} in {path}")
    try:
        config = ModelConfig.from_dict(cast("dict[str, Any]", data))
    except (ConfigError, TypeError, AttributeError) as error:
        raise CheckpointError(
            "a checkpoint whose config this version reads",
            f"{path} ({str(error)[:300]})",
            "Update diverse-inpainting, or download the file again.",
        ) from error
    for part in dataclasses.asdict(config).values():
        for name, value in (part or {}).items():
            require(
                _is_plausible(name, value),
                f"a usable value of {name} in the checkpoint's config",
                f"{str(value)[:60]} in {path}",
            )
    return config


def _is_plausible(name: str, value: str | float | tuple[float, ...]) -> bool:
    """Return whether a value, whose type and sign the configuration has checked, is not too large.

    Only whole numbers say how much is built.
    """
    limit = _MAX_DEPTH if name in _DEPTH_FIELDS else _MAX_FIELD
    numbers = value if isinstance(value, tuple) else (value,)
    return all(number <= limit for number in numbers if isinstance(number, int))


def check_layouts(
    config: ModelConfig, layouts: Mapping[str, Layout], name: str, remedy: str
) -> None:
    """Raise unless names, shapes and types fit the networks that the configuration describes.

    Raises:
        CheckpointError: they do not; the message lists all keys at fault (ten of each kind).
    """
    try:
        expected = _expected(config)
    except (RuntimeError, ValueError, TypeError, IndexError, ZeroDivisionError) as error:
        raise CheckpointError(
            "a config that describes networks", f"{name} ({str(error)[:200]})", remedy
        ) from error
    if not any(part_of(key) == "generator" for key in layouts):
        expected = {k: v for k, v in expected.items() if part_of(k) != "generator"}
    require(bool(layouts), "tensors of at least one network", f"{name} without any", remedy)
    misshapen = [
        f"{key} {_describe(layouts[key])} instead of {_describe(layout_of(wanted))}"
        for key, wanted in expected.items()
        if key in layouts and not _fits(layouts[key], wanted)
    ]
    faults = {
        "missing": [key for key in expected if key not in layouts],
        "unexpected": [key for key in layouts if key not in expected],
        "misshapen": misshapen,
    }
    found = "; ".join(f"{fault}: {listed(keys)}" for fault, keys in faults.items() if keys)
    require(not found, "tensors that fit the config", f"{name} ({found})", remedy)


@functools.lru_cache(maxsize=1)  # a file is often inspected and then read
def _expected(config: ModelConfig) -> Mapping[str, torch.Tensor]:
    """Return the tensors of a model, without values."""
    return build_blank(config).state_dict()


def part_of(key: str) -> str:
    """Return the name of the network that a tensor belongs to."""
    return key.partition(".")[0]


def _describe(layout: Layout) -> str:
    return f"{layout.dtype} {list(layout.shape)}"


def _fits(layout: Layout, wanted: torch.Tensor) -> bool:
    dtype = DTYPES.get(layout.dtype)
    same_kind = dtype is not None and dtype.is_floating_point == wanted.is_floating_point()
    return same_kind and layout.shape == tuple(wanted.shape)


def listed(keys: Collection[str]) -> str:
    """Return the first ten keys, and how many more there are."""
    shown = ", ".join(key[:100] for key in sorted(keys)[:_MAX_LISTED])
    rest = len(keys) - _MAX_LISTED
    return f"{shown} and {rest} more" if rest > 0 else shown


def parts_of(config: ModelConfig, keys: Collection[str]) -> tuple[str, ...]:
    """Return the parts that a checkpoint with the given keys holds.

    A configured part may have no tensors at all (a mixer of kind `none`); the generator is always
    configured, and is held when its tensors are.
    """
    has_generator = any(part_of(key) == "generator" for key in keys)
    return tuple(
        part
        for part in PARTS
        if getattr(config, part) is not None and (part != "generator" or has_generator)
    )
