"""Foreign text: nothing in it acts on a terminal, honest names stay as they are."""

import logging
import re

import pytest

from diverse_inpainting.core.printable import get_logger, is_printable, listed, printable, shown
from layering import AREAS


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a photo (1).png",
        "C:\\Bilder\\Schl\u00f6sser.png",
        "\u732b\u3068\u72ac",
        "\u05d7\u05ea\u05d5\u05dc, \u0642\u0637\u0629, \u0645\u06cc\u200c\u062e",
        "\U0001f468\u200d\U0001f469\u200d\U0001f467 \u2764\ufe0f \U0001f1e9\U0001f1ea",
        "100 % {x} [bold]",
    ],
)
def test_honest_text_stays(text):
    assert printable(text) == text
    assert is_printable(text)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("\x1b[31mred", r"\x1b[31mred"),
        ("a\nb\r\tc\0", r"a\nb\r\tc\x00"),
        ("\x7f\x9b\u0085", r"\x7f\x9b\x85"),
        ("\u202egnp.a\u2069\u200f", r"\u202egnp.a\u2069\u200f"),
        ("\u2028\u2029", r"\u2028\u2029"),
        ("caf\udce9", r"caf\udce9"),
    ],
)
def test_what_acts_on_a_terminal_is_escaped(text, wanted):
    assert printable(text) == wanted
    assert not is_printable(text)


@pytest.mark.parametrize("length", [1000, 500_000])
def test_long_text_keeps_its_ends(length):
    text = printable("first" + "\x1b" * length + "last", max_length=200)
    assert len(text) == 200
    assert text.startswith("first\\x1b") and " ... " in text and text.endswith("last")


def test_text_of_the_full_length_is_whole():
    assert printable("x" * 200, max_length=200) == "x" * 200


def test_any_value_is_shown():
    assert shown("\x1b") == r"'\x1b'"
    assert shown(3.5) == "3.5"
    assert len(shown("x" * 1000)) == 80
    assert shown(10**5000) == "one int"


def test_what_is_logged_is_printable(caplog):
    logger = get_logger("diverse_inpainting.test")
    assert get_logger("diverse_inpainting.test") is logger and len(logger.filters) == 1
    logger.warning("%s is %d bytes\n", "\x1b[31m.png", 3)
    assert caplog.messages == [r"\x1b[31m.png is 3 bytes\n"]


def test_every_module_logs_through_it(root):
    plain = re.compile(r"logging\.getLogger\(__name__\)|logging\.(warning|error|info)\(")
    modules = [path for area in AREAS for path in (root / area).rglob("*.py")]
    assert len(modules) > 80
    found = [path.name for path in modules if plain.search(path.read_text(encoding="utf-8"))]
    assert found == []
    assert isinstance(get_logger(__name__), logging.Logger)


def test_long_lists_end_with_a_count():
    assert listed(["a", "b"], 2) == "a, b"
    assert listed(["a", "b", "c", "d"], 2) == "a, b and 2 more"
    assert listed([], 2) == ""
