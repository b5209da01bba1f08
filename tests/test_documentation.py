"""What the documentation mentions exists: commands, options, nodes, links and files."""

import re
import runpy
from pathlib import Path

import pytest
import typer.main

import diverse_inpainting
from diverse_inpainting.cli.main import app

ROOT = Path(__file__).parents[1]
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted((ROOT / "web" / "docs").rglob("*.md")),
]
PROGRAM = re.compile(r"(?:^|\s)(?:diverse-inpainting|-m diverse_inpainting)\s+(?=[a-z-])")
OPTION = re.compile(r"(?<![\w-])--[a-z][\w-]*")
# Those of tests/conftest.py, of pytest and of accelerate.
OTHER_OPTIONS = {"--device", "--dtype", "--run-slow", "--import-mode", "--cpu"}


def code_of(text):
    """Return the code in a Markdown text: lines of blocks, and spans, which may be wrapped."""
    lines, prose, is_fenced = [], [], False
    for line in re.sub(r"\\\n\s*", " ", text).splitlines():
        if line.lstrip().startswith("```"):
            is_fenced = not is_fenced
        elif is_fenced or (line.startswith("    ") and "|" not in line[:6]):
            lines.append(line.strip())
        else:
            prose.append(line)
    spans = re.findall(r"(?<!`)`([^`]+)`(?!`)", "\n".join(prose))
    return [*lines, *(" ".join(span.split()) for span in spans)]


def options_of(command):
    return {option for parameter in command.params for option in parameter.opts} | {"--help"}


def resolve(words):
    """Return the command that the first words name, or None, and those that name none."""
    command = typer.main.get_command(app)
    for number, word in enumerate(words):
        commands = getattr(command, "commands", None)
        if commands is None or word.startswith("--"):
            return command, words[number:]
        if word not in commands:
            return None, words[number:]
        command = commands[word]
    return command, []


def wrong_usage(code):
    """Return what is wrong in one piece of code; empty where nothing is."""
    found = PROGRAM.search(code)
    names = typer.main.get_command(app).commands
    words = re.split(r"\s+", code[found.end() :] if found else code)
    if not found and (words[0] not in names or "--" not in code):
        if not code.startswith("--"):
            return []  # another program's, or no command
        return sorted({*OPTION.findall(code)} - ALL_OPTIONS - OTHER_OPTIONS)
    command, rest = resolve(words)
    if command is None:
        return [f"no command {rest[0]}"]
    usage = re.split(r"\s(?:&&|\|)\s", " ".join(rest))[0]
    return sorted({*OPTION.findall(usage)} - options_of(command))


def all_options(command):
    below = getattr(command, "commands", {}).values()
    return options_of(command).union(*(all_options(one) for one in below))


ALL_OPTIONS = all_options(typer.main.get_command(app))


def anchors_of(text):
    """Return the anchors that GitHub gives the headings of a text."""
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    plain = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings)
    return {heading.replace(" ", "-") for heading in plain}


def broken_links(page, text):
    targets = re.findall(r"\]\(([^)\s]+)\)", text) + re.findall(r'(?:src|href)="([^"]+)"', text)
    broken = []
    for target in targets:
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        linked = page.parent / path if path else page
        if not linked.exists() or (anchor and anchor not in anchors_of(linked.read_text("utf-8"))):
            broken.append(target)
    return broken


def missing_files(text):
    """Return the files of the repository that are named in code but do not exist."""
    areas = {path.name for path in ROOT.iterdir() if path.is_dir()}
    named = re.findall(r"(?<![\w/.-])((?:[\w-]+/)+[\w.-]+\.(?:md|py|toml))\b", text)
    return [name for name in named if name.split("/")[0] in areas and not (ROOT / name).exists()]


@pytest.fixture(params=PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def page(request):
    return request.param


def test_commands_and_options_exist(page):
    code = code_of(page.read_text("utf-8"))
    assert {one: wrong for one in code if (wrong := wrong_usage(one))} == {}


def test_nodes_exist(page):
    named = set(re.findall(r"\bDI_[A-Z][a-z]\w*", page.read_text("utf-8")))
    assert named - set(diverse_inpainting.NODE_CLASS_MAPPINGS) == set()


def test_links_and_files_exist(page):
    text = page.read_text("utf-8")
    assert broken_links(page, text) == []
    assert missing_files(text) == []


def test_tests_exist(page):
    tests = "".join(path.read_text("utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
    named = re.findall(r"`(test_\w+)`", page.read_text("utf-8"))
    assert [name for name in named if f"def {name}(" not in tests] == []


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("`diverse-inpainting combine x`", ["no command combine"]),
        ("    diverse-inpainting inpaint a.png --out b --nonsense 3", ["--nonsense"]),
        ("```bash\npip install x && diverse-inpainting demo --mask x\n```", ["--mask"]),
        ("run `diverse-inpainting directions\nmeasure cats`", ["no command measure"]),
        ("`accelerate launch --multi_gpu -m diverse_inpainting train prior --fast`", ["--fast"]),
        ("`evaluate cats --imagined`", ["--imagined"]),
        ("the option `--imagined`", ["--imagined"]),
        ("    accelerate launch --x \\\n        -m diverse_inpainting demo --fast", ["--fast"]),
    ],
)
def test_wrong_commands_are_found(text, wrong):
    assert [one for code in code_of(text) for one in wrong_usage(code)] == wrong


@pytest.mark.parametrize(
    "text",
    [
        "the command `diverse-inpainting`, from `diverse-inpainting[cli]`",
        "    diverse-inpainting train prior --config x --out y && pytest --run-slow",
        "`ruff format --check .`, `pytest --numprocesses 1`, `--version`, `--help`",
        "`train --restart-from`, and `train` --like this prose",
    ],
)
def test_right_commands_pass(text):
    assert [one for code in code_of(text) for one in wrong_usage(code)] == []


def test_broken_links_and_missing_files_are_found(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("# A `b`, c\n")
    text = "[a](absent.md) [b](#a-b-c) [c](#absent) [d](page.md#a-b-c) ![e](https://x.y/z.png)"
    assert broken_links(page, text) == ["absent.md", "#absent"]
    assert missing_files("`core/absent.py`, `core/errors.py`, elsewhere/x.py") == ["core/absent.py"]


def test_the_example_in_python_runs(tmp_path, monkeypatch):
    from PIL import Image

    from diverse_inpainting.core.examples import demo_input
    from diverse_inpainting.core.image_files import write_png

    (example,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.S)
    image, hole_mask = demo_input()
    write_png(tmp_path / "photo.png", image[0])
    write_png(tmp_path / "mask.png", hole_mask[0])
    monkeypatch.chdir(tmp_path)
    (tmp_path / "example.py").write_text(example, encoding="utf-8")
    names = runpy.run_path(str(tmp_path / "example.py"))
    with Image.open(tmp_path / "results" / "result-7.png") as result:
        assert result.size == (256, 256)
    assert (tmp_path / "third.safetensors").exists()
    assert names["result"].images.shape == (1, 8, 256, 256, 3)
