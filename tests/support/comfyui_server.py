"""A running ComfyUI server with the pack.

COMFYUI_DIR names a checkout of ComfyUI; COMFYUI_PYTHON is the interpreter that has its requirements
(default: this one). Everything happens in a base directory of the test.
"""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACK_FOLDER = "diverse-inpainting"
START_S = 180
RUN_S = 300


class Server:
    """A running ComfyUI."""

    def __init__(self, base, port, process, log):
        self.base, self.url, self.process, self.log = base, f"http://127.0.0.1:{port}", process, log

    def get(self, path):
        with urllib.request.urlopen(self.url + path, timeout=30) as response:
            return response.read()

    def get_json(self, path):
        return json.loads(self.get(path))

    def queue(self, prompt):
        """Post a workflow; return (status, answer)."""
        body = json.dumps({"prompt": prompt}).encode()
        request = urllib.request.Request(self.url + "/prompt", body, method="POST")
        try:
            with urllib.request.urlopen(request, timeout=30) as response:
                return response.status, json.loads(response.read())
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read())

    def run(self, prompt):
        """Run a workflow to its end; return its entry of the history."""
        status, answer = self.queue(prompt)
        assert status == 200, answer
        for _ in range(RUN_S * 5):
            history = self.get_json(f"/history/{answer['prompt_id']}")
            if history:
                return history[answer["prompt_id"]]
            time.sleep(0.2)
        raise AssertionError(f"no result after {RUN_S} s:\n{self.log.read_text()}")

    def wait(self):
        for _ in range(START_S * 5):
            assert self.process.poll() is None, self.log.read_text()
            try:
                return self.get("/system_stats")
            except OSError:
                time.sleep(0.2)
        raise AssertionError(f"not up after {START_S} s:\n{self.log.read_text()}")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def running_server(base, models):
    """Start a server with the pack and these model files in a new base directory; yield it."""
    for folder in ("custom_nodes", "input", "models/diverse_inpainting"):
        (base / folder).mkdir(parents=True)
    (base / "custom_nodes" / PACK_FOLDER).symlink_to(ROOT, target_is_directory=True)
    for model in models:
        (base / "models/diverse_inpainting" / model.name).write_bytes(model.read_bytes())
    port, log = free_port(), base / "server.log"
    python = os.environ.get("COMFYUI_PYTHON", sys.executable)
    command = [python, "main.py", "--cpu", "--disable-api-nodes", "--port", str(port)]
    command += ["--base-directory", str(base), "--database-url", "sqlite:///:memory:"]
    if static := os.environ.get("COMFYUI_FRONTEND"):
        command += ["--front-end-root", static.split(os.pathsep)[-1]]
    with log.open("w", encoding="utf-8") as output:
        process = subprocess.Popen(
            command, cwd=os.environ["COMFYUI_DIR"], stdout=output, stderr=subprocess.STDOUT
        )
        try:
            running = Server(base, port, process, log)
            running.wait()
            yield running
        finally:
            process.terminate()
            process.wait(timeout=30)
