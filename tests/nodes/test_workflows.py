"""The example workflows: they open in the front end, run, and their two forms agree."""

import json
from pathlib import Path

import pytest
import torch
from core_stand_ins import CORE_CLASSES, Sink
from workflow_executor import run

from core_nodes import FRONT_END_NODES, WIDGET_TYPES
from core_nodes import declared as declared_by

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "example_workflows"
NAMES = sorted(path.stem for path in FOLDER.glob("*.json"))
STEP_BY_STEP = "2-step-by-step"


@pytest.fixture(params=NAMES)
def name(request):
    return request.param


@pytest.fixture
def workflow(name):
    return json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))


def read_prompt(name):
    return json.loads((FOLDER / "api" / f"{name}.json").read_text(encoding="utf-8"))


@pytest.fixture
def prompt(name):
    return read_prompt(name)


@pytest.fixture
def declared(classes):
    """Inputs with types, output types and widget names of a node, as the front end has them."""
    return lambda node_type: declared_by(node_type, classes)


def test_there_are_examples():
    assert [name[0] for name in NAMES] == list("12345678")
    for folder, suffix in ((FOLDER / "api", "json"), (FOLDER, "jpg")):
        assert sorted(path.stem for path in folder.glob(f"*.{suffix}")) == NAMES


def test_each_node_has_the_declared_inputs_outputs_and_widgets(workflow, declared):
    for node in workflow["nodes"]:
        if node["type"] in FRONT_END_NODES:
            continue
        inputs, outputs, widgets = declared(node["type"])
        saved = {entry["name"]: entry["type"] for entry in node["inputs"]}
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
        assert sent["type"] == kind
        assert received["type"] in (kind, "*")
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
        if node["type"] in FRONT_END_NODES:
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


def test_every_node_is_in_an_example(classes):
    used = {node["class_type"] for name in NAMES for node in read_prompt(name).values()}
    assert set(classes) - used == {"DI_FitCodes", "DI_LoadDirection", "DI_LoadW"}


def run_example(prompt, classes, model_name, **values):
    """Run an example with the tiny model; values replace inputs of a type: DI_X={...}."""
    replaced = {"DI_LoadModel": {"model_name": model_name}, **values}
    for node in prompt.values():
        node["inputs"].update(replaced.get(node["class_type"], {}))
    return run(prompt, {**classes, **CORE_CLASSES})


def test_every_example_runs_and_shows_images(prompt, classes, model_name):
    fast = {"DI_EditSliders": {"sliders": "{}"}}  # the tiny model has no named directions
    results = run_example(prompt, classes, model_name, **fast)
    sinks = [r.instance for r in results.values() if isinstance(r.instance, Sink)]
    shown = [sink.images for sink in sinks if sink.images is not None]
    assert shown
    assert all(images.isfinite().all() and images.std() > 0 for images in shown)


def test_step_by_step_equals_the_library(classes, model_name, part):
    prompt = read_prompt(STEP_BY_STEP)
    results = run_example(prompt, classes, model_name, DI_ApplyEdit={"strength": 1.25})
    by_type = {node["class_type"]: key for key, node in prompt.items()}
    image, mask = results[by_type["DI_ExamplePicture"]].outputs
    [pasted, _] = results[by_type["DI_Composite"]].outputs
    core = part("core.inpainter")
    model = core.Inpainter.load(Path("models", "diverse_inpainting", model_name), device="cpu")
    expected = model.inpaint(image, mask, 8, 7, edits=[core.Edit("sefa:0", 1.25)])
    assert torch.equal(pasted, expected.images.flatten(0, 1))
