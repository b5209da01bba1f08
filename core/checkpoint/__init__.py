"""Checkpoints: our safetensors format, what foreign files are, where models come from."""

from .blank import build_blank, collect_tensors
from .format import Checkpoint, generator_id_of, read_checkpoint, write_checkpoint
from .header import FORMAT, FORMAT_VERSION, PARTS

__all__ = [
    "FORMAT",
    "FORMAT_VERSION",
    "PARTS",
    "Checkpoint",
    "build_blank",
    "collect_tensors",
    "generator_id_of",
    "read_checkpoint",
    "write_checkpoint",
]
