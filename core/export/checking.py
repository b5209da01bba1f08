"""Runs exported graphs beside the networks that they came from.

Legend: V variants, R the model's resolution.
"""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import CheckpointError
from ..networks import DiverseInpaintingModel
from .graphs import Graph, Port

LARGEST_DIFFERENCE = {"float32": 1 / 255, "float16": 4 / 255}
"""By type of the stored weights, of images in [0, 1]; and of codes, whose deviation is about 1."""

_EXAMPLES = 3  # variants
_IMAGE_SIZE = (150, 97)  # of `inpaint`; the hole lies in its middle
_TIMED_RUNS = 3
_SEED = 0


def examples_of(model: DiverseInpaintingModel, graphs: Sequence[Graph]) -> dict[str, Tensor]:
    """Return a value of each input and output of the graphs, by name.

    What one graph returns is what another takes, so the codes are such as the networks make.

    Args:
        model: the networks.
        graphs: in an order in which each takes what those before it return.
    """
    random = torch.Generator().manual_seed(_SEED)
    config = model.generator.config
    coarse = torch.rand(1, 3, 8, 8, generator=random) * 2 - 1
    valid = 1 - _hole(config.resolution, config.resolution)
    image = F.interpolate(coarse, size=_IMAGE_SIZE, mode="bicubic").add(1).mul(127.5)
    values = {
        "z": torch.randn(_EXAMPLES, config.z_dim, generator=random),
        "truncation_psi": torch.tensor(0.7),
        "gate_bias": torch.tensor(0.5),
        "erased": F.interpolate(coarse, size=valid.shape[2:], mode="bicubic") * valid,
        "valid": valid,
        "image": image.clamp(0, 255).to(torch.uint8),
        "hole_mask": (_hole(*_IMAGE_SIZE) * 255).to(torch.uint8),
    }
    for graph in graphs:
        if "w_out" in [port.name for port in graph.inputs]:
            values.setdefault("w_out", values["w_rand"])
        values.update(_compute(graph, values))
    return values


def check_graph(
    folder: Path, graph: Graph, values: Mapping[str, Tensor], stored: str
) -> dict[str, float]:
    """Run a graph on the examples and on a single variant, and compare it with the networks.

    Args:
        folder: of its file and of the weights.
        graph: what the file came from.
        values: of its inputs and outputs, by name.
        stored: type of the stored weights, a key of `LARGEST_DIFFERENCE`.

    Returns:
        The number of operators; the largest difference, of images in [0, 1] or of codes; and the
        milliseconds for one variant on one thread, which is processor time.

    Raises:
        CheckpointError: the results differ by more than `LARGEST_DIFFERENCE`.
        onnx.checker.ValidationError: the file breaks the rules of ONNX.
    """
    import onnx
    import onnxruntime

    file = folder / f"{graph.name}.onnx"
    onnx.checker.check_model(str(file), full_check=True)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    single = {port.name: _single(port, values[port.name]) for port in graph.inputs}
    single |= _compute(graph, single)
    differences, seconds = [], []
    for given in (values, *[single] * _TIMED_RUNS):
        feed = {port.name: given[port.name].numpy() for port in graph.inputs}
        start = time.thread_time()
        results = session.run([port.name for port in graph.outputs], feed)
        seconds.append(time.thread_time() - start)
        differences += [
            _difference(port, np.asarray(result), given[port.name].numpy())
            for port, result in zip(graph.outputs, results, strict=True)
        ]
    if not max(differences) <= LARGEST_DIFFERENCE[stored]:  # rejects NaN, too
        raise CheckpointError(
            f"results within {LARGEST_DIFFERENCE[stored]:.4f} of the networks'",
            f"{max(differences):.4f}",
            "Store the weights in float32."
            if stored == "float16"
            else "Try other versions of torch, onnxscript and onnxruntime.",
            problem=f"The exported graph {graph.name} differs from the networks by "
            f"{max(differences):.4f}, more than {LARGEST_DIFFERENCE[stored]:.4f}.",
        )
    return {
        "operators": len(onnx.load(file, load_external_data=False).graph.node),
        "difference": max(differences),
        "milliseconds": round(1000 * min(seconds[1:]), 2),
    }


def _hole(height: int, width: int) -> Tensor:
    """Return a mask [1, 1, height, width], 1 in a box in its middle."""
    mask = torch.zeros(1, 1, height, width)
    mask[:, :, height // 4 : -height // 4, width // 3 : -width // 4] = 1
    return mask


def _compute(graph: Graph, values: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return what the networks make of a graph's inputs, by name."""
    results = graph.module(*(values[port.name] for port in graph.inputs))
    results = results if isinstance(results, tuple) else (results,)
    return {port.name: value for port, value in zip(graph.outputs, results, strict=True)}


def _single(port: Port, value: Tensor) -> Tensor:
    """Return the first variant where there are several."""
    return value[:1] if port.shape and isinstance(port.shape[0], str) else value


def _difference(port: Port, result: np.ndarray, expected: np.ndarray) -> float:
    """Return the largest difference, of images in [0, 1]."""
    largest = np.abs(result.astype(np.float64) - expected.astype(np.float64)).max()
    if port.dtype == torch.uint8:
        return float(largest) / 255
    return float(largest) / (2 if port.is_image else 1)
