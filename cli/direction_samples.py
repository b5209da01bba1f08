"""Samples of a generator as image files that say which seed of which generator they are.

Sample of seed s: z = sample_z(s, 1)[0], variant 0 of the seed; w = mapping(z), without truncation.
"""

import json
from collections.abc import Iterable
from pathlib import Path

from ..core.checks import MAX_SEED, check_int
from ..core.errors import InputError
from ..core.files import prepare_folder, write_text
from ..core.image_files import write_png
from ..core.image_listing import list_images
from ..core.image_metadata import RECORD_KEY
from ..core.inpainter import Inpainter
from ..core.latents import check_same_generator
from .progress import OnProgress
from .result_files import read_record

TEMPLATE = "scores.csv"
"""A table of the samples, with a score to fill in."""

_CHUNK = 64
_DIGITS = 6  # of a seed in a file's name, so that small ones sort by number
_RECORD = "sample"  # key in an image's record


def write_samples(
    model: Inpainter,
    folder: Path,
    seeds: Iterable[int],
    *,
    overwrite: bool = False,
    on_progress: OnProgress = lambda fraction, task: None,
) -> list[Path]:
    """Write a PNG for each seed, and a table to fill in unless there is one; return the PNGs.

    Samples that are there already stay as they are.

    Raises:
        InputError: a seed out of range, or a file that is not this sample and may not be replaced.
    """
    seeds = list(seeds)
    for seed in seeds:
        check_int(seed, "seed", 0, MAX_SEED)
    prepare_folder(folder)
    paths = {seed: folder / f"{seed:0{_DIGITS}}.png" for seed in seeds}
    pending = [seed for seed in seeds if not _is_there(paths[seed], model, seed, overwrite)]
    for start in range(0, len(pending), _CHUNK):
        on_progress(start / len(pending), "drawing samples")
        part = pending[start : start + _CHUNK]
        images = model.synthesize(model.sample_seeds(part)).cpu()
        for seed, image in zip(part, images, strict=True):
            record = {_RECORD: {"generator_id": model.generator_id, "seed": seed}}
            write_png(paths[seed], image, {RECORD_KEY: json.dumps(record)})
    if not (folder / TEMPLATE).exists():
        rows = "".join(f"{paths[seed].name},\n" for seed in seeds)
        write_text(folder / TEMPLATE, f"file,score\n{rows}")
    return [paths[seed] for seed in seeds]


def _is_there(path: Path, model: Inpainter, seed: int, overwrite: bool) -> bool:
    if overwrite or not path.exists():
        return False
    if _recorded(path) == (model.generator_id, seed):
        return True
    raise InputError(
        f"no file {path}",
        "another image there",
        "Choose another folder, or give --overwrite.",
        problem=f"The file {path} exists and is not sample {seed} of this model.",
    )


def seed_of(path: Path, model: Inpainter) -> int:
    """Return the seed of a sample that `write_samples` wrote.

    Raises:
        InputError: no such file, or another image.
        GeneratorMismatchError: a sample of another generator.
    """
    if not path.is_file():
        raise InputError("a sample", str(path), "Check the path.", problem=f"No such file: {path}.")
    found = _recorded(path)
    if found is None:
        raise InputError(
            f"samples of `directions samples`, such as {path.name}",
            "an image that does not say which sample it is",
            "Leave other images out, and use the files as they were written.",
            problem=f"The image {path} does not say which sample it is.",
        )
    generator_id, seed = found
    check_same_generator(generator_id, model.generator_id, f"sample {path}")
    return seed


def _recorded(path: Path) -> tuple[str, int] | None:
    match (read_record(path) or {}).get(_RECORD):
        case {"generator_id": str(generator_id), "seed": int(seed)} if 0 <= seed <= MAX_SEED:
            return generator_id, seed
    return None


def seeds_in(folder: Path, model: Inpainter) -> list[int]:
    """Return the seeds of the samples in a folder.

    Raises:
        InputError: no such folder, no images, an image that is no sample, or a sample twice.
        GeneratorMismatchError: a sample of another generator.
    """
    if not folder.is_dir():
        problem = f"No such folder: {folder}."
        raise InputError("a folder of samples", str(folder), "Check the path.", problem=problem)
    paths = list_images(folder, recursive=False).images
    if not paths:
        problem = f"There are no images in {folder}."
        raise InputError("samples", "none", "Put rated samples there.", problem=problem)
    seeds = [seed_of(path, model) for path in paths]
    check_once(seeds, str(folder))
    return seeds


def check_once(seeds: list[int], where: str) -> None:
    """Raise InputError if a sample occurs twice: what is fitted could not be tested with others."""
    seen: set[int] = set()
    for seed in seeds:
        if seed in seen:
            raise InputError(
                f"every sample once in {where}",
                f"seed {seed} twice",
                "Remove one of them.",
                problem=f"The sample of seed {seed} occurs twice in {where}.",
            )
        seen.add(seed)
