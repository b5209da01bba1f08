"""The example workflows and their client in the real ComfyUI server, with the bundled model."""

import json
import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image

from comfyui_server import PACK_FOLDER, ROOT, running_server
from tolerances import PIXEL

pytestmark = pytest.mark.comfyui

FOLDER = ROOT / "example_workflows"
NAMES = sorted(path.stem for path in FOLDER.glob("*.json"))
SHOWN = {  # images in the output folder or, of previews and grids, in the temporary one
    "1-quick": 8,
    "2-step-by-step": 8 + 8 + 1 + 1,
    "3-pick-and-edit": 8 + 8 + 1 + 1 + 1,
    "4-blend-and-animate": 3 * 8 + 1 + 1,
    "5-large-photograph": 4 + 1,
    "6-edit-the-whole-picture": 1 + 1 + 1 + 1,
    "7-batch": 3 * 4,
    "8-any-generator": 3 * 4,
}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with running_server(tmp_path_factory.mktemp("comfyui"), []) as running:
        yield running


def read_prompt(name):
    return json.loads((FOLDER / "api" / f"{name}.json").read_text(encoding="utf-8"))


def of_type(prompt, class_type):
    return [key for key, node in prompt.items() if node["class_type"] == class_type]


def succeed(server, prompt):
    """Run a workflow; return what its nodes show, by their ids."""
    entry = server.run(prompt)
    assert entry["status"]["status_str"] == "success", entry["status"]
    return entry["outputs"]


def read(server, file):
    folder = server.base / file["type"] / file["subfolder"]
    return Image.open(folder / file["filename"])


def pixels(image):
    return torch.from_numpy(np.asarray(image.convert("RGB"), np.float32)) / 255


def test_the_templates_are_listed_with_pictures(server):
    listed = server.get_json("/api/workflow_templates")[PACK_FOLDER]
    assert sorted(listed) == NAMES
    for name in NAMES:
        for suffix in ("json", "jpg"):
            served = server.get(f"/api/workflow_templates/{PACK_FOLDER}/{name}.{suffix}")
            assert served == (FOLDER / f"{name}.{suffix}").read_bytes()


@pytest.mark.parametrize("name", NAMES)
def test_every_workflow_runs_untouched(server, name):
    outputs = succeed(server, read_prompt(name))
    files = [
        f for told in outputs.values() for f in (*told.get("images", ()), *told.get("variants", ()))
    ]
    assert len(files) == SHOWN[name]
    for file in files:
        image = pixels(read(server, file))
        assert min(image.shape[:2]) >= 128 and float(image.std()) > 0.05, file


def test_a_pick_is_locked_edited_saved_and_loaded_as_the_same_picture(server):
    """What an artist does with template 3, and in a new workflow on another day."""
    prompt = read_prompt("3-pick-and-edit")
    for loader in of_type(prompt, "DI_LoadModel"):  # half precision rounds by batches
        prompt[loader]["inputs"]["precision"] = "float32"
    liked, chosen = of_type(prompt, "DI_PickVariant")
    (sliders,), (save,) = of_type(prompt, "DI_EditSliders"), of_type(prompt, "DI_SaveW")
    prompt[liked]["inputs"]["pick"] = "2,5"
    first = succeed(server, prompt)[chosen]["variants"]
    labels = [file["label"] for file in first]
    assert labels == ["seed 1 / #2", "seed 1 / #5", *(f"seed 2 / #{v}" for v in range(2, 8))]
    _, second = of_type(prompt, "DI_Inpaint")
    prompt[second]["inputs"]["seed"] = 3
    prompt[chosen]["inputs"]["pick"] = "1"
    prompt[sliders]["inputs"]["sliders"] = '{"warmth": 2.0, "brightness": -1.0}'
    outputs = succeed(server, prompt)
    rolled = outputs[chosen]["variants"]
    assert [file["label"] for file in rolled[:3]] == [*labels[:2], "seed 3 / #2"]
    for before, after in zip(first[:2], rolled[:2], strict=True):
        assert torch.equal(pixels(read(server, before)), pixels(read(server, after)))
    (saved,) = outputs[save]["images"]
    (server.base / "input" / "shared.png").write_bytes(
        (server.base / "output" / saved["subfolder"] / saved["filename"]).read_bytes()
    )

    (again,) = succeed(server, completed_again("shared.png"))["save"]["images"]
    difference = pixels(read(server, again)) - pixels(read(server, saved))
    assert float(difference.abs().max()) <= PIXEL * 1.001


def completed_again(codes):
    """A new workflow that completes the example with saved codes."""
    described = {
        "model": ("DI_LoadModel", {"model_name": "cats (bundled)", "precision": "float32"}),
        "example": ("DI_ExamplePicture", {"picture": "grey longhair", "hole": "half"}),
        "codes": ("DI_LoadW", {"file": codes, "picture": ["example", 0]}),
        "encoded": (
            "DI_EncodeErased",
            {
                **{"model": ["model", 0], "image": ["example", 0], "mask": ["example", 1]},
                **{"crop_mode": "picture", "margin": 0.25},
            },
        ),
        "refined": (
            "DI_SkipRefine",
            {"model": ["model", 0], "erased": ["encoded", 0], "codes": ["codes", 0]},
        ),
        "pasted": (
            "DI_Composite",
            {"erased": ["encoded", 0], "images": ["refined", 0], "feather_px": 0},
        ),
        "save": ("SaveImage", {"images": ["pasted", 0], "filename_prefix": "again"}),
    }
    return {key: {"class_type": kind, "inputs": given} for key, (kind, given) in described.items()}


def test_the_client_completes_a_folder(server, tmp_path):
    for folder in ("photos", "masks"):
        (tmp_path / folder).mkdir()
    for number, source in enumerate(sorted((ROOT / "core/weights/pictures").glob("*.jpg"))[:2]):
        with Image.open(source) as picture:
            picture.resize((96, 80)).save(tmp_path / "photos" / f"cat {number}.png")
        mask = Image.new("L", (96, 80))
        mask.paste(255, (40, 20, 70, 60))
        mask.save(tmp_path / "masks" / f"cat {number}.png")
    client = FOLDER / "api" / "client.py"
    command = [sys.executable, client, FOLDER / "api" / "1-quick.json", "photos", "masks", "out"]
    command += ["--seed", "4", "--server", server.url]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    results = sorted((tmp_path / "out").iterdir())
    assert [p.name for p in results] == [f"cat {n}-s4-v{v}.png" for n in (0, 1) for v in range(8)]
    hole = torch.zeros(80, 96, dtype=torch.bool)
    hole[20:60, 40:70] = True
    for number in (0, 1):
        given = pixels(Image.open(tmp_path / "photos" / f"cat {number}.png"))
        first, last = (pixels(Image.open(results[8 * number + v])) for v in (0, 7))
        assert torch.equal(first[~hole], given[~hole])
        assert float((first - last)[hole].abs().max()) > 0.1, "variants differ"


def test_the_client_says_why_a_workflow_failed(server, tmp_path):
    """A hole that is not there."""
    for folder in ("photos", "masks"):
        (tmp_path / folder).mkdir()
        Image.new("L", (96, 80)).save(tmp_path / folder / "cat.png")
    client = FOLDER / "api" / "client.py"
    command = [sys.executable, client, FOLDER / "api" / "1-quick.json", "photos", "masks", "out"]
    done = subprocess.run(
        [*command, "--server", server.url], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert "The workflow failed" in done.stderr and "mask" in done.stderr
