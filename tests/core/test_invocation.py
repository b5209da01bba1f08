"""Commands in messages can be typed as they stand."""

import os
import shlex
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from diverse_inpainting.core import invocation
from diverse_inpainting.core.invocation import command_line, command_of

SCRIPTS = Path(sysconfig.get_path("scripts"))


def test_the_programs_name_where_it_is_installed(monkeypatch):
    monkeypatch.setattr(invocation.shutil, "which", lambda name: str(SCRIPTS / name))
    assert command_line("info", "a b") == "diverse-inpainting info 'a b'"


@pytest.mark.parametrize("found", [None, "/elsewhere/diverse-inpainting"])
def test_the_interpreter_and_the_folder_where_it_is_not(monkeypatch, found, root, tmp_path):
    monkeypatch.setattr(invocation.shutil, "which", lambda name: found)
    command = command_line("--version")
    assert shlex.split(command) == [sys.executable, str(root), "--version"]
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    answer = subprocess.run(
        command, shell=True, cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert answer.stdout.startswith("diverse-inpainting "), answer.stderr


def test_a_folder_that_runs_hides_no_module_of_others(root, tmp_path):
    """It has a `nodes` and a `training`, as ComfyUI and others do."""
    (tmp_path / "clone.x").symlink_to(root, target_is_directory=True)
    code = (
        "import runpy, sys; sys.argv[1:] = ['--version']\n"
        "try: runpy.run_path(sys.argv[0], run_name='__main__')\n"
        "except SystemExit: pass\n"
        "import diverse_inpainting, importlib.util as u\n"
        "print(diverse_inpainting.__name__, u.find_spec('training'), u.find_spec('nodes'))"
    )
    command = [sys.executable, "-I", "-c", f"import sys; sys.argv[0] = 'clone.x'\n{code}"]
    answer = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert answer.stdout.splitlines()[1:] == ["diverse_inpainting None None"], answer.stderr


def test_windows_quotes_only_what_has_spaces(monkeypatch):
    monkeypatch.setattr(invocation.os, "name", "nt")
    words = (r"C:\ComfyUI\python.exe", r"C:\my models\a.pkl", "convert")
    assert command_of(*words) == r'C:\ComfyUI\python.exe "C:\my models\a.pkl" convert'
