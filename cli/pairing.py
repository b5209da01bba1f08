"""Which image files are meant, which mask belongs to which, and where the results go."""

import dataclasses
import glob
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ..core.errors import InputError
from ..core.image_listing import SUFFIXES, is_image_name, list_images
from ..core.originals import result_suffix
from .result_files import ResultFiles

_MOST_NAMED = 10
_MASK_ENDINGS = ("_mask", "-mask", ".mask")


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
            more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
            yield f"left aside ({reason}): {', '.join(names[:_MOST_NAMED])}{more}"


@dataclass(frozen=True)
class _Image:
    """A file that was asked for, and its place in the folder that it came from."""

    path: Path
    folder: Path = Path()
    """Relative to that folder; results go to the same place of the output folder."""

    @property
    def key(self) -> str:
        return _key(self.folder / self.path.stem)


@dataclass(frozen=True)
class _Masks:
    """The masks that were given."""

    files: tuple[Path, ...] = ()
    """Masks for every image."""
    by_key: dict[str, list[Path]] = field(default_factory=lambda: defaultdict(list))
    """Masks of a folder, by the place and name of their image there."""
    folder: Path | None = None

    @property
    def all(self) -> tuple[Path, ...]:
        return (*self.files, *(path for paths in self.by_key.values() for path in paths))


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

    1. A folder stands for its images by name, see `list_images`; a pattern such as `a*.png` for the
       files that match. Results of images in a subfolder go to the same subfolder of `out`.
    2. Every mask file is for all images; with several, results are named after image and mask.
    3. In a folder of masks each image takes the one of the same place and name, extensions and an
       ending `_mask` aside. Without masks it takes NAME_mask beside it, or else its transparent
       part.
    4. Masks among the images are left aside.
    5. Images whose results would have the same names are all refused, so that nothing depends on
       their order, and so are images whose results would overwrite an image or a mask.

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
    images, left_aside = _collect(sources, recursive)
    given = _masks_of([] if _is_one_folder(sources, masks) else masks, recursive)
    _check_output_folder([*sources, *masks], out)
    images = _without_masks(images, given, left_aside)
    if not images:
        raise _nothing_found(sources)
    beside = {} if given.all else _beside(images)
    if masks and not given.all and not beside:
        raise _in_one_folder(masks[0])
    inputs = {image.path.resolve() for image in images}
    inputs |= {path.resolve() for path in (*given.all, *beside.values())}
    jobs: list[Job] = []
    for image in images:
        chosen, problem = _choose(given, image, beside.get(image.path))
        for mask in chosen:
            suffix = f"-{mask.stem}" if mask is not None and len(given.files) > 1 else ""
            files = ResultFiles(
                out / image.folder,
                image.path.stem + suffix,
                num_variants,
                result_suffix(image.path, result_format),
            )
            job_problem = problem or _overwrites(files, inputs)
            jobs.append(Job(image=image.path, mask=mask, files=files, problem=job_problem))
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


def _collect(sources: Sequence[Path], recursive: bool) -> tuple[list[_Image], dict[Path, str]]:
    images: dict[Path, _Image] = {}  # by path: overlapping patterns name a file once
    left_aside: dict[Path, str] = {}
    for source in sources:
        for path in _expand(source):
            if path.is_file():
                images[path] = _Image(path)
                continue
            listing = list_images(path, recursive=recursive)
            left_aside |= listing.left_aside
            images |= {p: _Image(p, p.parent.relative_to(path)) for p in listing.images}
    return list(images.values()), left_aside


def _expand(source: Path) -> list[Path]:
    """Return the source itself, or what a pattern stands for: not every shell expands them."""
    if source.exists():
        return [source]
    found = sorted(map(Path, glob.glob(str(source), recursive=True)))
    if not found:
        raise InputError(
            "an existing image or folder",
            str(source),
            "Check the path.",
            problem=f"The image or folder {source} does not exist.",
        )
    return found


def _masks_of(masks: Sequence[Path], recursive: bool) -> _Masks:
    for mask in masks:
        if not mask.exists():
            raise InputError(
                "an existing mask or folder",
                str(mask),
                "Check the path.",
                problem=f"The mask or folder {mask} does not exist.",
            )
    folders = [mask for mask in masks if mask.is_dir()]
    if not folders:
        return _Masks(tuple(dict.fromkeys(masks)))
    if len(masks) > 1:
        raise InputError(
            "mask files, or one folder of masks",
            ", ".join(map(str, masks)),
            "Put the masks into one folder.",
        )
    found = _Masks(folder=folders[0])
    for path in list_images(folders[0], recursive=recursive).images:
        place = path.parent.relative_to(folders[0])
        found.by_key[_key(place / _without_ending(path.stem))].append(path)
    if not found.by_key:
        raise InputError(
            "masks in the folder",
            f"none in {folders[0]}",
            "Check the path.",
            problem=f"The folder {folders[0]} contains no masks ({', '.join(SUFFIXES)}).",
        )
    return found


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


def _without_masks(
    images: Sequence[_Image], given: _Masks, left_aside: dict[Path, str]
) -> list[_Image]:
    """Return the images that are no masks; the masks are left aside."""
    masks = {path.resolve() for path in given.all}
    names = {image.key for image in images}
    kept = []
    for image in images:
        owner = _key(image.folder / _without_ending(image.path.stem))
        if image.path.resolve() in masks or (owner != image.key and owner in names):
            left_aside[image.path] = "a mask"
        else:
            kept.append(image)
    return kept


def _beside(images: Sequence[_Image]) -> dict[Path, Path]:
    """Return the masks beside images, NAME_mask, by the path of their image."""
    by_name: dict[tuple[Path, str], Path] = {}
    for folder in {image.path.parent for image in images}:  # each is listed once: they can be large
        for path in sorted(folder.glob("*")):
            name = _without_ending(path.stem)
            if name != path.stem and is_image_name(path):
                by_name.setdefault((folder, _key(Path(name))), path)
    owners = ((image.path, (image.path.parent, _key(Path(image.path.stem)))) for image in images)
    return {path: by_name[owner] for path, owner in owners if owner in by_name}


def _choose(
    given: _Masks, image: _Image, beside: Path | None
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
        by_result[_key(job.files.folder / job.files.stem)].append(job)
    problems = {name: _clash(same) for name, same in by_result.items()}
    return tuple(
        dataclasses.replace(
            job, problem=problems[_key(job.files.folder / job.files.stem)] or job.problem
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


def _key(path: Path) -> str:
    """Return a name as file systems see it that ignore case and compose accents."""
    return unicodedata.normalize("NFC", path.as_posix()).casefold()


def _without_ending(stem: str) -> str:
    for ending in _MASK_ENDINGS:
        if stem.lower().endswith(ending) and len(stem) > len(ending):
            return stem[: -len(ending)]
    return stem
