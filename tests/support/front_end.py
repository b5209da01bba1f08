"""ComfyUI's real front end in Chromium, with or without ComfyUI.

`StandIn` answers what the front end asks a server: its own files, the pack's `web/`, and the
declarations of the pack's nodes. It runs nothing; what is queued is kept for the test to look at.
"""

import importlib.util
import json
import mimetypes
import os
import shutil
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

from comfyui_server import PACK_FOLDER, ROOT
from core_nodes import CORE_NODES

WEB = ROOT / "web"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")

SETTINGS = {
    "Comfy.Canvas.NavigationMode": "custom",  # 1.27 fails where a new user has none
    "Comfy.Canvas.SelectionToolbox": True,
    "Comfy.InstalledVersion": "1.27.0",
    "Comfy.Minimap.Visible": False,
    "Comfy.TutorialCompleted": True,
    # The front end starts with ComfyUI's default workflow, of nodes that are not here.
    "Comfy.Workflow.ShowMissingModelsWarning": False,
    "Comfy.Workflow.ShowMissingNodesWarning": False,
}
"""Of a user for whom the front end opens no dialog at its start."""

_EMPTY = {
    "/users": {"storage": "server", "migrated": True},
    "/settings": SETTINGS,
    "/system_stats": {"system": {"comfyui_version": "0.3.64", "argv": []}, "devices": []},
    "/queue": {"queue_running": [], "queue_pending": []},
    "/features": {},
    "/i18n": {},
    "/workflow_templates": {},
    "/history": {},
    "/jobs": {
        "jobs": [],
        "pagination": {"offset": 0, "limit": 200, "total": 0, "has_more": False},
    },
    "/prompt": {"exec_info": {"queue_remaining": 0}},
    "/userdata": [],
    "/experiment/models": [],
    "/templates/index.json": [],
}


def front_ends():
    """Return the folders of front ends: those of COMFYUI_FRONTEND, or the installed package's."""
    named = os.environ.get("COMFYUI_FRONTEND")
    if named:
        return [Path(folder) for folder in named.split(os.pathsep)]
    spec = importlib.util.find_spec("comfyui_frontend_package")
    return [] if spec is None else [Path(spec.origin).parent / "static"]


def missing():
    """Return why browser tests cannot run here; "" if they can."""
    if CHROMIUM is None:
        return "no Chromium"
    if importlib.util.find_spec("playwright") is None:
        return "playwright is not installed"
    return "" if front_ends() else "comfyui-frontend-package is not installed"


def object_info(classes, display_names):
    """Return the declarations of the pack's nodes and a few of ComfyUI's, as its server does."""
    info = {
        name: _info(name, inputs, outputs, "image")
        for name, (inputs, outputs) in CORE_NODES.items()
    }
    for name, node in classes.items():
        told = _info(name, node.INPUT_TYPES(), node.RETURN_TYPES, node.CATEGORY)
        told |= {
            "display_name": display_names[name],
            "description": node.DESCRIPTION,
            "output_name": list(node.RETURN_NAMES),
            "output_node": node.OUTPUT_NODE,
            "output_tooltips": list(node.OUTPUT_TOOLTIPS),
            "python_module": f"custom_nodes.{PACK_FOLDER}",
        }
        info[name] = told
    return info


def _info(name, inputs, outputs, category):
    return {
        "input": inputs,
        "input_order": {section: list(names) for section, names in inputs.items()},
        "output": list(outputs),
        "output_is_list": [False] * len(outputs),
        "output_name": list(outputs),
        "name": name,
        "display_name": name,
        "description": "",
        "python_module": "nodes",
        "category": category,
        "output_node": not outputs,
    }


