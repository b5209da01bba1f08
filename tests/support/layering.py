"""Who may import whom in the pack, read from the syntax trees; `conftest.py` makes it importable.

nodes, training and evaluation -> core; cli -> all but nodes; __main__ -> cli; never back, never
sideways. Inside core each unit
(a module or a subpackage) has a level and imports only from its own level or from lower ones, and
the units of one level never in a circle.
"""

import ast
import graphlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

PACK = "diverse_inpainting"
AREAS = ("core", "nodes", "training", "evaluation", "cli")

ALLOWED_AREAS = {
    "core": {"core"},
    "nodes": {"nodes", "core"},
    "training": {"training", "core"},
    "evaluation": {"evaluation", "core"},
    "cli": {"__init__", "cli", "core", "training", "evaluation"},  # __init__ has the version
    "__init__": {"core", "nodes"},
    "__main__": {"cli"},
}

CORE_LEVELS = (
    {"errors", "printable", "invocation", "abilities"},
    {
        *("checks", "config_fields", "cuda_graphs", "foreign_data", "inference", "locks", "device"),
        *("files", "heap", "precision", "progress", "rng"),
    },
    {
        *("areas", "region_errors", "image", "image_decoding", "image_metadata", "deep_colour"),
        *("rasterise", "mask_shapes", "multigrid"),
    },
    {"hole_masks", "image_listing", "originals", "tiff_files", "transparency"},
    {"image_files", "mask_files", "mask_edits", "dataset", "masks", "image_digests"},
    {"examples", "inputs", "square_crop", "turned_crop", "faces", "cat_faces", "crops"},
    {"geometry", "opacity", "compositing", "blending"},
    {"contact_sheet", "close_ups", "ops", "distributed", "pretrained"},
    {"networks"},
    {"latents", "variants", "code_files", "checkpoint", "directions", "fitting"},
    {"editor", "inpainting", "export"},
    {"completion_steps", "inpainter"},
)

COMFYUI = {
    *("comfy", "comfy_api", "comfy_api_nodes", "comfy_config", "comfy_execution", "comfy_extras"),
    *("app", "execution", "folder_paths", "latent_preview", "server"),
}
COMFYUI_HOST = ("nodes", "host")


class Import(NamedTuple):
    """One imported module: its path below the root as parts, or an absolute dotted name."""

    line: int
    target: tuple[str, ...]
    relative: bool


def violations(root: Path) -> list[str]:
    """Return one sentence for each import below root that the rules forbid, in file order."""
    found: list[str] = []
    edges: dict[str, set[str]] = {}
    for path in python_files(root):
        module = path.relative_to(root).with_suffix("").parts
        found += _unit_without_level(module)
        for entry in _imports(root, path):
            reason = _reason(module, entry)
            if reason:
                found.append(f"{path.relative_to(root).as_posix()}:{entry.line} {reason}")
            elif module[0] == "core" and entry.relative and len(module) > 1 < len(entry.target):
                edges.setdefault(module[1], set()).add(entry.target[1])
    return found + _circles(edges)


def python_files(root: Path) -> list[Path]:
    """Return the pack's Python files: root modules first, then each area, sorted."""
    return sorted(root.glob("*.py")) + [p for a in AREAS for p in sorted((root / a).rglob("*.py"))]


def _unit_without_level(module: tuple[str, ...]) -> list[str]:
    if module[0] != "core" or module[1] == "__init__" or _level(module[1]) is not None:
        return []
    return [f"{'/'.join(module)}.py: core/{module[1]} has no level; name it in CORE_LEVELS"]


def _level(unit: str) -> int | None:
    return next((i for i, units in enumerate(CORE_LEVELS) if unit in units), None)


def _reason(module: tuple[str, ...], entry: Import) -> str | None:
    name = ".".join(entry.target)
    if not entry.relative:
        if entry.target[0] in (*AREAS, PACK):
            return f"imports {name} absolutely: ComfyUI loads the pack under another name"
        if entry.target[0] in COMFYUI and module != COMFYUI_HOST:
            return f"imports ComfyUI's {name}: only nodes/host.py may"
        return None
    if entry.target[0] == "..":
        return "imports from outside the pack"
    if entry.target[0] not in ALLOWED_AREAS.get(module[0], set()):
        return f"imports {name}: {module[0]} must not"
    if module[0] == "core":
        return _core_reason(module[1], entry.target)
    return None


def _core_reason(unit: str, target: tuple[str, ...]) -> str | None:
    if len(target) < 2:
        return "imports the package core itself: name the module"
    low, high = _level(target[1]), _level(unit)
    if unit == "__init__":
        return f"imports {'.'.join(target)}: core/__init__.py stays empty"
    if low is not None and high is not None and low > high:
        return f"imports core.{target[1]}, which is above core.{unit}"
    return None


def _circles(edges: dict[str, set[str]]) -> list[str]:
    others = {unit: targets - {unit} for unit, targets in edges.items()}
    try:
        graphlib.TopologicalSorter(others).prepare()
    except graphlib.CycleError as error:
        return [f"core imports in a circle: {' -> '.join(reversed(error.args[1]))}"]
    return []


def _imports(root: Path, path: Path) -> Iterator[Import]:
    """Yield every import in the file, those inside functions and of import_module() included."""
    package = path.relative_to(root).parts[:-1]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(node.lineno, tuple(alias.name.split(".")), False)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield Import(node.lineno, tuple((node.module or "").split(".")), False)
        elif isinstance(node, ast.ImportFrom):
            base = _ascend(package, node.level) + tuple((node.module or "").split("."))
            for alias in node.names:
                yield Import(node.lineno, _relative(root, base, alias.name), True)
        elif isinstance(node, ast.Call) and _is_import_module(node):
            yield _dynamic(root, package, node)


def _ascend(package: tuple[str, ...], level: int) -> tuple[str, ...]:
    """Return the package that the dots name; ("..",) when they leave the pack."""
    steps = level - 1
    return package[: len(package) - steps] if steps <= len(package) else ("..",)


def _relative(root: Path, base: tuple[str, ...], name: str = "") -> tuple[str, ...]:
    """Return the module that `from base import name` loads: base.name if that is one, or base."""
    base = tuple(part for part in base if part)
    inner = root.joinpath(*base, name)
    is_module = name and (inner.is_dir() or inner.with_suffix(".py").is_file())
    return (*base, name) if is_module else base or ("__init__",)


def _is_import_module(call: ast.Call) -> bool:
    name = getattr(call.func, "attr", getattr(call.func, "id", ""))
    return name == "import_module" and bool(call.args) and isinstance(call.args[0], ast.Constant)


def _dynamic(root: Path, package: tuple[str, ...], call: ast.Call) -> Import:
    text = str(call.args[0].value)
    parts = tuple(text.lstrip(".").split("."))
    level = len(text) - len(text.lstrip("."))
    if level == 0:
        return Import(call.lineno, parts, False)
    return Import(call.lineno, _relative(root, _ascend(package, level) + parts), True)
