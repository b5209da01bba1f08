"""Recipe files: what they may contain, the recipe they are based on, and overrides.

A recipe is a TOML file with `title`, `license`, `preset`, `follows_generator` and `base`, and the
tables [model], [data], [perceptual] and one for each stage. Bundled ones lie in recipes/; their
names have no suffix.
"""

import functools
from pathlib import Path
from typing import Any

from ..core.config_fields import from_mapping
from ..core.errors import ConfigError
from ..core.foreign_data import DataError, parse_toml, read_toml
from ..core.networks import PRESETS, ModelConfig
from .config import RENAMED, DataConfig, PerceptualConfig, Recipe
from .stages import STAGES

RECIPES_DIR = Path(__file__).parent / "recipes"


def load_recipe(name_or_path: str, overrides: tuple[str, ...] = ()) -> Recipe:
    """Return the recipe of a bundled name or of a TOML file.

    1. `base = "<recipe>"` in a file: the file has only what differs. Its tables are merged into
    those of the base, which may have a base itself.
    2. `preset` names the networks; a table [model] has what differs from them.

    Args:
        name_or_path: "demo64-cpu", or a path that ends in .toml.
        overrides: "prior.total_images=1000" and the like; TOML.

    Raises:
        ConfigError: the file, a base or a key is unknown, missing or invalid.
    """
    path = _find(name_or_path, Path())
    tables = [*reversed(_chain(path)), *map(_override, overrides)]
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
    """Return the tables of a recipe and of its chain of bases, its own first."""
    seen, chain = [], []
    while path not in seen:
        seen.append(path)
        tables = _with_present_names(read_toml(path, "a recipe"), path.name)
        chain.append(tables)
        if "base" not in tables:
            return chain
        path = _find(str(tables.pop("base")), path.parent)
    raise ConfigError(
        "a chain of bases that ends",
        " -> ".join(p.stem for p in [*seen, path]),
        "Remove one of the bases.",
    )


def _override(text: str) -> dict[str, Any]:
    try:
        return _with_present_names(parse_toml(text), repr(text))
    except DataError as error:
        raise ConfigError("an override in TOML", f"{text!r} ({error})", "Correct it.") from error


def _with_present_names(tables: dict[str, Any], where: str) -> dict[str, Any]:
    """Replace former names of settings, before tables are merged."""
    for name in STAGES.keys() & tables.keys():
        if isinstance(tables[name], dict):  # reading the table refuses anything else
            tables[name] = _renamed(tables[name], where)
    return tables


def _renamed(table: dict[str, Any], where: str) -> dict[str, Any]:
    names = [RENAMED.get(name, name) for name in table]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ConfigError(
            "each setting under one name",
            f"{', '.join(twice)} under a former name as well, in {where}",
            "Remove the former name.",
        )
    return dict(zip(names, table.values(), strict=True))


def _merge(under: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """Merge table by table; `over` wins."""
    merged = dict(under)
    for key, value in over.items():
        both = isinstance(value, dict) and isinstance(under.get(key), dict)
        merged[key] = _merge(under[key], value) if both else value
    return merged


def _recipe(name: str, data: dict[str, Any]) -> Recipe:
    texts = {"title", "license", "preset"}
    known = {*texts, "follows_generator", "model", "data", "perceptual", *STAGES}
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
        follows_generator=data.get("follows_generator", False),
        model=_model(data),
        data=from_mapping(DataConfig, data.get("data", {}), "[data]"),
        stages={
            stage.name: from_mapping(stage.config_type, data[stage.name], f"[{stage.name}]")
            for stage in STAGES.values()
            if stage.name in data
        },
        perceptual=from_mapping(PerceptualConfig, data.get("perceptual", {}), "[perceptual]"),
    )


def _model(data: dict[str, Any]) -> ModelConfig:
    """Return the networks of the preset as [model] changes them, or those of [model] alone."""
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
