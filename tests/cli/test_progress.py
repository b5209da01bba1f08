"""Progress on a terminal, and line by line where there is none."""

import io
import sys

import pytest

from diverse_inpainting.cli.progress import display, display_fraction, duration


class Terminal(io.StringIO):
    def isatty(self):
        return True


def open_terminal(monkeypatch):
    """Not a fixture: before each test, pytest puts its own stderr there."""
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "80")
    stream = Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    return stream


def test_lines_are_written_as_they_come_without_a_terminal(capsys):
    with display(7, "images") as (say, advance):
        say("the first [of two]")
        assert capsys.readouterr().err == "the first [of two]\n"
        assert not advance(3, "a minute left")
    assert capsys.readouterr() == ("", "")


def test_a_terminal_shows_a_bar_below_the_lines(monkeypatch, capsys):
    terminal = open_terminal(monkeypatch)
    with display(7, "images") as (say, advance):
        say("the first [of two]")
        assert advance(3, "a minute left")
    shown = terminal.getvalue()
    assert "the first [of two]" in shown, "brackets are no markup"
    assert "3/7" in shown and "images, a minute left" in shown
    assert capsys.readouterr().out == ""


def test_a_task_is_written_once_without_a_terminal(capsys):
    with display_fraction() as show:
        for fraction, task in ((0.0, "reading"), (0.126, "measuring"), (0.5, "measuring")):
            show(fraction, task)
    assert capsys.readouterr().err == "0%: reading\n13%: measuring\n"


def test_a_terminal_shows_the_fraction(monkeypatch):
    terminal = open_terminal(monkeypatch)
    with display_fraction() as show:
        show(0.126, "measuring")
    shown = terminal.getvalue()
    assert "13/100" in shown and ", measuring" in shown and "13%: measuring" not in shown


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0:00:00"),
        (59.4, "0:00:59"),
        (59.6, "0:01:00"),
        (3661, "1:01:01"),
        (36e4, "100:00:00"),
    ],
)
def test_durations(seconds, text):
    assert duration(seconds) == text
