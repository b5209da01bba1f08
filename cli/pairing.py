"""Which mask belongs to which image, and where the results go.

1. A folder stands for its images by name, see `list_images`; a pattern such as `a*.png` for the
   files that match. Results of images in a subfolder go to the same subfolder of the output folder.
2. Every mask file is for all images; with several, results are named after image and mask.
3. In a folder of masks each image takes the one of the same place and name, extensions and an
   ending `_mask` aside. Without masks it takes NAME_mask beside it, or else its transparent part.
4. Masks among the images are left aside.
5. Images whose results would have the same names are all refused, so that nothing depends on their
   order, and so are images whose results would overwrite an image or a mask.
"""

import dataclasses
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..core.errors import InputError
from ..core.files import portable_name
from ..core.image_listing import SUFFIXES
from ..core.originals import result_suffix
from ..core.printable import listed
from .found_files import (
    FoundImage,
    FoundMasks,
    find_images,
    find_masks,
    key_of,
    masks_beside,
    without_masks,
)
from .result_files import ResultFiles

_MOST_NAMED = 10


@dataclass(frozen=True, kw_only=True)
class Job:
    """An image, its mask and its results, or why it cannot be completed."""

    image: Path
    mask: Path | None = None
    """None takes the transparent part of the image."""
    files: ResultFiles
    problem: InputError | None = None


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is to be done, and what is not."""

    jobs: tuple[Job, ...]
    unused_masks: tuple[Path, ...]
    """Masks of a folder that belong to no image."""
    left_aside: dict[Path, str]
    """Files and folders among the images that are not completed, with the reason."""

    def remarks(self) -> Iterator[str]:
        """Yield lines for the user about what is not done: by reason, the files in one line."""
        if self.unused_masks:
            yield f"masks without an image: {', '.join(path.name for path in self.unused_masks)}"
        by_reason: dict[str, list[str]] = defaultdict(list)
        for path, reason in self.left_aside.items():
            by_reason[reason].append(path.name)
        for reason, names in by_reason.items():
            yield f"left aside ({reason}): {listed(names, _MOST_NAMED)}"


def plan_jobs(
    sources: Sequence[Path],
    masks: Sequence[Path],
    out: Path,
    num_variants: int,
    *,
    recursive: bool = False,
    result_format: str = "png",
) -> Plan:
    """Pair images with masks.

    Args:
        sources: images, folders and patterns.
        masks: mask files, or one folder, or nothing.
        out: folder of the results.
        num_variants: results per image and mask.
        recursive: whether to search subfolders, of masks too.
        result_format: see `result_suffix`.

    Raises:
        InputError: nothing to do, or the results would be mixed with images or masks.
    """

    def files_of(image: FoundImage, ending: str) -> ResultFiles:
        folder = out.joinpath(*map(portable_name, image.folder.parts))
        suffix = result_suffix(image.path, result_format)
        return ResultFiles(folder, portable_name(image.path.stem + ending), num_variants, suffix)

    images, left_aside = find_images(sources, recursive=recursive)
    is_one_folder = _is_one_folder(sources, masks)
    given = find_masks([] if is_one_folder else masks, recursive=recursive)
    _check_output_folder([*sources, *masks], out)
    images = without_masks(images, given, left_aside)
    if not images:
        raise _nothing_found(sources)
    beside = {} if given.all else masks_beside(images)
    if is_one_folder and not beside:
        raise _in_one_folder(masks[0])
    jobs = _pair(images, given, beside, files_of)
    used = {image.key for image in images}
    unused = [path for key, found in given.by_key.items() if key not in used for path in found]
    return Plan(
        jobs=_refuse_clashes(jobs), unused_masks=tuple(sorted(unused)), left_aside=left_aside
    )


def deal_jobs(jobs: Sequence[Job], shard: str) -> tuple[Job, ...]:
    """Return the jobs of one shard: all are dealt out in order, like cards.

    Args:
        jobs: all, in the order in which every shard lists them.
        shard: `I/N`, the number of the shard from 1, and of how many.

    Raises:
        InputError: another form, or I is not from 1 to N.
    """
    match = re.fullmatch(r"([0-9]{1,9})/([0-9]{1,9})", shard)
    index, total = map(int, match.groups()) if match else (0, 0)
    if not 1 <= index <= total:
        raise InputError(
            "a shard I/N with I from 1 to N", shard, "Write 1/4, 2/4, 3/4 and 4/4 for four jobs."
        )
    return tuple(jobs[index - 1 :: total])


def _is_one_folder(sources: Sequence[Path], masks: Sequence[Path]) -> bool:
    """Return whether the masks lie among the images."""
    folders = {path.resolve() for path in sources if path.is_dir()}
    return len(masks) == 1 and masks[0].resolve() in folders


def _in_one_folder(folder: Path) -> InputError:
    return InputError(
        "masks named NAME_mask beside their images, or in a separate folder",
        f"none in {folder}",
        "Rename them, or move them to another folder.",
        problem=f"The images and the masks are in the same folder, {folder}.",
    )


def _nothing_found(sources: Sequence[Path]) -> InputError:
    places = ", ".join(map(str, sources))
    return InputError(
        "images",
        f"none in {places}",
        "Check the path; give --recursive to search subfolders.",
        problem=f"No images ({', '.join(SUFFIXES)}) in {places}.",
    )


def _check_output_folder(inputs: Sequence[Path], out: Path) -> None:
    if any(path.is_dir() and path.resolve() == out.resolve() for path in inputs):
        raise InputError(
            "a separate folder for the results",
            str(out),
            "Choose another folder: the next run would complete the results, too.",
            problem=f"The folder for the results, {out}, contains the images or masks.",
        )


def _pair(
    images: Sequence[FoundImage],
    given: FoundMasks,
    beside: Mapping[Path, Path],
    files_of: Callable[[FoundImage, str], ResultFiles],
) -> list[Job]:
    """Return a job for each image and mask."""
    inputs = {image.path.resolve() for image in images}
    inputs |= {path.resolve() for path in (*given.all, *beside.values())}
    jobs = []
    for image in images:
        masks, problem = _choose(given, image, beside.get(image.path))
        for mask in masks:
            files = files_of(image, f"-{mask.stem}" if mask and len(given.files) > 1 else "")
            refusal = problem or _overwrites(files, inputs)
            jobs.append(Job(image=image.path, mask=mask, files=files, problem=refusal))
    return jobs


def _choose(
    given: FoundMasks, image: FoundImage, beside: Path | None
) -> tuple[tuple[Path | None, ...], InputError | None]:
    """Return the masks of an image, at least one, or why there is none."""
    if given.files:
        return given.files, None
    if given.folder is None:
        return (beside,), None
    found = given.by_key.get(image.key, [])
    if len(found) == 1:
        return (found[0],), None
    names = " and ".join(path.name for path in found) or "none"
    remedy = "Keep one of them." if found else "Add the mask or remove the image."
    where = given.folder / image.folder
    expected = f"one mask named {image.path.stem} in {where}"
    return (None,), InputError(expected, names, remedy)


def _refuse_clashes(jobs: Sequence[Job]) -> tuple[Job, ...]:
    """Return the jobs; each whose results would be named as those of others has a problem."""
    by_result: dict[str, list[Job]] = defaultdict(list)
    for job in jobs:
        by_result[key_of(job.files.folder / job.files.stem)].append(job)
    problems = {name: _clash(same) for name, same in by_result.items()}
    return tuple(
        dataclasses.replace(
            job, problem=problems[key_of(job.files.folder / job.files.stem)] or job.problem
        )
        for job in jobs
    )


def _clash(jobs: Sequence[Job]) -> InputError | None:
    if len(jobs) == 1:
        return None
    is_one_image = len({job.image for job in jobs}) == 1
    paths = [str(job.mask if is_one_image else job.image) for job in jobs]
    short = [Path(path).name for path in paths]
    names = " and ".join(short if len(set(short)) == len(short) else paths)
    return InputError(
        f"{'masks' if is_one_image else 'images'} with different names, extensions aside",
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
