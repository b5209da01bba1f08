"""Writes a model's graphs, and what programs without this library need to know about them."""

import contextlib
import hashlib
import json
import logging
import os
import tempfile
import warnings
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ..checkpoint import Checkpoint
from ..checks import check_choice
from ..directions import Direction
from ..errors import InputError
from ..files import explain_writing, prepare_folder, publish
from ..inference import inference
from ..progress import OnStep
from .card import CARD_FILE, DIRECTIONS_FILE, describe_directions, describe_model, describe_ports
from .checking import check_graph, examples_of
from .graphs import GRAPH_NAMES, Graph, graphs_of
from .weights import STORED, WEIGHTS_FILE, SharedWeights

if TYPE_CHECKING:
    import onnx_ir as ir

OPSET = 18
"""Version of the operators: the first whose Resize has antialiasing."""

_LONGEST = 2**14
"""Length of a free axis that the exporter is told; programs may exceed it."""


@inference
def export_model(
    checkpoint: Checkpoint,
    out: Path,
    *,
    weights: str = "float32",
    directions: Mapping[str, Direction] | None = None,
    only: Collection[str] = (),
    overwrite: bool = False,
    on_step: OnStep | None = None,
) -> dict[str, Any]:
    """Write ONNX graphs of a model, checked against its networks, into a folder.

    1. `NAME.onnx` for each graph that the model has the networks for; `weights.bin`, which they
       share; `directions.json`; and `model.json`, the card.
    2. Each graph is run by onnxruntime beside the networks before anything appears in the folder.

    Args:
        checkpoint: with a generator; its tensors on the CPU.
        out: the folder; made if need be.
        weights: type of the stored weights, float32 or float16; graphs compute in float32.
        directions: of its generator, by name.
        only: names of the graphs to write; none for all that the model has the networks for.
        overwrite: whether to replace an earlier export.
        on_step: called after each graph with their number so far and in all; may raise to
            interrupt.

    Returns:
        The card: facts about the model and, for each graph, inputs, outputs, operators, bytes,
        largest difference from the networks and milliseconds per variant.

    Raises:
        InputError: an unknown type, a graph that this model does not have, or files that may not
            be replaced.
        CheckpointError: no generator, or a graph that differs from its networks.
        ModuleNotFoundError: the packages of the extra `export` are not installed.
    """
    import onnxruntime  # noqa: F401 - missing packages are found before the work
    import onnxscript  # noqa: F401

    check_choice(weights, "weights", STORED)
    model = checkpoint.model().float()
    prepare_folder(out)
    _check_free(out, overwrite)
    known = {graph.name: graph for graph in graphs_of(model)}
    values = examples_of(model, [*known.values()])
    for name in only or ():
        check_choice(name, "graph", known)
    graphs = [graph for name, graph in known.items() if not only or name in only]
    with (
        explain_writing(out, "Choose another folder, or free some space."),
        tempfile.TemporaryDirectory(prefix=".export-", dir=out) as name,
    ):
        folder = Path(name)
        facts: dict[str, dict[str, Any]] = {}
        with (folder / WEIGHTS_FILE).open("wb") as file:
            shared = SharedWeights(file, weights)
            for graph in graphs:
                facts[graph.name] = _write_graph(folder, graph, values, shared)
                file.flush()
                facts[graph.name] |= check_graph(folder, graph, values, weights)
                if on_step is not None:
                    on_step(len(facts), len(graphs))
        _write_json(folder / DIRECTIONS_FILE, describe_directions(directions or {}))
        card = describe_model(checkpoint, weights, OPSET, facts, _digests(folder))
        _write_json(folder / CARD_FILE, card)
        _move(folder, out)
    return card


def _check_free(out: Path, overwrite: bool) -> None:
    there = [name for name in _file_names() if (out / name).exists()]
    if there and not overwrite:
        raise InputError(
            f"a folder without {there[0]}",
            "an earlier export",
            "Choose another folder, or give --overwrite to replace it.",
            problem=f"The file {out / there[0]} exists.",
        )


def _file_names() -> list[str]:
    """Return the names of all files that an export may have, the card last."""
    graphs = [f"{name}.onnx" for name in GRAPH_NAMES]
    return [WEIGHTS_FILE, *graphs, DIRECTIONS_FILE, CARD_FILE]


def _write_graph(
    folder: Path, graph: Graph, values: Mapping[str, Tensor], shared: SharedWeights
) -> dict[str, Any]:
    """Write a graph without its weights; return what it takes and returns, and its bytes."""
    import onnx_ir as ir

    model = _trace(graph, values)
    stored = shared.take(model.graph)
    data = ir.to_proto(model).SerializeToString(deterministic=True)
    (folder / f"{graph.name}.onnx").write_bytes(data)
    return {**describe_ports(graph), "bytes": len(data) + stored}


def _trace(graph: Graph, values: Mapping[str, Tensor]) -> "ir.Model":
    """Return the operators of a graph, as the exporter finds them by running it on examples."""
    axes = {axis for port in graph.inputs for axis in port.shape if isinstance(axis, str)}
    lengths = {axis: torch.export.Dim(axis, min=1, max=_LONGEST) for axis in sorted(axes)}
    free = tuple(
        {i: lengths[axis] for i, axis in enumerate(port.shape) if isinstance(axis, str)}
        for port in graph.inputs
    )
    with _quiet():
        program = torch.onnx.export(
            graph.module,
            tuple(values[port.name] for port in graph.inputs),
            dynamo=True,
            input_names=[port.name for port in graph.inputs],
            output_names=[port.name for port in graph.outputs],
            dynamic_shapes={"inputs": free},
            opset_version=OPSET,
            verbose=False,
        )
    assert program is not None  # with dynamo there is one
    return _without_notes(program.model)


def _without_notes(model: "ir.Model") -> "ir.Model":
    """Remove the exporter's notes on where in which file on this machine each operator was."""
    model.graph.metadata_props.clear()
    model.metadata_props.clear()
    for node in model.graph.all_nodes():
        node.metadata_props.clear()
        node.doc_string = None
        for value in node.outputs:
            value.metadata_props.clear()
    for value in (*model.graph.inputs, *model.graph.initializers.values()):
        value.metadata_props.clear()
    return model


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporter's notes on its own workings, and on packages that it lacks, to itself."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def _write_json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")


def _digests(folder: Path) -> dict[str, dict[str, Any]]:
    """Return bytes and SHA-256 of each file, by name."""
    digests = {}
    for path in sorted(folder.iterdir()):
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        digests[path.name] = {"bytes": path.stat().st_size, "sha256": digest}
    return digests


def _move(folder: Path, out: Path) -> None:
    """Put the files in place; while some are old and some new, there is no card."""
    names = _file_names()
    for name in reversed(names):
        if not (folder / name).exists() or name == CARD_FILE:
            (out / name).unlink(missing_ok=True)
    for name in names:
        if (folder / name).exists():
            with (folder / name).open("rb") as file:
                os.fsync(file.fileno())
            publish(folder / name, out / name)
