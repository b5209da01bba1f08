"""Text from files, made safe to show: it may hold terminal codes, or be half a megabyte long."""

import logging
import re
from collections.abc import Sequence

MAX_LENGTH = 2000
"""Characters of foreign text that are shown: more than any honest name, message or list needs."""

_ELLIPSIS = " ... "

# Control characters (terminal codes, line ends), direction overrides, Unicode's line and paragraph
# separators, and the surrogates that stand for undecodable bytes of file names. What scripts and
# emoji are written with stays, joiners and variation selectors included.
_UNPRINTABLE = re.compile(
    "[\\x00-\\x1f\\x7f-\\x9f\\u061c\\u200e\\u200f\\u2028-\\u202e\\u2066-\\u2069\\ud800-\\udfff]"
)


def is_printable(text: str) -> bool:
    """Return whether a text can be shown as it is, in one line."""
    return _UNPRINTABLE.search(text) is None


def printable(text: object, max_length: int = MAX_LENGTH) -> str:
    r"""Return a text in one line that no terminal acts on: escape as \n, \x1b and \u202e.

    Args:
        text: shown as str() gives it.
        max_length: in characters; a longer text loses its middle, for which three dots stand.
    """
    short = _shorten(str(text), max_length)  # before escaping, so that the work is bounded, too
    escaped = _UNPRINTABLE.sub(lambda found: found[0].encode("unicode_escape").decode(), short)
    return _shorten(escaped, max_length)


def shown(value: object, max_length: int = 80) -> str:
    """Return the repr of any value, for a message; its type where Python has no repr of it."""
    try:
        return printable(repr(value), max_length)
    except (ValueError, RecursionError):  # numbers of thousands of digits, nested lists
        return f"one {type(value).__name__}"


def counted(count: int, noun: str) -> str:
    """Return "1 image" or "2 images"."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def listed(names: Sequence[str], most: int) -> str:
    """Return "a, b, c", or "a, b and 5 more" where there are more than so many."""
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more} more" if more > 0 else "")


def _shorten(text: str, max_length: int) -> str:
    if len(text) <= max_length:
        return text
    kept = max_length - len(_ELLIPSIS)
    tail = kept // 3
    return text[: kept - tail] + _ELLIPSIS + text[-tail:]


class _Printable(logging.Filter):
    """Makes the text of each record printable; lets all of them pass."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = printable(record.getMessage()), ()
        return True


_FILTER = _Printable()


def get_logger(name: str) -> logging.Logger:
    """Return the logger of a module of this pack: what it logs is printable, whoever shows it."""
    logger = logging.getLogger(name)
    logger.addFilter(_FILTER)
    return logger
