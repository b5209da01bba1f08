"""Editing directions: their file, how they are applied, and how they are found."""

from .components import STANDARD_DEVIATION, deviation_along
from .direction import (
    Direction,
    apply_direction,
    bundled_direction_names,
    bundled_directions,
    check_target,
    read_direction,
    read_directions,
    write_direction,
)
from .ganspace import discover_ganspace, principal_components
from .sefa import discover_sefa, factorise, select_affines

__all__ = [
    "STANDARD_DEVIATION",
    "Direction",
    "apply_direction",
    "bundled_direction_names",
    "bundled_directions",
    "check_target",
    "deviation_along",
    "discover_ganspace",
    "discover_sefa",
    "factorise",
    "principal_components",
    "read_direction",
    "read_directions",
    "select_affines",
    "write_direction",
]
