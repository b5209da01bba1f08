"""Which image files are meant, which mask belongs to which, and where the results go."""

import unicodedata
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..core.errors import InputError
from ..core.image_files import SUFFIXES, is_image_name
from .result_files import ResultFiles

_ByStem = dict[str, list[Path]]


@dataclass(frozen=True, kw_only=True)
class Job:
    """An image, its mask and its results, or why it cannot be completed."""

    image: Path
    mask: Path | None = None
    """None takes the transparent part of the image."""
    files: ResultFiles
    problem: InputError | None = None


def plan_jobs(
    source: Path, masks: Path | None, out: Path, num_variants: int
) -> tuple[tuple[Job, ...], tuple[Path, ...]]:
    """Pair images with masks.

    1. A folder stands for the images directly in it, by name; hidden files are ignored.
    2. A mask file is for all images; in a folder of masks each image takes the one with its stem
       (file name without extension); without masks the transparent part is the hole.
    3. Images with the same stem are all refused, so that nothing depends on their order, and so
       are images whose results would overwrite an image or a mask.

    Args:
        source: an image or a folder.
        masks: a mask, a folder, or None.
        out: folder of the results.
        num_variants: results per image.

    Returns:
        The jobs, and the masks of a folder that belong to no image.

    Raises:
        InputError: nothing to do, or the results would be mixed with images or masks.
    """
    images = _files_of(source, "image")
    mask_files = [] if masks is None else _files_of(masks, "mask")
    _check_folders(source, masks, out)
    stems, mask_stems = _by_stem(images), _by_stem(mask_files)
    has_mask_folder = masks is not None and masks.is_dir()
    inputs = {path.resolve() for path in (*images, *mask_files)}
    jobs = []
    for image in images:
        mask, problem = masks, None
        if has_mask_folder:
            mask, problem = _choose(mask_stems, image, masks)
        files = ResultFiles(out, image.stem, num_variants)
        problem = _clash(stems[_key(image)]) or problem or _overwrites(files, inputs)
        jobs.append(Job(image=image, mask=mask, files=files, problem=problem))
    unused = [path for path in mask_files if has_mask_folder and _key(path) not in stems]
    return tuple(jobs), tuple(unused)


def _files_of(source: Path, what: str) -> list[Path]:
    """Return the file itself, or the images in a folder."""
    if source.is_file():
        return [source]
    if not source.is_dir():
        raise InputError(
            f"an existing {what} or folder",
            str(source),
            "Check the path.",
            problem=f"The {what} or folder {source} does not exist.",
        )
    files = sorted(path for path in source.iterdir() if is_image_name(path) and path.is_file())
    if not files:
        raise InputError(
            f"{what}s in the folder",
            f"none in {source}",
            "Check the path.",
            problem=f"The folder {source} contains no {what}s ({', '.join(SUFFIXES)}).",
        )
    return files


def _check_folders(source: Path, masks: Path | None, out: Path) -> None:
    folders = [path for path in (source, masks) if path is not None and path.is_dir()]
    if any(path.resolve() == out.resolve() for path in folders):
        raise InputError(
            "a separate folder for the results",
            str(out),
            "Choose another folder: the next run would complete the results, too.",
            problem=f"The folder for the results, {out}, contains the images or masks.",
        )
    if len({path.resolve() for path in folders}) < len(folders):
        raise InputError(
            "masks in a separate folder",
            str(masks),
            "Move the masks to another folder.",
            problem=f"The images and the masks are in the same folder, {masks}.",
        )


def _key(path: Path) -> str:
    """Return the stem as file systems see it that ignore case and compose accents."""
    return unicodedata.normalize("NFC", path.stem).casefold()


def _by_stem(paths: Sequence[Path]) -> _ByStem:
    found: _ByStem = defaultdict(list)
    for path in paths:
        found[_key(path)].append(path)
    return found


def _choose(
    masks: _ByStem, image: Path, folder: Path | None
) -> tuple[Path | None, InputError | None]:
    found = masks.get(_key(image), [])
    if len(found) == 1:
        return found[0], None
    names = " and ".join(path.name for path in found) or "none"
    remedy = "Keep one of them." if found else "Add the mask or remove the image."
    return None, InputError(f"one mask named {image.stem} in {folder}", names, remedy)


def _clash(images: Sequence[Path]) -> InputError | None:
    if len(images) == 1:
        return None
    names = " and ".join(path.name for path in images)
    return InputError(
        "images with different names, extensions aside",
        names,
        "Rename all but one.",
        problem=f"The results of {names} would have the same names.",
    )


def _overwrites(files: ResultFiles, inputs: set[Path]) -> InputError | None:
    overwritten = inputs.intersection(path.resolve() for path in (*files.results, files.sheet))
    if not overwritten:
        return None
    path = min(overwritten)
    return InputError(
        "results that overwrite no image or mask",
        str(path),
        "Choose another folder for the results.",
        problem=f"The results would overwrite {path}.",
    )
