"""The example workflows: they open in the front end, run, and their two forms agree."""

import json
from pathlib import Path

import pytest
import torch
from workflow_executor import Sink, input_types, loader_of, run

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "example_workflows"
NAMES = sorted(path.stem for path in FOLDER.glob("*.json"))

# Of ComfyUI's own nodes: their inputs, outputs and widgets, from /object_info of v0.3.64.
CORE = {
    "LoadImage": ([("image", "COMBO")], ["IMAGE", "MASK"], ["image", "upload"]),
    "SaveImage": ([("images", "IMAGE"), ("filename_prefix", "STRING")], [], ["filename_prefix"]),
    "PreviewImage": ([("images", "IMAGE")], [], []),
}
WIDGET_TYPES = {"INT", "FLOAT", "STRING", "BOOLEAN", "COMBO"}
FRONT_END_ONLY = {"MarkdownNote"}


@pytest.fixture(params=NAMES)
def name(request):
    return request.param


@pytest.fixture
def workflow(name):
    return json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))


@pytest.fixture
def prompt(name):
    return json.loads((FOLDER / "api" / f"{name}.json").read_text(encoding="utf-8"))


@pytest.fixture
def declared(classes):
    """Inputs with types, output types and widget names of a node, as the front end has them."""

    def of(node_type):
        if node_type in CORE:
            return CORE[node_type]
        node = classes[node_type]
        inputs, widgets = [], []
        for key, (kind, options) in input_types(node).items():
            kind = "COMBO" if isinstance(kind, list) else kind
            inputs.append((key, kind))
            if kind in WIDGET_TYPES:
                widgets.append(key)
                widgets += ["control_after_generate"] * options.get("control_after_generate", False)
        return inputs, list(node.RETURN_TYPES), widgets

    return of


def test_there_are_examples():
    assert NAMES == ["diverse-inpainting"]
    assert sorted(path.stem for path in (FOLDER / "api").glob("*.json")) == NAMES


def test_each_node_has_the_declared_inputs_outputs_and_widgets(workflow, declared):
    for node in workflow["nodes"]:
        if node["type"] in FRONT_END_ONLY:
            continue
        inputs, outputs, widgets = declared(node["type"])
        saved = {entry["name"]: entry["type"] for entry in node["inputs"]}
        saved.pop("upload", None)  # LoadImage's button
        assert saved == dict(inputs), node["type"]
        assert [entry["type"] for entry in node["outputs"]] == outputs, node["type"]
        assert len(node["widgets_values"]) == len(widgets), node["type"]


def test_each_link_joins_what_both_ends_declare(workflow):
    nodes = {node["id"]: node for node in workflow["nodes"]}
    assert len(nodes) == len(workflow["nodes"])
    for link, source, output, target, slot, kind in workflow["links"]:
        sent = nodes[source]["outputs"][output]
        received = nodes[target]["inputs"][slot]
        assert link in sent["links"]
        assert received["link"] == link
        assert sent["type"] == received["type"] == kind
    assert len({link[0] for link in workflow["links"]}) == len(workflow["links"])
    named = {e["link"] for n in nodes.values() for e in n["inputs"] if e["link"] is not None}
    assert named == {link[0] for link in workflow["links"]}
    assert workflow["last_node_id"] == max(nodes)
    assert workflow["last_link_id"] == max(link[0] for link in workflow["links"])


def as_prompt(workflow, declared):
    """The API form that the front end makes of a workflow."""
    sources = {link[0]: [str(link[1]), link[2]] for link in workflow["links"]}
    prompt = {}
    for node in workflow["nodes"]:
        if node["type"] in FRONT_END_ONLY:
            continue
        inputs, _, widgets = declared(node["type"])
        values = dict(zip(widgets, node["widgets_values"], strict=True))
        linked = {entry["name"]: entry["link"] for entry in node["inputs"]}
        prompt[str(node["id"])] = {
            "class_type": node["type"],
            "inputs": {
                key: values[key] if kind in WIDGET_TYPES else sources[linked[key]]
                for key, kind in inputs
                if kind in WIDGET_TYPES or linked[key] is not None
            },
        }
    return prompt


def test_both_forms_say_the_same(workflow, prompt, declared):
    plain = {key: {k: node[k] for k in ("class_type", "inputs")} for key, node in prompt.items()}
    assert plain == as_prompt(workflow, declared)


def test_the_step_by_step_example_uses_every_single_step(prompt, classes):
    used = {node["class_type"] for node in prompt.values()}
    others = {
        *("DI_FindFace", "DI_Inpaint", "DI_FitCodes", "DI_LoadDirection", "DI_RandomMask"),
        *("DI_BlendW", "DI_WalkW", "DI_SaveW", "DI_LoadW", "DI_ExamplePicture"),
        *("DI_PickVariant", "DI_EditSliders"),
    }
    assert set(classes) - used == others


def test_the_workflow_runs_and_equals_the_library(prompt, classes, model_name, image, mask, part):
    loader = loader_of(image, mask)
    stand_ins = {"LoadImage": loader, "SaveImage": Sink, "PreviewImage": Sink}
    for node in prompt.values():
        if node["class_type"] == "DI_LoadModel":
            node["inputs"]["model_name"] = model_name
        if node["class_type"] == "DI_ApplyEdit":
            node["inputs"]["strength"] = 1.25
    results = run(prompt, {**classes, **stand_ins})
    saved = [
        results[key].instance.images
        for key, node in prompt.items()
        if node["class_type"] == "SaveImage"
    ]
    core = part("core.inpainter")
    model = core.Inpainter.load(Path("models", "diverse_inpainting", model_name), device="cpu")
    expected = model.inpaint(image, mask, 8, 7, edits=[core.Edit("sefa:0", 1.25)])
    assert len(saved) == 1
    assert torch.equal(saved[0], expected.images.flatten(0, 1))
