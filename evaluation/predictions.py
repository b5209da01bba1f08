"""The results of other methods, read from folders.

Legend: n images, V results for each, R their side in pixels.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ..core.errors import InputError
from ..core.files import portable_name
from ..core.image import image_to_uint8
from ..core.image_files import read_image
from ..core.image_listing import is_image_name
from .baselines import NAMES as BASELINES
from .images import Storage
from .methods import NUM_VARIANTS
from .types import Method, Pairs

FILTERS = {
    "lanczos": Image.Resampling.LANCZOS,
    "bicubic": Image.Resampling.BICUBIC,
    "bilinear": Image.Resampling.BILINEAR,
    "box": Image.Resampling.BOX,
}
"""Pillow's filters for results of another size; all of them average where they shrink."""


class Predictions(NamedTuple):
    """What was read from a folder."""

    method: Method
    facts: dict[str, object]
    """Plain data for the report: the folder, V, and how results were resized."""


def check_names(predictions: Mapping[str, Path], taken: tuple[str, ...] = ()) -> None:
    """Raise InputError if a method's name is not that of a file, or is that of another method.

    Args:
        predictions: folders by the name of the method.
        taken: names of the model's methods.
    """
    seen = {name.casefold() for name in (*BASELINES, *taken)}  # some file systems ignore case
    for name in predictions:
        if not name or portable_name(name) != name or name.casefold() in seen:
            raise InputError(
                "a name of its own for each method, which a file can have",
                repr(name),
                "Choose another NAME for --predictions NAME=FOLDER.",
            )
        seen.add(name.casefold())


def read_predictions(
    name: str, folder: Path, pairs: Pairs, storage: Storage, resize: str = "lanczos"
) -> Predictions:
    """Return what another method made of the images and masks that `write_pairs` wrote.

    Result k of image NAME is NAME-k.png (as the command `inpaint` writes it) or NAME_k.png, k from
    0; a method with one result may write NAME.png. The first two results are read. Every image
    must have the same number of results. Squares of another size are resized.

    Args:
        name: of the method.
        folder: of its results.
        pairs: images and holes.
        storage: keeps what is read; each process reads some of it.
        resize: one of `FILTERS`.

    Raises:
        InputError: results are missing, ambiguous, unreadable or not square.
    """
    files = _files_by_stem(folder)
    stems = _stems_of(folder, set(files), pairs.names)
    n, *shape = pairs.originals.shape
    stored = storage.room(n, len(stems[0]), *shape)
    sides: set[int] = set()
    for place, own in storage.share(stems):
        results = [_read(files[stem]) for stem in own]
        sides.update(result.shape[-1] for result in results)
        made = torch.stack([_resized(result, shape[-1], resize) for result in results])
        stored.write(torch.tensor([place]), made[None])
    others = sorted(set().union(*storage.processes.collect(sides)) - {shape[-1]})
    facts = {
        "folder": str(folder),
        "results_for_each": len(stems[0]),
        "resized_from_px": others,
        "filter": resize if others else None,
    }
    return Predictions(pairs.completed(name, stored.images, raw=stored.images), facts)


def _files_by_stem(folder: Path) -> dict[str, Path]:
    if not folder.is_dir():
        raise InputError(
            "a folder of predictions",
            f"{folder}, which is not a folder",
            "Check the path.",
            problem=f"The predictions, {folder}, are not a folder.",
        )
    files: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if not is_image_name(path):
            continue
        if path.stem in files:
            names = f"{files[path.stem].name} and {path.name}"
            expected = f"one result named {path.stem} in {folder}"
            raise InputError(expected, names, "Remove one of them.")
        files[path.stem] = path
    return files


def _stems_of(folder: Path, present: set[str], names: tuple[str, ...]) -> list[list[str]]:
    """Return the stems of each image's results, under the naming that all images fit."""
    numbered = [
        [[f"{name}{separator}{k}" for k in range(NUM_VARIANTS)] for name in names]
        for separator in "-_"
    ]
    first_only = [
        [stems[:1] for stems in naming]
        for naming in numbered
        if present.isdisjoint(stem for stems in naming for stem in stems[1:])
    ]
    namings = [*numbered, *first_only, [[name] for name in names]]
    for naming in namings:
        if present.issuperset(stem for stems in naming for stem in stems):
            return naming
    best = max(namings, key=lambda naming: len(present.intersection(*zip(*naming, strict=True))))
    missing = [stem for stems in best for stem in stems if stem not in present]
    others = f", and {len(missing) - 1} more are missing" if missing[1:] else ""
    raise InputError(
        f"results for all {len(names)} images in {folder}",
        f"none named {missing[0]}{others}",
        "Run the method on OUT/pairs, and name the results for NAME.png NAME-0.png and NAME-1.png.",
        problem=f"The folder {folder} has no result named {missing[0]}{others}.",
    )


def _read(path: Path) -> Tensor:
    """[3, S, S] uint8."""
    image = read_image(path).image[0]
    height, width = image.shape[:2]
    if height != width:
        raise InputError(
            "square results, like the images",
            f"{width} x {height} pixels in {path}",
            "Write what the method makes of the whole image.",
        )
    return image_to_uint8(image).movedim(-1, 0)


def _resized(image: Tensor, side: int, resize: str) -> Tensor:
    """[3, R, R] uint8."""
    if image.shape[-1] == side:
        return image
    whole = Image.fromarray(image.movedim(0, -1).contiguous().numpy())
    made = np.array(whole.resize((side, side), FILTERS[resize]))
    return torch.from_numpy(made).movedim(-1, 0)
