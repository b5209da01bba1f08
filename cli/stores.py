"""Object stores: their files as names in a folder, and copies of one image's files at a time.

A folder stands for all stores: FOLDER/s3/bucket/a.png for s3://bucket/a.png. What pairs images with
masks and names results works on it as on any folder; its files are empty unless they were fetched.
"""

import contextlib
import os
import re
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

from ..core.errors import DiverseInpaintingError, InputError
from .pairing import Job
from .result_files import ResultFiles

_URL = re.compile(r"([a-z][a-z0-9+.-]+)://(/?)(.*)", re.DOTALL)  # C:/ has no scheme
_ROOT = "%2F"  # for the slash that some paths begin with, as in hdfs:///a
_LOCAL = "file://"
_PROBE = ".diverse-inpainting-probe"


def is_url(text: str) -> bool:
    """Return whether a text names an object store; file:// is a local path."""
    return _URL.fullmatch(text) is not None and not text.startswith(_LOCAL)


@dataclass(frozen=True)
class Stores:
    """A folder that stands for object stores."""

    folder: Path

    def path(self, url: str) -> Path:
        """Return the path that stands for a URL.

        Raises:
            InputError: the URL has parts that lead elsewhere.
        """
        found = _URL.fullmatch(url)
        assert found, "the caller has asked is_url"
        scheme, slash, rest = found.groups()
        rest = rest.rstrip("/")
        _check_name(rest, url)
        return self.folder / scheme / (_ROOT if slash else "") / rest

    def url(self, path: Path) -> str | None:
        """Return the URL that a path stands for; None for a local one."""
        if not path.is_relative_to(self.folder):
            return None
        scheme, *parts = path.relative_to(self.folder).parts
        slash = parts[:1] == [_ROOT]
        return f"{scheme}://{'/' if slash else ''}{'/'.join(parts[slash:])}"

    def shown(self, text: object) -> str:
        """Return a text with the URLs that paths in it stand for."""
        inside = re.escape(str(self.folder) + os.sep) + r"([a-z0-9+.-]+)" + re.escape(os.sep)
        pattern = rf"{inside}({re.escape(_ROOT + os.sep)})?"
        return re.sub(pattern, lambda found: f"{found[1]}://{'/' if found[2] else ''}", str(text))

    def mirror(self, url: str, *, recursive: bool, beside: bool) -> Path:
        """Create the files of a folder or a pattern, or fetch one file; return what stands for it.

        Args:
            url: may be absent; nothing is created then.
            recursive: whether to look into subfolders.
            beside: whether files beside a single one are wanted as well.

        Raises:
            InputError: a name in the store that leads out of its folder, or an unusable store.
        """
        with explained(url):
            fs, place = _open(url)
            folder = url.rstrip("/")
            if fs.isfile(place):
                self.fetch(url)
                folder = url.rpartition("/")[0]
                if not beside:
                    return self.path(url)
            elif (magic := re.search(r"[*?[]", url)) and not fs.isdir(place):
                folder = url[: magic.start()].rpartition("/")[0]
                recursive = "/" in url[magic.start() :]
            for name, is_folder in _names(folder, recursive):
                self._create(f"{folder}/{name}", is_folder)
        return self.path(url)

    def _create(self, url: str, is_folder: bool) -> None:
        path = self.path(url)
        (path if is_folder else path.parent).mkdir(parents=True, exist_ok=True)
        if not is_folder:
            path.touch()

    def fetch(self, url: str) -> None:
        """Copy a file from its store."""
        fs, place = _open(url)
        path = self.path(url)
        path.parent.mkdir(parents=True, exist_ok=True)
        with explained(url):
            fs.get_file(place, str(path))

    def fetch_existing(self, paths: Sequence[Path]) -> None:
        """Copy those of several files that exist, and date them to 1970: they are not new."""
        with ThreadPoolExecutor(len(paths)) as pool:
            list(pool.map(self._fetch_if_there, paths))

    def _fetch_if_there(self, path: Path) -> None:
        url = str(self.url(path))
        with explained(url):
            fs, place = _open(url)
            try:
                data = fs.cat_file(place)
            except FileNotFoundError:
                return
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        os.utime(path, (0, 0))

    def upload(self, path: Path) -> None:
        """Copy a file into its store."""
        url = str(self.url(path))
        with explained(url):
            fs, place = _open(url)
            _make_parents(fs, place)
            fs.put_file(str(path), place)

    def remove(self, path: Path) -> None:
        """Remove a file from its store."""
        url = str(self.url(path))
        with explained(url):
            fs, place = _open(url)
            fs.rm_file(place)

    def check_writable(self, folder: Path) -> None:
        """Write a small file into a folder of a store, and remove it.

        Raises:
            InputError: it cannot be written to.
        """
        probe = folder / _PROBE
        probe.parent.mkdir(parents=True, exist_ok=True)
        probe.touch()
        self.upload(probe)
        self.remove(probe)
        probe.unlink()

    def stage(self, job: Job, there: "Stores") -> Job:
        """Copy a job's files to another folder, existing results, too; local ones stay.

        Returns:
            The job with the copies.

        Raises:
            InputError: a store cannot be read.
        """

        def move(path: Path) -> Path:
            return there.folder / path.relative_to(self.folder) if self.url(path) else path

        mask = None if job.mask is None else move(job.mask)
        files = replace(job.files, folder=move(job.files.folder))
        copy = replace(job, image=move(job.image), mask=mask, files=files)
        for path in (copy.image, copy.mask):
            if path is not None and (url := there.url(path)):
                there.fetch(url)
        if there.url(files.folder):
            there.fetch_existing([*files.results, files.sheet, files.marker])
        return copy


