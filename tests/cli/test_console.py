"""The command line on any console: of any encoding, closed, piped, full."""

import os
import subprocess
import sys

import pytest

from diverse_inpainting.cli.console import echo, echo_json

NAME = "\u732b-Schl\u00f6sser"
POSIX = pytest.mark.skipif(os.name != "posix", reason="redirections of a POSIX shell")


def shell(line, folder, **environment):
    variables = {**os.environ, **environment, "PROGRAM": f"{sys.executable} -m diverse_inpainting"}
    command = ["bash", "-o", "pipefail", "-c", line]
    done = subprocess.run(command, cwd=folder, env=variables, capture_output=True, timeout=120)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def test_a_line_is_one_line(capsys):
    echo("a\nb\x1b[31m")
    echo("x" * 100_000, to_stderr=True)
    out, err = capsys.readouterr()
    assert out == "a\\nb\\x1b[31m\n"
    assert len(err) < 3000


def test_json_is_whole_and_ascii(capsys):
    echo_json({"name": NAME, "long": "\x1b" * 3000})
    out, _ = capsys.readouterr()
    assert out.isascii() and out.count("\n") == 1 and out.count("\\u001b") == 3000


@POSIX
@pytest.mark.parametrize(
    ("environment", "shown"),
    [
        ({"PYTHONIOENCODING": "utf-8"}, NAME),
        ({"PYTHONIOENCODING": "latin-1"}, None),
        ({"PYTHONIOENCODING": "ascii"}, r"\u732b-Schl\xf6sser"),
        ({"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}, "Schl"),
    ],
)
def test_what_an_encoding_lacks_is_escaped(tmp_path, environment, shown):
    environment = {"PYTHONIOENCODING": "", **environment}
    variables = {**os.environ, **environment}
    command = [sys.executable, "-m", "diverse_inpainting", "info", f"{NAME}.safetensors"]
    done = subprocess.run(command, cwd=tmp_path, env=variables, capture_output=True, timeout=120)
    assert done.returncode == 2
    assert b"Traceback" not in done.stderr and done.stderr.count(b"\n") == 1
    if shown is not None:
        assert shown in done.stderr.decode()
    else:
        assert b"\\u732b-Schl\xf6sser" in done.stderr


@POSIX
def test_closed_streams_and_readers_that_leave(tmp_path):
    (tmp_path / "x").mkdir()
    code, out, _ = shell("$PROGRAM info cats 2>&-", tmp_path)
    assert code == 0 and out.startswith("model\n")
    assert shell("$PROGRAM info absent 2>&-", tmp_path)[0] == 2
    assert shell("$PROGRAM info cats >&-", tmp_path) == (0, "", "")
    code, out, err = shell("$PROGRAM info cats | head -n 1", tmp_path)
    assert (out, err) == ("model\n", "")
    assert shell("$PROGRAM info cats | true", tmp_path)[1:] == ("", "")


@POSIX
@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="Linux's full device")
def test_a_full_disk_is_one_sentence(tmp_path):
    code, _, err = shell("$PROGRAM info cats > /dev/full", tmp_path)
    assert code == 2 and err.startswith("Cannot read or write: No space left")
    assert err.count("\n") == 1
