"""The command line in this process, in an empty folder, with a tiny model."""

import sys

import pytest

import answers
from diverse_inpainting.cli import main as command_line


@pytest.fixture
def run(capsys, monkeypatch, tmp_path):
    """Run a command line in this process, in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def answer(*arguments):
        monkeypatch.setattr(sys, "argv", ["diverse-inpainting", *map(str, arguments)])
        code = 0
        try:
            command_line.main()
        except SystemExit as end:
            code = end.code or 0
        out, err = capsys.readouterr()
        assert "Traceback" not in out + err
        return answers.Answer(code, out, err)

    return answer


@pytest.fixture
def inpaint(run, tiny_checkpoint):
    """Run `inpaint` with the tiny model, two variants by default."""

    def answer(*arguments):
        return run("inpaint", "--model", tiny_checkpoint, "--variants", 2, *arguments)

    return answer
