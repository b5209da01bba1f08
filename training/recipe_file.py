"""Recipe files: what they may hold, the recipe they are based on, and overrides.

A recipe is a TOML file with the tables [data], [prior], [stage1], [stage2] and [perceptual] beside
`title`, `license`, `preset` and `base`. Bundled ones lie in recipes/ and are named without suffix.
"""

import dataclasses
import functools
import tomllib
from pathlib import Path
from typing import Any

from ..core.errors import ConfigError
from ..core.networks import PRESETS, ModelConfig
from .config import CompletionConfig, DataConfig, PerceptualConfig, PriorConfig, Recipe

RECIPES_DIR = Path(__file__).parent / "recipes"

_TABLES: dict[str, type] = {
    "data": DataConfig,
    "prior": PriorConfig,
    "stage1": CompletionConfig,
    "stage2": CompletionConfig,
    "perceptual": PerceptualConfig,
}


def load_recipe(
    name_or_path: str, overrides: tuple[str, ...] = (), base: str | None = None
) -> Recipe:
    """Return the recipe of a bundled name or of a TOML file.

    1. `base = "<recipe>"` in a file means that it says only what differs: its tables are merged
    into those of the other recipe, which may have a base itself.
    2. `preset` names the networks; a table [model] says what differs from them.

    Args:
        name_or_path: "demo64-cpu", or a path that ends in .toml.
        overrides: "prior.total_images=1000" and the like; TOML.
        base: recipe to use in place of the one where the chain of bases ends.

    Raises:
        ConfigError: the file, a base or a key is unknown, missing or wrong.
    """
    path = _find(name_or_path, Path())
    chain = _chain(path)
    if base is not None:
        if len(chain) == 1:
            raise ConfigError(
                f"a recipe with a base, to put {base} in its place",
                f"{path.stem}, which has none",
                "Leave the base out, or choose a recipe that has one.",
            )
        chain[-1:] = _chain(_find(base, Path()))
    tables = [*reversed(chain), *(_parse(text, repr(text)) for text in overrides)]
    return _recipe(path.stem, functools.reduce(_merge, tables))


def _find(name_or_path: str, folder: Path) -> Path:
    path = Path(name_or_path)
    path = folder / path if path.suffix == ".toml" else RECIPES_DIR / f"{name_or_path}.toml"
    if path.is_file():
        return path
    names = ", ".join(sorted(p.stem for p in RECIPES_DIR.glob("*.toml")))
    raise ConfigError(
        f"a bundled recipe ({names}) or a .toml file", name_or_path, "Correct the name."
    )


def _chain(path: Path) -> list[dict[str, Any]]:
    """Return the tables of a recipe and of those that it is based on, its own first."""
    seen, chain = [], []
    while path not in seen:
        seen.append(path)
        tables = _parse(path.read_text("utf-8"), path.name)
        chain.append(tables)
        if "base" not in tables:
            return chain
        path = _find(str(tables.pop("base")), path.parent)
    raise ConfigError(
        "bases that end in a recipe without one",
        " -> ".join(p.stem for p in [*seen, path]),
        "Take one of the bases out.",
    )


def _parse(text: str, where: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError("valid TOML", f"{error} in {where}", "Correct it.") from error


def _merge(under: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """Return both, table by table; what `over` says wins."""
    merged = dict(under)
    for key, value in over.items():
        both = isinstance(value, dict) and isinstance(under.get(key), dict)
        merged[key] = _merge(under[key], value) if both else value
    return merged


def _recipe(name: str, data: dict[str, Any]) -> Recipe:
    known = {"title", "license", "preset", "model", *_TABLES}
    if not set(data) <= known:
        raise ConfigError(
            f"keys among {', '.join(sorted(known))}",
            ", ".join(sorted(set(data) - known)),
            "Correct the recipe.",
        )
    return Recipe(
        name=name,
        title=data.get("title", name),
        license=data.get("license", "unknown"),
        model=_model(data),
        **{key: read_table(kind, key, data.get(key, {})) for key, kind in _TABLES.items()},
    )


def _model(data: dict[str, Any]) -> ModelConfig:
    """Return the networks of the preset, with what [model] changes, or of [model] alone."""
    model = {"model": data["model"]} if "model" in data else {}
    if "preset" in data or not model:
        preset = PRESETS.get(str(data.get("preset")))
        if preset is None:
            raise ConfigError(
                f"a preset among {', '.join(PRESETS)}, or a whole [model]",
                f"preset {data.get('preset')!r}",
                "Correct the recipe.",
            )
        model = _merge({"model": preset.to_dict()}, model)
    return ModelConfig.from_dict(model["model"])


def read_table(kind: type, name: str, values: object) -> Any:  # noqa: ANN401 - of that kind
    """Return the dataclass that a table of a TOML file describes; lists become tuples.

    Raises:
        ConfigError: no table, an unknown key, or one that is missing or wrong.
    """
    if not isinstance(values, dict):
        raise ConfigError(f"a table [{name}]", repr(values), "Correct the recipe.")
    known = {f.name for f in dataclasses.fields(kind)}
    if not set(values) <= known:
        raise ConfigError(
            f"keys of [{name}] among {', '.join(sorted(known))}",
            ", ".join(sorted(set(values) - known)),
            "Correct the recipe.",
        )
    values = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
    try:
        return kind(**values)
    except TypeError as error:
        raise ConfigError(f"a complete table [{name}]", str(error), "Add the key.") from error
