"""The live page: its modules in Node, and the whole of it in Chromium."""

import functools
import json
import os
import subprocess
import threading
import time
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np

from comfyui_server import ROOT

DEMO = ROOT / "web" / "demo"
RUNTIME = os.environ.get("ONNXRUNTIME_WEB")
"""The npm package of ONNX Runtime Web, packed or not; without it, npm downloads it."""
STROKE = [(0.4, 0.4), (0.5, 0.5), (0.6, 0.42)]
"""Over the middle of a picture, for `LivePage.paint`."""


def evaluate(imports, expression, *values):
    """Return what a JavaScript expression gives.

    Args:
        imports: names by module: {"codes.mjs": ["normal"]}.
        expression: of them and of `values`, the values below; may be awaited. Typed arrays come
            back as lists, BigInts as text.
        values: plain data.
    """
    lines = [
        f"import {{ {', '.join(names)} }} from {json.dumps((DEMO / module).as_uri())};"
        for module, names in imports.items()
    ]
    script = "\n".join([*lines, _PROLOGUE, f"write(await ({expression}));"])
    command = ["node", "--input-type=module", "-e", script]
    done = subprocess.run(command, input=json.dumps(values), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


_PROLOGUE = """
import { readFileSync, writeSync } from "node:fs";
const values = JSON.parse(readFileSync(0, "utf8"));
const plain = (key, value) => {
  if (typeof value === "bigint") return String(value);
  return ArrayBuffer.isView(value) ? Array.from(value) : value;
};
const write = (value) => {
  const bytes = Buffer.from(JSON.stringify(value, plain));
  for (let at = 0; at < bytes.length;) at += writeSync(1, bytes, at);
};
"""


class Site:
    """A static server; `sent` has the bytes of each answer by path."""

    def __init__(self, folder):
        self.sent = {}
        handler = type("Handler", (_Handler,), {"site": self})
        bound = functools.partial(handler, directory=str(folder))
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), bound)
        self.url = f"http://127.0.0.1:{self._server.server_port}/"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self):
        """Be gone, as without a connection."""
        self._server.shutdown()
        self._server.server_close()


class _Handler(SimpleHTTPRequestHandler):
    site: Site

    def copyfile(self, source, outputfile):
        path = self.path.partition("?")[0]
        self.site.sent[path] = Path(self.translate_path(path)).stat().st_size
        super().copyfile(source, outputfile)

    def log_message(self, *args):
        """Keep quiet."""


class LivePage:
    """The page in a tab of its own context; `problems` are errors, `addresses` all requests."""

    def __init__(self, browser, url, **options):
        self.context = browser.new_context(viewport={"width": 1280, "height": 800}, **options)
        self.problems, self.addresses = [], []
        self.context.on("request", lambda request: self.addresses.append(request.url))
        self.open(url)

    def open(self, url):
        """Open the page in a new tab."""
        self.page = self.context.new_page()
        self.page.on("pageerror", lambda error: self.problems.append(error.stack))
        self.page.on("console", self._hear)
        self.page.goto(url)

    def _hear(self, message):
        if message.type == "error":
            self.problems.append(message.text)

    def wait(self, condition, timeout_s=240):
        """Wait until JavaScript is true; the page's policy forbids playwright's own way."""
        end = time.monotonic() + timeout_s
        while time.monotonic() < end:
            try:
                if self.page.evaluate(condition):
                    return
            except Exception as error:  # the page loads again, once
                if "navigation" not in str(error):
                    raise
            self.page.wait_for_timeout(50)
        raise TimeoutError(f"{condition}; status: {self.status}")

    def wait_for_answers(self):
        """Wait until sixteen answers and the chosen one in the picture are there."""
        self.wait(_DONE)

    def wait_for_picture(self):
        """Wait until the chosen answer is in the picture."""
        self.wait(_SHOWN)

    @property
    def status(self):
        return self.page.inner_text("#status")

    def paint(self, *places):
        """Paint a stroke through places, in fractions of the picture's box, by pointer events."""
        box = self.page.locator("#canvas").bounding_box()
        points = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in places]
        self.page.mouse.move(*points[0])
        self.page.mouse.down()
        for point in points[1:]:
            self.page.mouse.move(*point, steps=4)
        self.page.mouse.up()

    def mask(self, width, height):
        """Return the painted mask, [height, width]."""
        mask = np.zeros(width * height, np.uint8)
        mask[self.page.evaluate(_MASK_CHANGES, [width, height])] = 1  # the first is not erased
        return (np.cumsum(mask) % 2).astype(np.uint8).reshape(height, width)

    def thumbnails(self):
        """Return the answers as data addresses."""
        return self.page.evaluate(
            "[...document.querySelectorAll('#grid canvas')].map((canvas) => canvas.toDataURL())"
        )

    def picture(self):
        """Return what the picture's canvas shows, as a data address."""
        self.page.mouse.move(5, 5)  # or the brush is seen
        self.page.wait_for_timeout(200)
        return self.page.evaluate("document.getElementById('canvas').toDataURL()")

    def choose(self, k):
        """Click an answer."""
        self.page.locator("#grid li > button:first-child").nth(k).click()

    def download(self, path):
        """Save the result."""
        with self.page.expect_download() as download:
            self.page.click("#save")
        download.value.save_as(path)


_SHOWN = "(({ shown, wanted }) => Boolean(shown) && shown === wanted)(document.body.dataset)"
_DONE = f"document.querySelectorAll('#grid li.ready:not(.stale)').length === 16 && {_SHOWN}"

_MASK_CHANGES = """async ([width, height]) => {
  const { fromHash } = await import("./share.mjs")
  const { rasterise } = await import("./strokes.mjs")
  const mask = rasterise(fromHash(location.hash, 16).strokes, width, height)
  const changes = []
  for (let i = 1; i < mask.length; i++) if (mask[i] !== mask[i - 1]) changes.push(i)
  return changes
}"""
