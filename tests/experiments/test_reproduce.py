"""docs/reproduce.md: its commands run as they are written, from a StyleGAN2 to the last figure."""

import os
import re
import shlex
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from answers import noise
from foreign_files import read_golden, write_nvidia

NUM_IMAGES = 24  # of which the page's rehearsal holds out 12
CHECKOUTS = "experiments/table1/"  # such commands need other people's code


def blocks(page):
    """Return the blocks of code of a page."""
    text = (page / "docs" / "reproduce.md").read_text("utf-8")
    found = re.findall(r"(?:^    .*\n|^\n(?=    ))+", text, re.MULTILINE)
    return [re.sub(r"^    ", "", block, flags=re.MULTILINE).strip("\n") for block in found]


def test_the_rehearsal_sets_what_the_page_sets(root):
    """The first two blocks are the settings, with the same names; the rest uses no others."""
    names = [re.findall(r"(\w+)=", re.sub(r'"[^"\n]*"', "", b)) for b in blocks(root)[:2]]
    assert names[0] == names[1] and len(names[0]) == 10
    rest = "\n".join(blocks(root)[2:])
    own = set(re.findall(r"^(?: *for )?(\w+)(?:=| in )", rest, re.MULTILINE)) | {"name"}
    assert set(re.findall(r"\$\{?(\w+)", rest)) - own == set(names[0])


def test_every_rival_has_a_command(root):
    written = "\n".join(blocks(root))
    scripts = {path.name for path in (root / "experiments" / "table1").glob("*.py")}
    assert set(re.findall(r"table1/(\w+\.py)", written)) == scripts - {
        "rival.py",
        "ops.py",
        "psp.py",
    }


@pytest.fixture
def shell(tmp_path, root):
    """A folder with a generator, images and the scripts; and the command line on the path."""
    write_nvidia(tmp_path / "stylegan2.pkl", read_golden("nvidia_32"))
    (tmp_path / "photographs").mkdir()
    for k in range(NUM_IMAGES):
        pixels = np.roll(noise(32, 32), k, axis=1)
        Image.fromarray(pixels).save(tmp_path / "photographs" / f"{k:03d}.png")
    (tmp_path / "experiments").symlink_to(root / "experiments")
    commands = tmp_path / "bin"
    commands.mkdir()
    python = shlex.quote(sys.executable)
    for name, own in (("diverse-inpainting", " -m diverse_inpainting"), ("python", "")):
        path = commands / name
        path.write_text(f'#!/bin/sh\nexec {python}{own} "$@"\n')
        path.chmod(0o755)
    environment = {**os.environ, "PATH": f"{commands}{os.pathsep}{os.environ['PATH']}"}

    def run(script):
        return subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
        )

    return run


@pytest.mark.slow
def test_the_page_runs_as_written(shell, root, tmp_path):
    rehearsed = [block for block in blocks(root)[1:] if CHECKOUTS not in block]
    done = shell("\n".join(rehearsed))
    assert done.returncode == 0, f"{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    table = (tmp_path / "table1" / "methods.tex").read_text()
    assert "pSp" in table and r"\begin{tabular}" in table
    assert "| 5 |" in (tmp_path / "table3" / "table3.md").read_text()
    for made in ("table1/plot-fig5.png", "table1/sheets/side-by-side.png", "table2/table.md"):
        assert (tmp_path / made).is_file()
    ablation = (tmp_path / "fig7" / "report" / "methods.md").read_text()
    assert all(f"| {model} |" in ablation for model in (1, 2, 3, 4, "stage2"))
    assert len(list((tmp_path / "fig8").glob("*-1.png"))) == 12
