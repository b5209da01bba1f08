"""Strips: the same samples at several strengths of a direction, side by side."""

from collections.abc import Sequence

import torch
from PIL import Image

from ..core.contact_sheet import contact_sheet
from ..core.directions import Direction
from ..core.inpainter import Edit, Inpainter

STRENGTHS = (-3.0, -1.5, 0.0, 1.5, 3.0)
"""Where people look first."""


def strip(
    model: Inpainter,
    direction: Direction,
    strengths: Sequence[float],
    num_samples: int = 4,
    seed: int = 0,
) -> Image.Image:
    """Draw random samples of a model, one in each row, moved along a direction from left to right.

    Args:
        model: whose direction it is.
        direction: what changes.
        strengths: of each column, in the direction's unit.
        num_samples: rows.
        seed: of the samples; row k depends on (seed, k) alone.

    Raises:
        InputError: a number out of range.
        GeneratorMismatchError: a direction of another model.
    """
    codes = model.sample_w(seed, num_samples)
    columns = [model.synthesize(model.edit(codes, [Edit(direction, s)])) for s in strengths]
    rows = torch.stack(columns, dim=1).cpu()
    labels = [f"{s:+g}" if s else "0" for s in strengths]
    title = f"{direction.name}: {direction.description}" if direction.description else ""
    return contact_sheet(
        [list(row) for row in rows],
        [[""] * len(labels)] * (num_samples - 1) + [labels],
        title=title or direction.name,
    )
