"""The file of weights that all graphs of a model share, each stored once."""

import hashlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

if TYPE_CHECKING:
    import onnx_ir as ir

WEIGHTS_FILE = "weights.bin"
STORED = {"float32": np.float32, "float16": np.float16}
"""Types of the stored weights. Graphs compute in float32 whatever they are."""

_FEW = 1024
"""Numbers of a tensor that stays in its graph: programs read shapes and the like there."""
_ALIGNMENT = 64  # bytes, of a cache line: some runtimes use the file as it lies in memory
_LARGEST_HALF = 65504.0


class SharedWeights:
    """Writes the tensors of one graph after the other, equal ones once.

    Stage 1 and stage 2 have the same generator; in files of their own it would be there twice.
    """

    def __init__(self, file: BinaryIO, stored: str) -> None:
        """Start at the beginning of an empty file.

        Args:
            file: open for writing.
            stored: a key of `STORED`.
        """
        self._file = file
        self._stored = STORED[stored]
        self._places: dict[bytes, int] = {}

    def take(self, graph: "ir.Graph") -> int:
        """Move the large tensors of a graph to the file; return their bytes there."""
        return sum(self._take_one(graph, value) for value in list(_large(graph)))

    def _take_one(self, graph: "ir.Graph", value: "ir.Value") -> int:
        import onnx_ir as ir

        assert value.const_value is not None
        array = np.ascontiguousarray(value.const_value.numpy())
        rounded = self._rounded(array)
        data = rounded.tobytes()
        stored = ir.ExternalTensor(
            WEIGHTS_FILE,
            self._place(data),
            len(data),
            ir.DataType.from_numpy(rounded.dtype),
            shape=ir.Shape(rounded.shape),
            name=str(value.name),
        )
        if rounded.dtype == array.dtype:
            value.const_value = stored
        else:
            _cast(graph, value, stored)
        return len(data)

    def _rounded(self, array: np.ndarray) -> np.ndarray:
        """Return a tensor as it is stored; one that float16 cannot hold stays as it is."""
        fits = array.dtype == np.float32 and float(np.abs(array).max()) <= _LARGEST_HALF
        return array.astype(self._stored) if fits else array

    def _place(self, data: bytes) -> int:
        """Return where the bytes begin in the file; write them unless they are there."""
        digest = hashlib.sha256(data).digest()
        if digest not in self._places:
            self._file.write(b"\0" * (-self._file.tell() % _ALIGNMENT))
            self._places[digest] = self._file.tell()
            self._file.write(data)
        return self._places[digest]


def _large(graph: "ir.Graph") -> Iterator["ir.Value"]:
    for value in graph.initializers.values():
        if value.const_value is not None and value.const_value.size >= _FEW:
            yield value


def _cast(graph: "ir.Graph", value: "ir.Value", stored: "ir.ExternalTensor") -> None:
    """Let a graph read a tensor from its rounded copy, which runtimes convert when they load it."""
    import onnx_ir as ir

    source = ir.Value(
        name=f"{value.name}_stored",
        type=ir.TensorType(stored.dtype),
        shape=value.shape,
        const_value=stored,
    )
    node = ir.node("Cast", [source], attributes={"to": ir.DataType.FLOAT}, outputs=None)
    del graph.initializers[str(value.name)]
    stored.name = f"{value.name}_stored"
    graph.register_initializer(source)
    node.outputs[0].name = value.name
    node.outputs[0].type, node.outputs[0].shape = value.type, value.shape
    value.replace_all_uses_with(node.outputs[0])
    graph.insert_before(graph[0], node)
