"""What a model file says about itself, without reading its values."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ..core.checkpoint import Checkpoint, build_blank, inspect_checkpoint
from ..core.directions import bundled_directions


def model_card(path: Path) -> dict[str, Any]:
    """Return the facts about a model file, plain data for JSON.

    Args:
        path: of a checkpoint.

    Raises:
        CheckpointError: it is absent, foreign, damaged or too new.
    """
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
        "parts": parts,
        "parameters": sum(parts.values()),
        "generator_id": checkpoint.generator_id,
        "training": checkpoint.training,
        "directions": {name: d.description for name, d in sorted(directions.items())},
    }


def _count_parameters(checkpoint: Checkpoint) -> dict[str, int]:
    """Return the learned numbers of each part; buffers are none."""
    parts = build_blank(checkpoint.config).parts
    return {
        part: sum(parameter.numel() for parameter in parts[part].parameters())
        for part in checkpoint.parts
    }


def describe_card(
    card: Mapping[str, Any], backends: Mapping[str, str], notes: Mapping[str, str]
) -> Iterator[str]:
    """Yield a model card line by line, for people.

    Args:
        card: as `model_card` returns it; may also hold `measured`, by name.
        backends: what can be said of each ops backend.
        notes: explanations of measures, by name.
    """
    grouped = ("parts", "training", "directions", "stored_as", "bytes", "parameters", "measured")
    facts = {name: value for name, value in card.items() if name not in grouped}
    facts["size"] = f"{card['bytes']:,} bytes, {', '.join(card['stored_as'])}"
    counts = {**card["parts"], "together": card["parameters"]}
    training = dict(card["training"])
    images = training.pop("images", {})
    alarms = {f"measured after {k}": v for k, v in training.pop("alarms", {}).items()}
    if "measured" in card:
        alarms["measured now"] = card["measured"]
    directions = card["directions"] or {"none bundled": "sefa:0 and so on come from the weights"}
    yield from _table("model", facts)
    yield from _table("parameters", {part: f"{count:,}" for part, count in counts.items()})
    yield from _table("images trained on", {stage: f"{count:,}" for stage, count in images.items()})
    yield from _table("training", {name: _shorten(v, None) for name, v in training.items()})
    for title, measures in alarms.items():
        yield from _table(
            title, {name: _shorten(v, notes.get(name)) for name, v in measures.items()}
        )
    yield from _table("directions", directions)
    yield from _table("ops backends, best first", backends)


def _shorten(value: Any, note: str | None) -> str:  # noqa: ANN401 - any JSON
    text = f"{value:.4g}" if isinstance(value, float) else f"{value}"
    return f"{text} ({note})" if note else text


def _table(title: str, rows: Mapping[str, Any]) -> Iterator[str]:
    if rows:
        yield title
    for name, value in rows.items():
        yield f"  {name:<18} {value}"
