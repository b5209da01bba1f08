"""ONNX graphs of a model, for programs without Python or PyTorch."""

from .card import CARD_FILE, DIRECTIONS_FILE
from .exporting import OPSET, export_model
from .weights import STORED, WEIGHTS_FILE

__all__ = [
    "CARD_FILE",
    "DIRECTIONS_FILE",
    "OPSET",
    "STORED",
    "WEIGHTS_FILE",
    "export_model",
]
