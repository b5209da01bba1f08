"""Which picture files are meant, and which mask belongs to which."""

import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..core.errors import InputError
from ..core.image_files import SUFFIXES

_ByStem = dict[str, list[Path]]


@dataclass(frozen=True, kw_only=True)
class Job:
    """A picture and its mask, or why they cannot be used."""

    picture: Path
    mask: Path | None = None
    """None takes what is transparent in the picture."""
    problem: InputError | None = None


def plan_jobs(source: Path, masks: Path | None, out: Path) -> tuple[Job, ...]:
    """Pair pictures with masks.

    1. A folder stands for the pictures right in it, by name; hidden files are left aside.
    2. A mask file is for all pictures; from a folder of masks each picture takes the one with its
       stem (file name without ending); without masks what is transparent is the hole.
    3. Pictures whose results would have one name are all refused, so that nothing depends on order.

    Args:
        source: a picture or a folder.
        masks: a mask, a folder, or None.
        out: folder of the results.

    Raises:
        InputError: nothing to do, or the results would land among pictures or masks.
    """
    pictures = _files_of(source, "picture")
    mask_files = [] if masks is None else _files_of(masks, "mask")
    _check_folders(source, masks, out)
    stems, mask_stems = _by_stem(pictures), _by_stem(mask_files)
    jobs = []
    for picture in pictures:
        mask, problem = masks, None
        if masks is not None and masks.is_dir():
            mask, problem = _choose(mask_stems, picture, masks)
        if len(stems[_key(picture)]) > 1:
            problem = _clash(stems[_key(picture)])
        jobs.append(Job(picture=picture, mask=mask, problem=problem))
    return tuple(jobs)


def unused_masks(jobs: Iterable[Job], masks: Path | None) -> tuple[Path, ...]:
    """Return the masks of a folder that belong to no picture."""
    if masks is None or not masks.is_dir():
        return ()
    used = {_key(job.picture) for job in jobs}
    return tuple(path for path in _files_of(masks, "mask") if _key(path) not in used)


def _files_of(source: Path, what: str) -> list[Path]:
    """Return the file itself, or the pictures in a folder."""
    if source.is_file():
        return [source]
    if not source.is_dir():
        raise InputError(f"a {what} or a folder of {what}s", f"{source}, which is not there", _PATH)
    files = [p for p in source.iterdir() if p.suffix.lower() in SUFFIXES and p.is_file()]
    files = sorted(path for path in files if not path.name.startswith("."))
    if not files:
        got = f"{source} without any (looked for {', '.join(SUFFIXES)})"
        raise InputError(f"{what}s in the folder", got, _PATH)
    return files


_PATH = "Check the path."


def _check_folders(source: Path, masks: Path | None, out: Path) -> None:
    folders = [path for path in (source, masks) if path is not None and path.is_dir()]
    if any(path.resolve() == out.resolve() for path in folders):
        raise InputError(
            "a folder for the results that holds neither the pictures nor the masks",
            str(out),
            "Give another one: the next run would take results for pictures.",
        )
    if len({path.resolve() for path in folders}) < len(folders):
        raise InputError("masks in a folder of their own", str(masks), "Move the masks.")


def _key(path: Path) -> str:
    """Return the stem as the file systems see it that know no case and compose accents."""
    return unicodedata.normalize("NFC", path.stem).casefold()


def _by_stem(paths: Sequence[Path]) -> _ByStem:
    found: _ByStem = defaultdict(list)
    for path in paths:
        found[_key(path)].append(path)
    return found


def _choose(masks: _ByStem, picture: Path, folder: Path) -> tuple[Path | None, InputError | None]:
    candidates = masks.get(_key(picture), [])
    if len(candidates) == 1:
        return candidates[0], None
    names = " and ".join(path.name for path in candidates) or "none"
    remedy = "Keep one of them." if candidates else "Add it, or take the picture away."
    return None, InputError(f"one mask named {picture.stem} in {folder}", names, remedy)


def _clash(pictures: Sequence[Path]) -> InputError:
    return InputError(
        "pictures with different names, endings aside, since results are named after them",
        " and ".join(path.name for path in pictures),
        "Rename all but one.",
    )
