"""Pick and slide in the real ComfyUI server and its front end, as an artist would.

SCREENSHOTS names a folder for pictures of the nodes, from which those of the help pages are made.
"""

import json
import os
from pathlib import Path

import pytest
from PIL import Image

import front_end
from comfyui_server import running_server

pytestmark = [pytest.mark.browser, pytest.mark.comfyui]

NODES = {
    "load": ["LoadImage", [-1250, 0]],
    "model": ["DI_LoadModel", [-1250, 450]],
    "inpaint": ["DI_Inpaint", [-850, 0]],
    "encode": ["DI_EncodeErased", [-850, 500]],
    "pick": ["DI_PickVariant", [-450, 0]],
    "sliders": ["DI_EditSliders", [50, 0]],
    "save": ["SaveImage", [450, 0]],
}
LINKS = [
    *(("model", "model", node, "model") for node in ("inpaint", "encode", "sliders")),
    *(("load", "IMAGE", node, "image") for node in ("inpaint", "encode")),
    *(("load", "MASK", node, "mask") for node in ("inpaint", "encode")),
    ("inpaint", "codes", "pick", "codes"),
    ("inpaint", "images", "pick", "images"),
    ("pick", "codes", "sliders", "codes"),
    ("encode", "erased", "sliders", "erased"),
    ("sliders", "images", "save", "images"),
]

_LISTEN = """() => {
  window.ran = []
  window.ended = []
  app.api.addEventListener("executing", ({ detail }) => detail && ran.push(String(detail)))
  app.api.addEventListener("execution_success", () => ended.push("success"))
  app.api.addEventListener("execution_error", ({ detail }) => ended.push(detail.exception_message))
}"""
_SET = """([id, name, value]) => {
  const widget = app.graph.getNodeById(id).widgets.find((one) => one.name === name)
  widget.value = value
  widget.callback?.(value)
}"""


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    base = tmp_path_factory.mktemp("comfyui")
    user = base / "user" / "default"
    user.mkdir(parents=True)
    (user / "comfy.settings.json").write_text(json.dumps(front_end.SETTINGS), encoding="utf-8")
    with running_server(base, []) as running:
        picture = Image.open(front_end.ROOT / "core/weights/pictures/pixabay_cat_000336.jpg")
        picture.putalpha(255)
        picture.paste((0, 0, 0, 0), (40, 90, 216, 160))
        picture.save(base / "input" / "hole.png")
        yield running


@pytest.fixture(params=[False, True], ids=["canvas", "nodes 2.0"])
def nodes_2(request):
    return request.param


@pytest.fixture
def editor(server, nodes_2):
    with front_end.chromium() as browser:
        opened = front_end.Editor(browser, server.url, nodes_2=nodes_2)
        opened.page.evaluate(_LISTEN)
        yield opened
        assert opened.problems == []


def wait_for_run(editor):
    """Wait for the end of a run; return the nodes that ran."""
    editor.page.wait_for_function("() => ended.length > 0", timeout=120_000)
    ran, ended = editor.page.evaluate("() => [ran.splice(0), ended.splice(0)]")
    assert ended == ["success"]
    return set(ran)


def preview(editor, node):
    """Return what the server calls the picture that the node shows."""
    shown = (
        "(id) => Object.values(app.nodeOutputs).at(-1) && app.nodeOutputs[id].images[0].filename"
    )
    return editor.page.evaluate(shown, str(node))


def test_pick_and_slide(editor, nodes_2, request):
    ids = editor.build(NODES, LINKS)
    editor.page.evaluate(_SET, [ids["load"], "image", "hole.png"])
    editor.page.evaluate(_SET, [ids["inpaint"], "seed", 7])
    editor.page.evaluate("() => app.queuePrompt(0)")
    wait_for_run(editor)
    look_at(editor, ids["pick"])
    version = editor.page.evaluate("() => window.__COMFYUI_FRONTEND_VERSION__ ?? ''")
    if nodes_2 and version.startswith("1.27."):
        pytest.skip("Nodes 2.0 of this front end do not follow the graph, as in 1.27")
    editor.page.get_by_role("option", name="seed 7 / #5").click()
    editor.page.get_by_role("option", name="seed 7 / #2").click()
    assert editor.value(ids["pick"], "pick") == "5,2"
    photograph(editor, request, [ids["pick"]])
    editor.page.get_by_role("option", name="seed 7 / #2").click()
    editor.page.evaluate("() => app.queuePrompt(0)")
    ran = wait_for_run(editor)
    assert str(ids["inpaint"]) not in ran and str(ids["save"]) in ran

    look_at(editor, ids["sliders"])
    before = preview(editor, ids["sliders"])
    photograph(editor, request, [ids["sliders"]])
    look_at(editor, ids["sliders"])
    editor.page.get_by_label("warmth", exact=True).fill("2.5")
    assert wait_for_run(editor) == {str(ids["sliders"])}, "nothing is encoded, sampled or saved"
    assert preview(editor, ids["sliders"]) != before
    photograph(editor, request, [ids["sliders"]])
    editor.page.get_by_label("warmth", exact=True).dblclick()
    wait_for_run(editor)
    assert preview(editor, ids["sliders"]) == before


def look_at(editor, node):
    look = "(id) => { const [x, y] = app.graph.getNodeById(id).pos; app.canvas.ds.scale = 1;"
    look += " app.canvas.ds.offset = [400 - x, 200 - y]; app.canvas.setDirty(true, true) }"
    editor.page.evaluate(look, node)
    editor.page.wait_for_timeout(300)


def photograph(editor, request, nodes):
    folder = os.environ.get("SCREENSHOTS")
    if folder:
        number = len(list(Path(folder).glob("*.png")))
        editor.screenshot(Path(folder) / f"{number:02}-{request.node.name}.png", nodes, 1.5)
