"""The path of docs/import.md from a pickle to a trained stage 1, command by command.

The pickle is a stand-in of few channels; what only costs time is made small.
"""

import re
import shlex

import numpy as np
import pytest
from PIL import Image

import answers
import foreign_files
from diverse_inpainting.core.checkpoint import inspect_checkpoint
from diverse_inpainting.core.directions import read_direction

SMALLER = {
    "inpaint": ("--fit", "3"),
    "directions interfacegan": ("--samples", "200"),
    "train stage1": (
        *("--set", "stage1.total_images=16", "--device", "cpu"),
        *("--set", "stage1.diagnostics_images=8", "--set", "stage1.grid_images=2"),
        *("--set", "perceptual.calibration_pairs=16", "--set", "model.encoder.width=8"),
        *("--set", "model.encoder.max_width=16", "--set", "model.encoder.kind='small'"),
    ),
}


def commands(root):
    """Return the commands of the section, without the program's name."""
    page = (root / "docs" / "import.md").read_text("utf-8")
    section = page.partition("## From a pickle to a model of your own\n")[2].partition("\n## ")[0]
    lines = re.findall(r"^    diverse-inpainting (.+)$", section, re.MULTILINE)
    return [shlex.split(line) for line in lines]


@pytest.fixture
def files(tmp_path):
    golden = foreign_files.read_golden("nvidia_64_labels_clamp")
    foreign_files.write_nvidia(tmp_path / "network.pkl", golden)
    answers.save(tmp_path / "photo.png", answers.noise(40, 48))
    hole = np.zeros((40, 48), np.uint8)
    hole[10:30, 12:36] = 255
    Image.fromarray(hole).save(tmp_path / "mask.png")
    return tmp_path


def completions(folder):
    paths = sorted(folder.glob("photo-[0-9].png"))
    assert len(paths) == 8, folder
    return np.stack([np.asarray(Image.open(path).convert("RGB"), np.int16) for path in paths])


def test_every_command_of_the_guide_works(run, root, files):
    for words in commands(root):
        smaller = SMALLER.get(words[0]) or SMALLER.get(" ".join(words[:2]), ())
        answer = run(*words, *smaller)
        assert answer.code == 0, (words, answer.err)
    photo = np.asarray(Image.open(files / "photo.png").convert("RGB"), np.int16)
    hole = np.asarray(Image.open(files / "mask.png")) > 0
    plain, edited, encoded = map(
        completions, [files / "completions", files / "edited", files / "encoded"]
    )
    for made in (plain, edited, encoded):
        assert (made[:, ~hole] == photo[~hole]).all()
        assert len(np.unique(made[:, hole], axis=0)) == 8
    assert abs(plain - edited)[:, hole].mean() > 1
    assert read_direction(files / "layout.safetensors").name == "layout"
    assert read_direction(files / "brightness.safetensors").name == "brightness"
    trained = inspect_checkpoint(files / "runs/new/stage1/stage1.safetensors")
    assert {"encoder", "mixer"} < set(trained.parts) and trained.title == "my generator"
