"""What the command line writes: any text, on any console, without acting on the terminal."""

import contextlib
import json
import os
import sys
from typing import TextIO

from ..core.printable import printable

_STANDARD = 3  # stdin, stdout, stderr


def prepare_streams() -> None:
    """Make stdout and stderr usable whatever they are: closed, or of an encoding without umlauts.

    What an encoding lacks is escaped. A closed stream becomes a sink, and its number is taken, so
    that no file that is opened later gets what is written to stderr.
    """
    while (number := os.open(os.devnull, os.O_RDWR)) < _STANDARD:
        os.set_inheritable(number, True)
    os.close(number)
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115 - for good
        elif hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def finish_streams() -> None:
    """Write out what is buffered; a reader that has gone, as in `| head`, is no error.

    Raises:
        OSError: stdout cannot be written, on a full disk for instance.
    """
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except BrokenPipeError:
            discard(stream)
        except OSError:
            discard(stream)
            raise


def discard(stream: TextIO) -> None:
    """Send the rest of a stream nowhere, so that Python does not fail on it when it exits."""
    with contextlib.suppress(OSError, ValueError):
        sink = os.open(os.devnull, os.O_WRONLY)
        os.dup2(sink, stream.fileno())
        os.close(sink)


def echo(line: object, *, to_stderr: bool = False) -> None:
    """Write one line; control characters are escaped, and an endless line is shortened."""
    stream = sys.stderr if to_stderr else sys.stdout
    print(printable(line), file=stream, flush=to_stderr)


def echo_json(value: object, *, indent: int | None = None) -> None:
    """Write JSON in ASCII at once: a line of its own unless it is indented."""
    print(json.dumps(value, indent=indent), flush=True)
