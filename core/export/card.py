"""What a program without this library needs to know about the graphs, as plain data for JSON."""

from collections.abc import Mapping
from typing import Any

from ..checkpoint import Checkpoint
from ..directions import Direction
from .graphs import Graph, Port

FORMAT = "diverse-inpainting-export"
FORMAT_VERSION = 1
CARD_FILE, DIRECTIONS_FILE = "model.json", "directions.json"

_CONVENTIONS = {
    "images": "RGB; unit range = value / 2 + 0.5, clamped to 0 to 1, of what is about -1 to 1",
    "valid": "1 where the image is known, 0 in the hole and outside the image",
    "hole_mask": "255 where the image is to be filled, 0 where it is kept",
    "composite": "erased + (1 - valid) * stage1 or output",
    "edit": "w_out[:, first_layer .. last_layer] += strength * vector",
}


def describe_model(
    checkpoint: Checkpoint,
    stored: str,
    opset: int,
    graphs: Mapping[str, Mapping[str, Any]],
    files: Mapping[str, Mapping[str, Any]],
) -> dict[str, Any]:
    """Return the model card.

    Args:
        checkpoint: the model.
        stored: type of the stored weights.
        opset: version of the operators.
        graphs: what is said about each graph, by name.
        files: bytes and SHA-256 of the other files, by name.
    """
    generator = checkpoint.config.generator
    return {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "title": checkpoint.title,
        "license": checkpoint.license,
        "generator_id": checkpoint.generator_id,
        "resolution": generator.resolution,
        "num_layers": generator.num_layers,
        "w_dim": generator.w_dim,
        "z_dim": generator.z_dim,
        "weights": stored,
        "opset": opset,
        "conventions": _CONVENTIONS,
        "graphs": dict(graphs),
        "files": dict(files),
    }


def describe_ports(graph: Graph) -> dict[str, Any]:
    """Return what a graph takes and returns."""
    return {
        "inputs": [_describe(port) for port in graph.inputs],
        "outputs": [_describe(port) for port in graph.outputs],
    }


def _describe(port: Port) -> dict[str, Any]:
    return {
        "name": port.name,
        "dtype": str(port.dtype).removeprefix("torch."),
        "shape": [*port.shape],
        "meaning": port.meaning,
    }


def describe_directions(directions: Mapping[str, Direction]) -> dict[str, Any]:
    """Return the directions by name, each with its vector as numbers: [D], or L rows of D."""
    return {
        name: {
            "description": direction.description,
            "unit": direction.unit,
            "source": direction.source,
            "first_layer": direction.first_layer,
            "last_layer": direction.last_layer,
            "vector": direction.vector.tolist(),
        }
        for name, direction in sorted(directions.items())
    }
