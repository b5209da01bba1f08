"""The program as a whole: how fast it answers, and how it fails."""

import resource
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import diverse_inpainting as pack
from diverse_inpainting.cli import main as command_line
from diverse_inpainting.core.blending import BLENDS
from diverse_inpainting.core.directions import SCORES, bundled_direction_names
from diverse_inpainting.core.inpainter import CROP_MODES, SKIP_SOURCES
from diverse_inpainting.training.stages import STAGES

EXTRAS = [
    ("training", ("accelerate", "matplotlib", "scikit-learn", "tensorboard")),
    ("metrics", ("lpips", "torch-fidelity")),
    ("scale", ("fsspec", "ray")),
]


def test_help_imports_nothing_but_typer():
    code = (
        "import sys; sys.argv[1:] = ['--help']\n"
        "from diverse_inpainting.__main__ import main\n"
        "try: main()\n"
        "except SystemExit: print({'torch', 'numpy', 'PIL', 'rich'} & {*sys.modules})"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert answer.stdout.endswith("set()\n"), answer.stdout + answer.stderr
    for name in ("demo", "inpaint", "scale", "info", "convert", "directions", "train", "evaluate"):
        assert f"  {name} " in answer.stdout


def test_help_answers_at_once():
    spent = []
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, "-m", "diverse_inpainting", "--help"], check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        spent.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    assert min(spent) < 0.3


def choices(folder):
    return ",".join(sorted(path.stem for path in (Path(pack.__file__).parent / folder).iterdir()))


NAMED = ",".join(name.replace(" ", "-") for name in bundled_direction_names())


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("inpaint", ("|".join(CROP_MODES), "|".join(SKIP_SOURCES), "|".join(BLENDS), NAMED)),
        ("directions interfacegan", (",".join(SCORES), NAMED)),
        ("train", ("|".join(STAGES), choices("training/recipes"))),
    ],
)
def test_help_lists_the_choices_that_there_are(run, command, expected):
    # Of options: typer 0.19 shows no help of arguments.
    text = "".join(run(*command.split(), "--help").out.split())  # it breaks lines at hyphens
    assert all(choice in text for choice in expected)


def test_no_command_and_an_unknown_option_are_wrong_use(run):
    assert run().code == 2
    assert run("inpaint", "a.png", "--out", "o", "--nonsense").code == 2


@pytest.mark.parametrize("arguments", [("--version",), ("--version", "info", "absent")])
def test_version(run, arguments):
    answer = run(*arguments)
    assert (answer.code, answer.out) == (0, f"diverse-inpainting {pack.__version__}\n")


def test_the_shell_completes_commands_and_options(run, monkeypatch):
    monkeypatch.setenv("_DIVERSE_INPAINTING_COMPLETE", "complete_bash")
    for typed, last, expected in (("in", 1, {"info", "inpaint"}), ("info --m", 2, {"--measure"})):
        monkeypatch.setenv("COMP_WORDS", f"diverse-inpainting {typed}")
        monkeypatch.setenv("COMP_CWORD", str(last))
        assert set(run().out.split()) == expected


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (
            PermissionError(13, "Permission denied", "x.png"),
            "Cannot read or write x.png: Permission denied. "
            "Check the path, its permissions and the free disk space.",
        ),
        (
            ModuleNotFoundError("no rich", name="rich.console"),
            f"rich is not installed. Run: {sys.executable} -m pip install typer rich",
        ),
        (
            ModuleNotFoundError("no lpips", name="lpips"),
            "lpips is not installed. Run: pip install 'diverse-inpainting[metrics]'",
        ),
    ],
)
def test_errors_of_the_system_are_plain_sentences(run, monkeypatch, error, message):
    def fail(**_):
        raise error

    monkeypatch.setattr(command_line, "app", fail)
    assert run("info") == (2, "", f"{message}\n")


def test_typer_is_not_installed():
    code = "import sys; sys.modules['typer'] = None; import diverse_inpainting.__main__"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    message = f"typer is not installed. Run: {sys.executable} -m pip install typer rich\n"
    assert (answer.returncode, answer.stderr) == (2, message)


@pytest.mark.parametrize(("extra", "packages"), EXTRAS)
def test_a_missing_package_names_the_extra_that_brings_it(root, extra, packages):
    project = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["project"]
    listed = " ".join(project["optional-dependencies"][extra])
    assert all(name in listed for name in packages)


def test_a_broken_package_is_no_missing_dependency(monkeypatch):
    def fail(**_):
        raise ModuleNotFoundError("no", name="diverse_inpainting.core.absent")

    monkeypatch.setattr(command_line, "app", fail)
    with pytest.raises(ModuleNotFoundError):
        command_line.main()
