"""ONNX graphs of a model, for programs without Python or PyTorch."""

from .exporting import OPSET, export_model
from .weights import STORED, WEIGHTS_FILE

__all__ = [
    "OPSET",
    "STORED",
    "WEIGHTS_FILE",
    "export_model",
]
