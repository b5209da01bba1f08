"""Every template opens in the real front end without a complaint and is saved as it was."""

import json

import pytest

import front_end
from comfyui_server import ROOT

pytestmark = pytest.mark.browser

FOLDER = ROOT / "example_workflows"
NAMES = sorted(path.stem for path in FOLDER.glob("*.json"))

_OPEN = """async (workflow) => {
  await app.loadGraphData(workflow, true, true, null)
  await new Promise((done) => setTimeout(done, 300))
  return app.graph.serialize()
}"""
_HAS_WIDGET = """([id, name]) =>
  app.graph.getNodeById(id).widgets.some((widget) => widget.name === name)"""
_SEARCH = """async (text) => {
  const { command } = app.extensionManager
  if (!command.commands.some(({ id }) => id === "Comfy.Subgraph.SetDescription")) return false
  await command.execute("Workspace.SearchBox.Toggle")
  await new Promise((done) => setTimeout(done, 500))
  const box = document.querySelector("[role=dialog] input, [role=combobox]")
  box.value = text
  box.dispatchEvent(new Event("input", { bubbles: true }))
  await new Promise((done) => setTimeout(done, 500))
  return true
}"""
_COMPLETE = """async () => {
  const [step] = app.graph.nodes
  const example = LiteGraph.createNode("DI_ExamplePicture")
  const save = LiteGraph.createNode("SaveImage")
  for (const node of [example, save]) app.graph.add(node)
  example.widgets.find(({ name }) => name === "hole").value = "strokes"
  save.widgets[0].value = "diverse-inpainting/step-by-step"
  example.connect(0, step, 0)
  example.connect(1, step, 1)
  step.connect(0, save, 0)
  return (await app.graphToPrompt()).output
}"""
_OVERLAPS = """() => {
  // Nodes 2.0 of 1.27 do not follow the graph.
  const drawn = (node) => document.querySelector(`[data-node-id="${node.id}"]`)
  if (LiteGraph.vueNodesMode && !app.graph.nodes.every(drawn)) return []
  const nodes = app.graph.nodes.map((node) => [node.title, ...node.getBounding()])
  const apart = (a, b) =>
    a[1] + a[3] <= b[1] || b[1] + b[3] <= a[1] || a[2] + a[4] <= b[2] || b[2] + b[4] <= a[2]
  return nodes.flatMap((a, i) =>
    nodes.slice(i + 1).filter((b) => !apart(a, b)).map((b) => [a[0], b[0]]))
}"""
_MESSAGES = """() => [...document.querySelectorAll(
    "[role=dialog], [role=alert]:not([aria-hidden]), [data-testid=error-overlay]")]
  .map((element) => element.textContent).filter(Boolean)"""


@pytest.fixture(scope="module")
def browser():
    with front_end.chromium() as started:
        yield started


@pytest.fixture(
    scope="module",
    params=front_end.front_ends(),
    ids=[path.parts[-3] for path in front_end.front_ends()],
)
def stand_in(request, pack):
    info = front_end.object_info(pack.NODE_CLASS_MAPPINGS, pack.NODE_DISPLAY_NAME_MAPPINGS)
    with front_end.StandIn(request.param, info, b"") as server:
        yield server


@pytest.fixture(scope="module", params=[False, True], ids=["canvas", "nodes 2.0"])
def editor(request, browser, stand_in):
    """A front end that warns of missing nodes and models and of workflows against its schema."""
    opened = front_end.Editor(browser, stand_in.url, nodes_2=request.param, stand_in=stand_in)
    warnings = ["Workflow.ShowMissingNodesWarning", "Workflow.ShowMissingModelsWarning"]
    for name in (*warnings, "Validation.Workflows"):
        opened.page.evaluate(
            "(name) => app.extensionManager.setting.set(name, true)", f"Comfy.{name}"
        )
    opened.alerts = []
    opened.page.on("dialog", lambda box: (opened.alerts.append(box.message), box.dismiss()))
    return opened


def told(editor):
    """Return what the page says to its user and what went wrong in it."""
    return [*editor.page.evaluate(_MESSAGES), *editor.alerts, *editor.problems]


def linked(node):
    return {entry["name"] for entry in node["inputs"] if entry["link"] is not None}


@pytest.mark.parametrize("name", NAMES)
def test_a_template_opens_and_is_saved_as_it_was(editor, name):
    workflow = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    saved = editor.page.evaluate(_OPEN, workflow)
    assert told(editor) == []
    before, after = ({node["id"]: node for node in form["nodes"]} for form in (workflow, saved))
    assert set(before) == set(after)
    for node_id, node in before.items():
        kept = after[node_id]
        assert kept.get("widgets_values", []) == node["widgets_values"], node["type"]
        assert linked(kept) == linked(node), node["type"]
    app_mode = workflow["extra"].get("linearData", {"inputs": [], "outputs": []})
    assert saved["extra"].get("linearData", app_mode) == app_mode
    for node_id, widget in app_mode["inputs"]:
        assert editor.page.evaluate(_HAS_WIDGET, [node_id, widget]), widget
    assert set(app_mode["outputs"]) <= set(before)
    assert editor.page.evaluate(_OVERLAPS) == []


def test_sliders_show_what_a_template_saved(editor):
    workflow = json.loads((FOLDER / "3-pick-and-edit.json").read_text(encoding="utf-8"))
    editor.page.evaluate(_OPEN, workflow)
    shown = editor.page.evaluate("""() => app.graph.nodes
      .flatMap((node) => node.widgets ?? [])
      .find((widget) => widget.name === "diverse-inpainting-sliders")
      .element.querySelector("input[name=warmth]").value""")
    assert shown == "1.5"


def test_the_blueprint_is_found_and_has_the_steps_of_the_method(editor):
    editor.page.evaluate("() => app.graph.clear()")
    if not editor.page.evaluate(_SEARCH, "diverse inpaint"):
        pytest.skip("this front end has no blueprints of node packs, as 1.27")
    found = editor.page.get_by_role("option").filter(has_text="Blueprint")
    assert "steps of the method" in found.inner_text()
    found.click()
    editor.page.mouse.click(700, 500)
    editor.page.wait_for_function("() => app.graph.nodes.length === 1")
    prompt = editor.page.evaluate(_COMPLETE)
    assert told(editor) == []
    template = json.loads((FOLDER / "api" / "2-step-by-step.json").read_text(encoding="utf-8"))
    steps, whole = by_type(prompt), by_type(template)
    assert len(steps) == len(prompt) == 10
    assert steps == {name: whole[name] for name in steps}


def by_type(prompt):
    """Return a workflow in which nodes are named by their types, without titles."""
    names = {key: node["class_type"] for key, node in prompt.items()}

    def renamed(value):
        return [names[value[0]], value[1]] if isinstance(value, list) else value

    return {
        names[key]: {name: renamed(value) for name, value in node["inputs"].items()}
        for key, node in prompt.items()
    }


def test_a_workflow_with_faults_is_complained_about(editor):
    workflow = json.loads((FOLDER / "1-quick.json").read_text(encoding="utf-8"))
    for fault in ({"id": "quick"}, {"nodes": [{**workflow["nodes"][0], "type": "DI_Absent"}]}):
        editor.page.evaluate(_OPEN, {**workflow, "links": [], **fault})
        assert any(next(iter(fault)) in text or "DI_Absent" in text for text in told(editor)), fault
