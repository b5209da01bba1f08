"""The square picture of a workflow in the template browser: the results of a real run."""

import math
from contextlib import chdir
from tempfile import TemporaryDirectory
from typing import Any

from core_stand_ins import CORE_CLASSES
from PIL import Image, ImageOps
from torch import Tensor
from workflow_executor import run

from diverse_inpainting import NODE_CLASS_MAPPINGS
from diverse_inpainting.core.contact_sheet import contact_sheet

MAX_COLUMNS, SIDE_PX = 3, 600


def thumbnail(prompt: dict[str, Any]) -> Image.Image:
    """Return nine or four results of a workflow, evenly taken from all, or its two or three."""
    with TemporaryDirectory() as folder, chdir(folder):  # nodes that save do so where they run
        results = run(prompt, {**NODE_CLASS_MAPPINGS, **CORE_CLASSES})
    shown: list[Tensor] = []
    for key, node in prompt.items():  # grids to pick from, previews and what is saved
        source = node["inputs"].get("images")
        if source is not None and getattr(results[key].instance, "OUTPUT_NODE", False):
            shown += list(results[source[0]].outputs[source[1]])
    columns = min(math.isqrt(len(shown)), MAX_COLUMNS)
    count = columns**2
    if columns == 1:
        columns = count = len(shown)
    cells = [shown[index * (len(shown) - 1) // (count - 1)] for index in range(count)]
    rows = [cells[start : start + columns] for start in range(0, count, columns)]
    sheet = contact_sheet(rows, cell_px=SIDE_PX // columns)
    side, background = max(sheet.size), tuple(sheet.crop((0, 0, 1, 1)).tobytes())
    return ImageOps.pad(sheet, (side, side), color=background)
