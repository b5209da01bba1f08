"""How pictures are completed: one set of numbers for a whole run, checked before it begins.

Legend: R the model's resolution.
"""

import dataclasses
import math
from dataclasses import dataclass
from typing import Any

import torch

from ..core.checkpoint.container import SUFFIX
from ..core.checks import check_int
from ..core.directions import Direction, read_direction
from ..core.errors import InputError
from ..core.inpainter import Edit, Inpainter


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What `Inpainter.inpaint` takes beside a picture and its mask; see there."""

    num_variants: int = 8
    seed: int = 0
    edits: tuple[Edit, ...] = ()
    truncation_psi: float = 1.0
    gate_bias: float = 0.0
    crop_mode: str = "picture"
    margin: float = 0.25
    feather_px: int = 0
    skip_source: str = "edited"

    def arguments(self) -> dict[str, Any]:
        """Return the keyword arguments of `Inpainter.inpaint`."""
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        edits = [[_name(edit.direction), edit.strength] for edit in self.edits]
        return {**self.arguments(), "edits": edits}


def parse_edit(text: str) -> Edit:
    """Return the edit that NAME=STRENGTH means; NAME may be a direction file (.safetensors).

    Raises:
        InputError: it is not of that form.
        CheckpointError: the file is absent or no direction.
    """
    name, _, strength = text.rpartition("=")
    try:
        value = float(strength)
    except ValueError:
        value = math.nan
    if not name.strip() or not math.isfinite(value):
        raise InputError("an edit as NAME=STRENGTH", repr(text), "Write for example sefa:0=1.5.")
    return Edit(named_direction(name.strip()), value)


def named_direction(name: str) -> str | Direction:
    """Return the direction of a file (.safetensors); any other name as it is, for `Edit`.

    Raises:
        CheckpointError: the file is absent or no direction.
    """
    return read_direction(name) if name.endswith(SUFFIX) else name


def _name(direction: str | Direction) -> str:
    """Return what tells a direction from others: files of one name may hold different ones."""
    if isinstance(direction, str):
        return direction
    return f"{direction.name} ({direction.digest[:12]})"


def rehearse(model: Inpainter, settings: Settings) -> None:
    """Complete a grey square once, so that wrong settings fail before the first picture.

    Raises:
        InputError: a setting that no picture could be completed with.
    """
    check_int(settings.num_variants, "num_variants", 1, math.inf)
    once = dataclasses.replace(settings, num_variants=1)
    R = model.resolution
    model.inpaint(torch.full((1, R, R, 3), 0.5), torch.ones(1, R, R), **once.arguments())
