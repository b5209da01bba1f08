"""Editing directions: their file, how they are applied, and how SeFa finds them."""

from .direction import (
    Direction,
    apply_direction,
    bundled_directions,
    read_direction,
    read_directions,
    write_direction,
)
from .sefa import discover_sefa, factorise, select_affines

__all__ = [
    "Direction",
    "apply_direction",
    "bundled_directions",
    "discover_sefa",
    "factorise",
    "read_direction",
    "read_directions",
    "select_affines",
    "write_direction",
]
