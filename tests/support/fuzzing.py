"""The command line on hostile files, in this process, and what it must never do with them."""

import contextlib
import io
import os
import re
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

import hostile_files
from hostile_files import Sound

FAULTS = ("traceback", "hang", "escape", "endless line", "outside")
LIMIT_S = 30.0
"""Of computing; a busy machine may take longer."""
WAITING_LIMIT_S = 300.0
_LONGEST_LINE = 20_000
_ESCAPES = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_WRITTEN = {  # which argument of an audit event is what is written
    **dict.fromkeys(("os.mkdir", "os.remove", "os.rmdir", "os.truncate", "os.chmod"), 0),
    **dict.fromkeys(("os.rename", "os.link", "os.symlink"), 1),
}


class _TooLongError(BaseException):
    """Not an Exception: nothing may catch it on the way."""


@dataclass
class Watch:
    """What is written where, while a command runs."""

    allowed: Path | None = None
    """None does not watch."""
    outside: list[str] = field(default_factory=list)

    def hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self.allowed is None:
            return
        index = _WRITTEN.get(event)
        if event == "open" and isinstance(arguments[0], str | bytes) and arguments[2] & _WRITES:
            index = 0
        if index is not None:
            self._note(arguments[index])

    def _note(self, path: str | bytes | int) -> None:
        if isinstance(path, int) or self.allowed is None:
            return
        name = os.path.realpath(os.fsdecode(path))
        is_inside = name == str(self.allowed) or name.startswith(f"{self.allowed}{os.sep}")
        if not is_inside and name != os.devnull and "__pycache__" not in name:
            self.outside.append(name)


_WATCH = Watch()
sys.addaudithook(_WATCH.hook)


def faults(arguments: list[str], folder: Path) -> dict[str, str]:
    """Run a command line in a folder; return what went wrong, with evidence, by name of FAULTS."""
    found: dict[str, str] = {}
    started = time.process_time()
    with _captured() as (out, err), _inside(folder, arguments), _limited():
        _WATCH.allowed, _WATCH.outside = folder.resolve() / "out", []
        try:
            _main()
        except SystemExit:
            pass
        except _TooLongError:
            found["hang"] = "interrupted"
        except BaseException:
            found["traceback"] = traceback.format_exc()
        finally:
            _WATCH.allowed = None
    taken = time.process_time() - started
    if taken > LIMIT_S:
        found["hang"] = f"{taken:.1f} s"
    text = out.getvalue().decode("utf-8", "backslashreplace")
    text += err.getvalue().decode("utf-8", "backslashreplace")
    if "Traceback (most" in text:
        found["traceback"] = text[-2000:]
    if escape := _ESCAPES.search(text):
        found["escape"] = repr(text[max(escape.start() - 80, 0) : escape.end() + 40])
    if max(map(len, text.split("\n"))) > _LONGEST_LINE:
        found["endless line"] = text[:200]
    if _WATCH.outside:
        found["outside"] = ", ".join(_WATCH.outside)
    return found


def _main() -> None:
    from diverse_inpainting.cli.main import main

    main()


@contextlib.contextmanager
def _captured() -> Iterator[tuple[io.BytesIO, io.BytesIO]]:
    out, err = io.BytesIO(), io.BytesIO()
    streams = [io.TextIOWrapper(raw, "utf-8", errors="backslashreplace") for raw in (out, err)]
    with contextlib.redirect_stdout(streams[0]), contextlib.redirect_stderr(streams[1]):
        yield out, err
        for stream in streams:
            stream.flush()
    for stream in streams:
        stream.detach()


@contextlib.contextmanager
def _inside(folder: Path, arguments: list[str]) -> Iterator[None]:
    before, sys.argv = sys.argv, ["diverse-inpainting", *arguments]
    try:
        with contextlib.chdir(folder):
            yield
    finally:
        sys.argv = before


@contextlib.contextmanager
def _limited() -> Iterator[None]:
    def stop(number: int, frame: FrameType | None) -> None:
        raise _TooLongError

    timers = ((signal.ITIMER_PROF, signal.SIGPROF, LIMIT_S),
              (signal.ITIMER_REAL, signal.SIGALRM, WAITING_LIMIT_S))  # fmt: skip
    before = [signal.signal(number, stop) for _, number, _ in timers]
    for timer, _, seconds in timers:
        signal.setitimer(timer, seconds, seconds)  # again, while threads are waited for
    try:
        yield
    finally:
        for (timer, number, _), handler in zip(timers, before, strict=True):
            signal.setitimer(timer, 0)
            signal.signal(number, handler)


Result = tuple[str, int, dict[str, str]]
"""Kind and number of a case, and its faults."""


def run(num: int, seed: int, sound: Sound, first: int = 0) -> Iterator[Result]:
    """Make and run each case, from the first to number num - 1."""
    for number, kind in enumerate(hostile_files.kinds(num)):
        if number < first:
            continue
        folder = Path(tempfile.mkdtemp(prefix="fuzz-"))
        try:
            arguments = hostile_files.make(kind, seed, number, folder, sound)
            yield kind, number, faults(arguments, folder)
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def make_sound(folder: Path, model: Path) -> Sound:
    """Write the sound files that cases start from."""
    import matplotlib.pyplot  # noqa: F401 - writes to the user's cache when it is first imported
    import numpy as np
    from PIL import Image

    from diverse_inpainting.core.checkpoint import inspect_checkpoint

    config = inspect_checkpoint(model).config.generator
    pixels = np.random.default_rng(0).integers(0, 256, (40, 36, 3), dtype=np.uint8)
    hole = np.zeros((40, 36), np.uint8)
    hole[10:20, 8:30] = 255
    Image.fromarray(pixels).save(folder / "picture.png")
    Image.fromarray(hole).save(folder / "hole.png")
    _write_direction(folder / "direction.safetensors", model, config.w_dim)
    return Sound(model, folder / "direction.safetensors", folder / "picture.png",
                 folder / "hole.png")  # fmt: skip


def _write_direction(path: Path, model: Path, w_dim: int) -> None:
    import torch

    from diverse_inpainting.core.checkpoint import inspect_checkpoint
    from diverse_inpainting.core.directions import Direction, write_direction

    owner = inspect_checkpoint(model).generator_id
    found = Direction(name="d", vector=torch.ones(w_dim), generator_id=owner, first_layer=0,
                      last_layer=1)  # fmt: skip
    write_direction(path, found)