def upload_results(files: ResultFiles, there: Stores) -> None:
    """Copy what was written of staged results to their store.

    As on a disk, a marker lies there meanwhile: after a kill the next run makes all of them again.

    Raises:
        InputError: the store cannot be written to.
    """
    paths = (*files.results, files.sheet)
    written = [path for path in paths if path.exists() and path.stat().st_mtime_ns]
    if not written or there.url(files.folder) is None:
        return
    files.marker.touch()
    for path in (files.marker, *written):
        there.upload(path)
    there.remove(files.marker)


@contextlib.contextmanager
def explained(url: str) -> Iterator[None]:
    """Turn any error of a store into an InputError: each store has its own kinds.

    Raises:
        InputError: the block failed.
    """
    try:
        yield
    except DiverseInpaintingError:
        raise
    except ImportError as error:  # "Install s3fs to access S3"
        raise InputError(
            "the package for this kind of store",
            f"none for {url}",
            "Install it on every machine.",
            problem=f"{url} cannot be opened: {str(error).rstrip('.')}.",
        ) from error
    except Exception as error:
        reason = str(error) or type(error).__name__
        raise InputError(
            f"{url} to be usable",
            reason,
            "Check the address, its permissions and the network.",
            problem=f"{url} cannot be read or written: {reason.rstrip('.')}.",
        ) from error


def _open(url: str) -> tuple[Any, str]:
    """Return the file system of a URL, and its name there."""
    from fsspec.core import url_to_fs

    fs, place = url_to_fs(url)
    return fs, str(place)


def _names(url: str, recursive: bool) -> Iterator[tuple[str, bool]]:
    """Yield the names below a folder, and whether they are folders themselves."""
    fs, base = _open(url)
    prefix = base.rstrip("/") + "/"
    found = fs.find(base, maxdepth=None if recursive else 1, withdirs=True, detail=True)
    for place, facts in found.items():
        if place.rstrip("/") + "/" != prefix:  # the folder itself, in some stores
            yield place.removeprefix(prefix).removesuffix("/"), facts["type"] == "directory"


def _make_parents(fs: Any, place: str) -> None:  # noqa: ANN401 - every store has its own class
    """Create folders where a store has any, but no bucket: that is a misspelt one."""
    slash = "/" if place.startswith("/") else ""
    top = slash + PurePosixPath(place.lstrip("/")).parts[0]
    if slash or fs.exists(top):
        fs.makedirs(place.rpartition("/")[0], exist_ok=True)


def _check_name(name: str, url: str) -> None:
    """Refuse names that lead out of their folder, or that a disk could not hold as they are."""
    parts = name.split("/")
    if any(part in ("", ".", "..", _ROOT) for part in parts) or re.search(r"[\\\x00]|::", name):
        raise InputError(
            "plain names in the store",
            url,
            "Rename it there, or do not trust this store.",
            problem=f"{url} has a name that leads out of its folder or is no file's.",
        )
