"""Progress on the terminal; all of it goes to stderr."""

import contextlib
import sys
from collections.abc import Callable, Iterator

from ..core.printable import printable
from .console import echo

_PERCENT = 100

Say = Callable[[str], None]
"""Writes one line."""
Advance = Callable[[int, str], bool]
"""(completed, text) moves the bar; returns whether a bar is shown."""

OnProgress = Callable[[float, str], None]
"""(the fraction done, the current task)"""


@contextlib.contextmanager
def display(total: int, unit: str) -> Iterator[tuple[Say, Advance]]:
    """Yield functions that write a line and move a progress bar.

    If stderr is not a terminal there is no bar, and lines are written as they come.

    Args:
        total: the bar's end.
        unit: what is counted, in the plural.
    """
    if not sys.stderr.isatty():
        yield _write_line, lambda completed, text: False
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns = (BarColumn(), MofNCompleteColumn(), TextColumn(unit + "{task.fields[text]}"))
    with Progress(*columns, console=Console(stderr=True), redirect_stdout=False) as bar:
        task = bar.add_task("", total=total, text="")

        def say(line: str) -> None:
            bar.console.print(printable(line), markup=False, highlight=False, soft_wrap=True)

        def advance(completed: int, text: str) -> bool:
            bar.update(task, completed=completed, text=f", {printable(text)}")
            return True

        yield say, advance


@contextlib.contextmanager
def display_fraction() -> Iterator[OnProgress]:
    """Yield a function that shows (the fraction done, the current task).

    If stderr is not a terminal, it writes one line per task.
    """
    with display(_PERCENT, "%") as (say, advance):
        shown = ""

        def show(fraction: float, task: str) -> None:
            nonlocal shown
            percent = round(_PERCENT * fraction)
            if not advance(percent, task) and task != shown:
                say(f"{percent}%: {task}")
            shown = task

        yield show


def _write_line(line: str) -> None:
    echo(line, to_stderr=True)


def duration(seconds: float) -> str:
    """Return a time as hours:minutes:seconds."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}"