class StandIn:
    """A server for one front end; `queued` are the bodies of its requests to run something."""

    def __init__(self, static, info, picture):
        self.static, self.info, self.picture = static, info, picture
        self.queued = []
        handler = type("Handler", (_Handler,), {"stand_in": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *exception):
        self._server.shutdown()
        self._server.server_close()

    def answer(self, path):
        """Return JSON, or the content and suffix of a file; None for what there is not."""
        path = path.removeprefix("/api")
        if path == "/object_info":
            return self.info
        if path == "/extensions":
            return [
                f"/extensions/{PACK_FOLDER}/js/{p.name}" for p in sorted((WEB / "js").iterdir())
            ]
        if path == "/global_subgraphs":
            return {p.stem: _blueprint(p) for p in (ROOT / "subgraphs").iterdir()}
        if path == "/view":
            return self.picture, ".jpg"
        if path in _EMPTY:
            return _EMPTY[path]
        if path.startswith(f"/extensions/{PACK_FOLDER}/"):
            return _file(WEB, path.removeprefix(f"/extensions/{PACK_FOLDER}/"))
        return _file(self.static, path.lstrip("/") or "index.html")


def _blueprint(path):
    told = {"source": "custom_node", "info": {"node_pack": f"custom_nodes.{PACK_FOLDER}"}}
    return {**told, "name": path.stem, "data": path.read_text(encoding="utf-8")}


def _file(folder, name):
    path = (folder / name).resolve()
    if folder.resolve() not in path.parents or not path.is_file():
        return None
    return path.read_bytes(), path.suffix


class _Handler(BaseHTTPRequestHandler):
    stand_in: StandIn

    def do_GET(self):
        answer = self.stand_in.answer(unquote(urlsplit(self.path).path))
        if answer is None:
            self._send(404, b"{}", "application/json")
        elif isinstance(answer, tuple):
            kind = mimetypes.types_map.get(answer[1], "application/octet-stream")
            self._send(200, answer[0], "text/javascript" if answer[1] == ".js" else kind)
        else:
            self._send(200, json.dumps(answer).encode(), "application/json")

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path.removeprefix("/api") == "/prompt":
            self.stand_in.queued.append(json.loads(body))
            told = {"prompt_id": f"prompt-{len(self.stand_in.queued)}", "node_errors": {}}
            self._send(200, json.dumps(told).encode(), "application/json")
        else:
            self._send(200, b"{}", "application/json")

    def _send(self, status, body, kind):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        """Keep quiet."""


@contextmanager
def chromium():
    """Start Chromium without access to anything but this machine."""
    from playwright.sync_api import sync_playwright

    options = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars"]
    options += ["--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=options)
        yield browser
        browser.close()


class Editor:
    """A page with the front end: builds graphs, and says what went wrong in `problems`."""

    def __init__(self, browser, url, *, nodes_2, stand_in=None):
        self.page = browser.new_page(viewport={"width": 1500, "height": 1000}, color_scheme="dark")
        self.page.set_default_timeout(15_000)
        self.problems, self._socket = [], None
        self.page.on("pageerror", lambda error: self.problems.append(error.stack))
        if stand_in is not None:
            self.page.route_web_socket("**/ws*", self._greet)
        self.page.goto(url)
        self.page.wait_for_function(_READY)
        set_value = "([key, value]) => app.extensionManager.setting.set(key, value)"
        self.page.evaluate(set_value, ["Comfy.VueNodes.Enabled", nodes_2])
        self.page.add_style_tag(content=".p-toast, .p-tooltip { display: none !important }")

    def _greet(self, socket):
        self._socket = socket
        self.tell("status", status={"exec_info": {"queue_remaining": 0}}, sid="test")

    def tell(self, kind, **data):
        """Send what the server would, in place of one that runs nothing."""
        self._socket.send(json.dumps({"type": kind, "data": data}))

    def build(self, nodes, links=()):
        """Replace the graph.

        Args:
            nodes: type and position by name: {"pick": ("DI_PickVariant", (0, 0))}.
            links: (from, output, to, input), by name.

        Returns:
            Ids by name.
        """
        return self.page.evaluate(_BUILD, [nodes, list(links)])

    def value(self, node_id, widget):
        """Return a widget's value."""
        return self.page.evaluate(
            "([id, name]) => app.graph.getNodeById(id).widgets.find((w) => w.name === name).value",
            [node_id, widget],
        )

    def title(self, node_id):
        """Return a point on a node's title, in pixels of the page."""
        return self.page.evaluate(_TITLE, node_id)

    def screenshot(self, path, node_ids, scale=1.0):
        """Photograph some nodes of the graph, everything around them cut off."""
        box = self.page.evaluate(_PLACE, [node_ids, scale])
        self.page.wait_for_timeout(500)
        path.parent.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=path, clip=box, animations="disabled")


_READY = """() => window.app?.graph && window.app.canvas
  && window.app.extensionManager?.workflow?.activeWorkflow
  && window.LiteGraph?.registered_node_types.DI_PickVariant"""

_BUILD = """async ([nodes, links]) => {
  app.graph.clear()
  const made = {}
  for (const [name, [type, position]] of Object.entries(nodes)) {
    made[name] = LiteGraph.createNode(type)
    app.graph.add(made[name])
    made[name].pos = [...position]
  }
  const place = (slots, name) => slots.findIndex((slot) => slot.name === name)
  for (const [from, output, to, input] of links)
    made[from].connect(place(made[from].outputs, output), made[to], place(made[to].inputs, input))
  // As a saved workflow brings them.
  await app.loadGraphData(
    app.graph.serialize(), true, false, app.extensionManager.workflow.activeWorkflow)
  app.canvas.ds.scale = 1
  app.canvas.ds.offset = [400, 200]
  app.canvas.setDirty(true, true)
  return Object.fromEntries(Object.entries(made).map(([name, node]) => [name, node.id]))
}"""

_TITLE = """(id) => {
  const { pos } = app.graph.getNodeById(id)
  const { x, y } = app.canvas.canvas.getBoundingClientRect()
  const { offset, scale } = app.canvas.ds
  return [x + (pos[0] + offset[0] + 100) * scale, y + (pos[1] + offset[1] - 15) * scale]
}"""

_PLACE = """([ids, scale]) => {
  const edges = ids.map((id) => app.graph.getNodeById(id).getBounding())
  const left = Math.min(...edges.map((e) => e[0])) - 16
  const top = Math.min(...edges.map((e) => e[1])) - 16
  const right = Math.max(...edges.map((e) => e[0] + e[2])) + 16
  const bottom = Math.max(...edges.map((e) => e[1] + e[3])) + 16
  app.canvas.deselectAll()
  app.canvas.ds.scale = scale
  app.canvas.ds.offset = [400 / scale - left, 200 / scale - top]
  app.canvas.setDirty(true, true)
  const { x, y } = app.canvas.canvas.getBoundingClientRect()
  return { x: x + 400, y: y + 200, width: (right - left) * scale, height: (bottom - top) * scale }
}"""
