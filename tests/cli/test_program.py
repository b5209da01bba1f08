"""The program as a whole: how fast it answers, and how it fails."""

import resource
import subprocess
import sys

import pytest

from answers import refused
from diverse_inpainting.cli import main as command_line
from diverse_inpainting.core.inpainter import CROP_MODES, SKIP_SOURCES


def test_help_imports_nothing_but_typer():
    code = (
        "import sys; sys.argv[1:] = ['--help']\n"
        "from diverse_inpainting.__main__ import main\n"
        "try: main()\n"
        "except SystemExit: print({'torch', 'numpy', 'PIL', 'rich'} & {*sys.modules})"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert answer.stdout.endswith("set()\n"), answer.stdout + answer.stderr
    for name in ("demo", "inpaint", "info", "train"):
        assert f"  {name} " in answer.stdout


def test_help_answers_at_once():
    spent = []
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, "-m", "diverse_inpainting", "--help"], check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        spent.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    assert min(spent) < 0.3


def test_help_names_the_choices_that_core_has(run):
    text = " ".join(run("inpaint", "--help").out.split())
    assert all(choice in text for choice in (*CROP_MODES, *SKIP_SOURCES))


def test_no_command_and_an_unknown_option_are_wrong_use(run):
    assert run().code == 2
    assert run("inpaint", "a.png", "--out", "o", "--nonsense").code == 2


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (PermissionError(13, "Permission denied", "x.png"), "Permission denied (x.png)"),
        (ModuleNotFoundError("no rich", name="rich"), "Install diverse-inpainting[cli]"),
    ],
)
def test_refusals_of_the_system_are_one_sentence(run, monkeypatch, error, words):
    def fail(**_):
        raise error

    monkeypatch.setattr(command_line, "app", fail)
    answer = run("info")
    assert refused(answer) and words in answer.err


def test_a_broken_package_is_no_missing_dependency(monkeypatch):
    def fail(**_):
        raise ModuleNotFoundError("no", name="diverse_inpainting.core.absent")

    monkeypatch.setattr(command_line, "app", fail)
    with pytest.raises(ModuleNotFoundError):
        command_line.main()
