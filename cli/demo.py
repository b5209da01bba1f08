"""The command `demo`: a bundled photograph with a hole, and checks of its completions."""

import itertools
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .console import echo
from .failures import fail
from .options import Device, Model, Precision, Seed, Variants

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

_Out = Annotated[Path, typer.Option(help="Folder for the results.")]


def demo(
    *,
    out: _Out = Path("demo-out"),
    seed: Seed = 0,
    variants: Variants = 8,
    model: Model = "cats",
    device: Device = None,
    precision: Precision = "auto",
) -> None:
    """Complete a bundled photograph and check the results."""
    from ..core.device import resolve_device
    from ..core.examples import PHOTOGRAPH, demo_input
    from ..core.files import prepare_folder
    from ..core.image_files import read_image
    from ..core.inpainter import Inpainter
    from .result_files import ResultFiles
    from .result_writing import save_results
    from .settings import Settings, describe_run

    prepare_folder(out)
    started = time.perf_counter()
    inpainter = Inpainter.load(model, device=resolve_device(device), precision=precision)
    loaded = time.perf_counter()
    file, hole_mask = read_image(PHOTOGRAPH), demo_input()[1]
    files = ResultFiles(out, PHOTOGRAPH.stem, variants)
    settings = Settings(num_variants=variants, seed=seed)
    record = describe_run(inpainter, settings, Path(model).name)
    with files.claimed(wait=True):
        result = inpainter.inpaint(file.image, hole_mask, **settings.arguments())
        save_results(result, file, files, record=record)
    written = time.perf_counter()
    found = examine(PHOTOGRAPH, hole_mask[0], files.results)
    echo(f"model:        {inpainter.title} ({inpainter.license})")
    echo(f"results:      {files.results[0]} to {files.results[-1].name}")
    echo(f"sheet:        {files.sheet}")
    echo(f"time:         {loaded - started:.2f} s to load, {written - loaded:.2f} s to complete")
    changed = ", ".join(map(str, found.num_changed))
    echo(f"outside mask: changed pixels per result: {changed} (of {found.num_valid})")
    if found.differences:
        low, high = min(found.differences), max(found.differences)
        echo(f"inside mask:  any two results differ by {low:.1f}/255 to {high:.1f}/255 on average")
    if not (found.keeps_valid_pixels and found.all_differ):
        fail("Check failed: results must differ inside the mask, and nowhere else.", 1)


@dataclass(frozen=True)
class Findings:
    """What the result files show."""

    num_valid: int
    """Pixels outside the hole."""
    num_changed: tuple[int, ...]
    """For each result, the pixels outside the hole that differ from the photograph."""
    differences: tuple[float, ...]
    """For each pair of results, the mean absolute difference inside the hole, in units of 1/255."""

    @property
    def keeps_valid_pixels(self) -> bool:
        """Whether no result changed a pixel outside the hole."""
        return not any(self.num_changed)

    @property
    def all_differ(self) -> bool:
        """Whether every pair of results differs inside the hole."""
        return all(difference > 0 for difference in self.differences)


def examine(photograph: Path, hole_mask_hw: "Tensor", results: Sequence[Path]) -> Findings:
    """Compare the 8-bit result files with the photograph and with each other.

    Args:
        photograph: the file that was completed.
        hole_mask_hw: [H, W], 1 = fill.
        results: V image files.
    """
    original = _read_8_bit(photograph)
    hole = hole_mask_hw.numpy() > 0
    images = [_read_8_bit(path) for path in results]
    num_changed = [int((image != original).any(axis=2)[~hole].sum()) for image in images]
    insides = [image[hole] for image in images]
    differences = [float(abs(a - b).mean()) for a, b in itertools.combinations(insides, 2)]
    return Findings(int((~hole).sum()), tuple(num_changed), tuple(differences))


def _read_8_bit(path: Path) -> "np.ndarray":
    """[H, W, 3] int16 in 0..255, read without the library's own decoder, which is under test."""
    import numpy as np
    from PIL import Image

    with Image.open(path) as image:
        return np.asarray(image.convert("RGB")).astype(np.int16)
