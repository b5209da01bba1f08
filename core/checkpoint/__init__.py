"""Checkpoints: our safetensors format, what foreign files are, where models come from."""

from .blank import build_blank
from .content import Checkpoint, generator_id_of
from .conversion import Conversion, convert_file
from .detection import convert_command
from .format import check_target, inspect_checkpoint, read_checkpoint, write_checkpoint
from .header import FORMAT, FORMAT_VERSION
from .hub import WEIGHTS_FOLDER, bundled_names, resolve_source

__all__ = [
    "FORMAT",
    "FORMAT_VERSION",
    "WEIGHTS_FOLDER",
    "Checkpoint",
    "Conversion",
    "build_blank",
    "bundled_names",
    "check_target",
    "convert_command",
    "convert_file",
    "generator_id_of",
    "inspect_checkpoint",
    "read_checkpoint",
    "resolve_source",
    "write_checkpoint",
]
