"""The pack in the real ComfyUI server; see `comfyui_server` for what it needs."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import foreign_files
from comfyui_server import PACK_FOLDER, running_server
from tolerances import PIXEL

pytestmark = pytest.mark.comfyui

ROOT = Path(__file__).resolve().parents[2]
WORKFLOW = ROOT / "example_workflows" / "api" / "2-step-by-step.json"


def with_hole():
    """An image as the mask editor saves it: transparent where it is to be filled."""
    colours = np.random.default_rng(4).integers(0, 256, (40, 48, 3), dtype=np.uint8)
    alpha = np.full((40, 48, 1), 255, np.uint8)
    alpha[12:28, 14:33] = 0
    alpha[28, 14:33] = 200
    return np.concatenate([colours, alpha], axis=2)


@pytest.fixture(scope="module")
def server(tmp_path_factory, active_checkpoint):
    base = tmp_path_factory.mktemp("comfyui")
    with running_server(base, [active_checkpoint]) as running:
        Image.fromarray(with_hole()).save(base / "input" / "hole.png")
        Image.fromarray(with_hole()[..., :3]).save(base / "input" / "whole.png")
        yield running


@pytest.fixture
def prompt():
    """The example with an image of the test, the tiny model and an edit."""
    content = json.loads(WORKFLOW.read_text(encoding="utf-8"))
    (example,) = (n for n in content.values() if n["class_type"] == "DI_ExamplePicture")
    example |= {"class_type": "LoadImage", "inputs": {"image": "hole.png"}}
    chosen = {
        "DI_LoadModel": {"model_name": "tiny.safetensors", "precision": "float32"},
        "DI_ApplyEdit": {"strength": 1.25},
    }
    for node in content.values():
        node["inputs"] |= chosen.get(node["class_type"], {})
    return content


def saved_images(server, entry):
    """The images in the output folder, [N, H, W, 3] in [0, 1], and their paths."""
    files = [image for output in entry["outputs"].values() for image in output["images"]]
    saved = [file for file in files if file["type"] == "output"]
    paths = [server.base / "output" / file["subfolder"] / file["filename"] for file in saved]
    arrays = [np.asarray(Image.open(path).convert("RGB"), np.float32) for path in paths]
    return torch.from_numpy(np.stack(arrays)) / 255, paths


def test_the_pack_loads_without_complaint(server):
    log = server.log.read_text(encoding="utf-8")
    assert "IMPORT FAILED" not in log
    assert PACK_FOLDER in log, "listed among the import times"


def test_the_server_knows_every_node(server, pack):
    info = server.get_json("/object_info")
    for node_id, node in pack.NODE_CLASS_MAPPINGS.items():
        told = info[node_id]
        assert told["display_name"] == pack.NODE_DISPLAY_NAME_MAPPINGS[node_id]
        assert told["category"] == "diverse inpainting"
        assert tuple(told["output"]) == node.RETURN_TYPES
        assert tuple(told["output_tooltips"]) == node.OUTPUT_TOOLTIPS
    choices = info["DI_LoadModel"]["input"]["required"]["model_name"][0]
    assert choices[0] == "cats (bundled)"
    assert "tiny.safetensors" in choices


def test_help_pages_and_translations_are_served(server, classes):
    for node_id in classes:
        page = server.get(f"/extensions/{PACK_FOLDER}/docs/{node_id}.md")
        assert page == (ROOT / "web" / "docs" / f"{node_id}.md").read_bytes()
    english = server.get_json("/i18n")["en"]
    assert set(classes) <= set(english["nodeDefs"])
    assert english["dataTypes"]["DI_W"] == "style codes"


def test_the_saved_images_are_those_of_the_library(server, prompt, part, active_checkpoint):
    entry = server.run(prompt)
    assert entry["status"]["status_str"] == "success", entry["status"]
    saved, paths = saved_images(server, entry)
    rgba = torch.from_numpy(with_hole()).float() / 255
    image, mask = rgba[None, ..., :3], 1 - rgba[None, ..., 3]
    core = part("core.inpainter")
    model = core.Inpainter.load(active_checkpoint, device="cpu", precision="float32")
    edits = [core.Edit("sefa:0", 1.25)]
    result = model.inpaint(image, mask, 8, 7, edits=edits)
    assert saved.shape == (8, 40, 48, 3)
    assert float((saved - result.images[0]).abs().max()) <= PIXEL * 1.001
    assert float((saved[0] - saved[7]).abs().max()) > 0.1, "variants differ"
    for path in paths:
        assert str(server.base) not in str(Image.open(path).info), "no path in the metadata"


def test_a_direction_file_edits_as_what_it_was_made_of(server, prompt, part, active_checkpoint):
    found = saved_images(server, server.run(prompt))[0]
    folder = server.base / "models" / "diverse_inpainting" / "directions"
    folder.mkdir()
    model = part("core.inpainter").Inpainter.load(
        active_checkpoint, device="cpu", precision="float32"
    )
    direction = model.discover("sefa", 0)
    part("core.directions").write_direction(folder / "own.safetensors", direction)
    (node,) = (n for n in prompt.values() if n["class_type"] == "DI_DiscoverDirection")
    node["class_type"] = "DI_LoadDirection"
    node["inputs"] = {
        "model": node["inputs"]["model"],
        "direction_name": "directions/own.safetensors",
    }
    entry = server.run(prompt)
    assert entry["status"]["status_str"] == "success", entry["status"]
    assert torch.equal(saved_images(server, entry)[0], found)
    info = server.get_json("/object_info")
    assert info["DI_LoadModel"]["input"]["required"]["model_name"][0][1:] == ["tiny.safetensors"]


def test_a_image_without_a_mask_is_explained(server, prompt):
    for node in prompt.values():
        if node["class_type"] == "LoadImage":
            node["inputs"]["image"] = "whole.png"
    entry = server.run(prompt)
    assert entry["status"]["status_str"] == "error"
    events = dict(entry["status"]["messages"])
    error = events["execution_error"]
    assert error["node_type"] == "DI_EncodeErased"
    assert "no alpha channel" in error["exception_message"]
    assert "paint a mask" in error["exception_message"]


def test_an_absent_model_is_explained_before_anything_runs(server, prompt):
    for node in prompt.values():
        if node["class_type"] == "DI_LoadModel":
            node["inputs"]["model_name"] = "dogs.safetensors"
    status, answer = server.queue(prompt)
    assert status == 400
    text = json.dumps(answer)
    assert "'dogs.safetensors' is not in" in text
    assert "choose 'cats (bundled)'" in text


def node(node_id, **inputs):
    """A node of an API workflow; links to others are [id, output]."""
    return {"class_type": node_id, "inputs": inputs}


def generator_workflow(model_name):
    """Load a model and say what it is, sample and edit codes, and complete an image."""
    return {
        "model": node("DI_LoadModel", model_name=model_name, precision="float32"),
        "about": node("PreviewAny", source=["model", 1]),
        "codes": node("DI_SampleW", model=["model", 0], seed=7, num_variants=2, truncation_psi=0.7),
        "direction": node(
            "DI_DiscoverDirection",
            model=["model", 0],
            **{"method": "sefa", "component": 0, "first_layer": 0, "last_layer": -1},
        ),
        "edited": node(
            "DI_ApplyEdit",
            codes=["codes", 0],
            direction=["direction", 0],
            **{"strength": 3.0, "first_layer": -1, "last_layer": -1},
        ),
        "samples": node("DI_Synthesize", model=["model", 0], codes=["edited", 0]),
        "save samples": node("SaveImage", images=["samples", 0], filename_prefix="samples"),
        "photo": node("LoadImage", image="hole.png"),
        "completed": node(
            "DI_Inpaint",
            **{"model": ["model", 0], "image": ["photo", 0], "mask": ["photo", 1]},
            **{"num_variants": 2, "seed": 7, "truncation_psi": 1.0, "gate_bias": 0.0},
            **{"crop_mode": "picture", "margin": 0.25, "feather_px": 0, "strength": 3.0},
            **{"skip_source": "edited", "direction": ["direction", 0], "fit_steps": 5},
        ),
        "save completions": node("SaveImage", images=["completed", 0], filename_prefix="completed"),
    }


def test_a_generator_of_another_program_from_the_pickle_to_completions(server, part):
    """What its user does: put the file there, run the command of the error, choose the result."""
    folder = server.base / "models" / "diverse_inpainting"
    golden = foreign_files.read_golden("nvidia_32")
    foreign_files.write_nvidia(folder / "foreign.pkl", golden)
    info = server.get_json("/object_info")
    listed = info["DI_LoadModel"]["input"]["required"]["model_name"][0]
    assert listed[-1] == "foreign.pkl (convert first)"
    status, answer = server.queue(generator_workflow(listed[-1]))
    (error,) = answer["node_errors"]["model"]["errors"]
    assert status == 400 and "comes from another program" in error["details"]
    command = error["details"].partition("terminal: ")[2].partition(" -- then")[0]
    assert command.startswith(os.environ.get("COMFYUI_PYTHON", sys.executable))
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    done = subprocess.run(command, shell=True, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr

    entry = server.run(generator_workflow("foreign.safetensors"))
    assert entry["status"]["status_str"] == "success", entry["status"]
    about = entry["outputs"].pop("about")["text"][0]
    assert about.startswith("untitled: 32 px; completes by fitting random codes to each image")
    core = part("core.inpainter")
    model = core.Inpainter.load(folder / "foreign.safetensors", device="cpu", precision="float32")
    edit = core.Edit("sefa:0", 3.0)
    samples = model.synthesize(model.edit(model.sample_w(7, 2, 0.7), [edit]))
    rgba = torch.from_numpy(with_hole()).float() / 255
    completed = model.inpaint(
        rgba[None, ..., :3], 1 - rgba[None, ..., 3], 2, 7, edits=[edit], fit_steps=5
    )
    for name, expected in (("save samples", samples), ("save completions", completed.images[0])):
        saved = saved_images(server, {"outputs": {name: entry["outputs"][name]}})[0]
        assert float((saved - expected).abs().max()) <= PIXEL * 1.001, name
        assert float((saved[0] - saved[1]).abs().max()) > 0.1, name


def test_the_server_still_answers(server):
    assert server.process.poll() is None
    assert server.get_json("/queue") == {"queue_running": [], "queue_pending": []}
