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
from .discovery import DISCOVERY_METHODS, discover_direction
from .foreign import ForeignDirection, adopt, read_foreign_direction
from .ganspace import discover_ganspace, principal_components
from .interfacegan import Boundary, discover_interfacegan, find_boundary, independent
from .scores import SCORES
from .sefa import discover_sefa, factorise, select_affines

__all__ = [
    "DISCOVERY_METHODS",
    "SCORES",
    "STANDARD_DEVIATION",
    "Boundary",
    "Direction",
    "ForeignDirection",
    "adopt",
    "apply_direction",
    "bundled_direction_names",
    "bundled_directions",
    "check_target",
    "deviation_along",
    "discover_direction",
    "discover_ganspace",
    "discover_interfacegan",
    "discover_sefa",
    "factorise",
    "find_boundary",
    "independent",
    "principal_components",
    "read_direction",
    "read_directions",
    "read_foreign_direction",
    "select_affines",
    "write_direction",
]
