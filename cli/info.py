"""The command `info`: what a checkpoint says about itself, without reading its values."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .console import echo, echo_json
from .options import Download, Json

if TYPE_CHECKING:
    from ..core.checkpoint import Checkpoint
    from ..training.diagnostics import Limit

_Model = Annotated[
    str, typer.Argument(metavar="MODEL", help="Bundled name, checkpoint file or Hugging Face id.")
]
_Measure = Annotated[
    bool,
    typer.Option("--measure", help="Also measure whether the image and the random code are used."),
]

_MEASURED_NOW = "now"


def info(
    model: _Model = "cats",
    *,
    measure: _Measure = False,
    download: Download = False,
    as_json: Json = False,
) -> None:
    """Show a model's facts and diagnostics, and the backends."""
    from ..core.checkpoint import resolve_source
    from ..core.ops import list_backends
    from ..training.diagnostics import LIMITS

    path = resolve_source(model, download)
    card = model_card(path)
    if measure:
        from ..core.inpainter import Inpainter
        from ..training.diagnostics import measure_model

        card["measured"] = measure_model(Inpainter.load(path, precision="float32"))
    backends = {name: why or "available" for name, why in list_backends().items()}
    if as_json:
        echo_json({**card, "backends": backends}, indent=2)
        return
    for line in describe_card(card, backends, LIMITS):
        echo(line)


def model_card(path: Path) -> dict[str, Any]:
    """Return the facts about a checkpoint, plain data for JSON.

    Args:
        path: of the file.

    Raises:
        CheckpointError: it is missing, foreign, damaged or too new.
    """
    from ..core.abilities import lacking, way_to_complete
    from ..core.checkpoint import inspect_checkpoint
    from ..core.directions import bundled_directions

    checkpoint = inspect_checkpoint(path)
    generator = checkpoint.config.generator
    parts = _count_parameters(checkpoint)
    directions = bundled_directions(checkpoint.generator_id)
    return {
        "title": checkpoint.title,
        "license": checkpoint.license,
        "file": str(path),
        "bytes": path.stat().st_size,
        "stored_as": sorted({f"{t.dtype}".split(".")[1] for t in checkpoint.tensors.values()}),
        "resolution": generator.resolution,
        "style_layers": generator.num_layers,
        "w_dim": generator.w_dim,
        "completes": way_to_complete(parts),
        "cannot": [*lacking(parts)],
        "parts": parts,
        "parameters": sum(parts.values()),
        "generator_id": checkpoint.generator_id,
        "training": checkpoint.training,
        "directions": {name: d.description for name, d in sorted(directions.items())},
    }


def _count_parameters(checkpoint: "Checkpoint") -> dict[str, int]:
    """Return the number of parameters of each part, without buffers."""
    from ..core.checkpoint import build_blank

    parts = build_blank(checkpoint.config).parts
    return {
        part: sum(parameter.numel() for parameter in parts[part].parameters())
        for part in checkpoint.parts
    }


def describe_card(
    card: Mapping[str, Any], backends: Mapping[str, str], limits: "Mapping[str, Limit]"
) -> Iterator[str]:
    """Yield a model card line by line, for people.

    Args:
        card: as `model_card` returns it; may also hold `measured`, by name.
        backends: the status of each ops backend.
        limits: of diagnostics, by name.
    """
    grouped = (
        "cannot",
        "parts",
        "training",
        "directions",
        "stored_as",
        "bytes",
        "parameters",
        "measured",
    )
    facts = {name: value for name, value in card.items() if name not in grouped}
    facts["size"] = f"{card['bytes']:,} bytes, {', '.join(card['stored_as'])}"
    counts = {**card["parts"], "total": card["parameters"]}
    training = dict(card["training"])
    images = training.pop("images", {})
    diagnostics = {f"after {k}": v for k, v in training.pop("diagnostics", {}).items()}
    if "measured" in card:
        diagnostics[_MEASURED_NOW] = card["measured"]
    directions = card["directions"] or {"none bundled": "use sefa:0, ganspace:0 and so on"}
    yield from _table("model", facts)
    yield from (f"  {'cannot':<18} {phrase}" for phrase in card["cannot"])
    yield from _table("parameters", {part: f"{count:,}" for part, count in counts.items()})
    yield from _table("images trained on", {stage: f"{count:,}" for stage, count in images.items()})
    yield from _table("training", {name: _plain(value) for name, value in training.items()})
    for when, measures in diagnostics.items():
        rows = {name: _compare(value, limits.get(name)) for name, value in measures.items()}
        yield from _table(f"diagnostics {when}", rows)
    yield from _table("directions", directions)
    yield from _table("ops backends, best first", backends)


def _compare(value: float, limit: "Limit | None") -> str:
    """Return a measure and whether it is within its limits."""
    if limit is None:
        return f"{value:.4g}"
    if limit.low <= value <= limit.high:
        return f"{value:.4g} (ok)"
    return f"{value:.4g} (WARNING: {limit.meaning})"


def _plain(value: Any) -> str:  # noqa: ANN401 - any JSON
    """Return a value without the punctuation of JSON."""
    if isinstance(value, Mapping):
        texts = {name: _plain(part) for name, part in value.items()}
        return ", ".join(f"{k} ({t})" if " " in t else f"{k} {t}" for k, t in texts.items())
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _table(title: str, rows: Mapping[str, Any]) -> Iterator[str]:
    if rows:
        yield title
    for name, value in rows.items():
        yield f"  {name:<18} {value}"
