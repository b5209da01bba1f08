"""Starting ComfyUI must not get slow, and importing must do nothing but import."""

import json
import subprocess
import sys

PROBE = """
import importlib.util, json, os, socket, sys, time
import numpy, torch
def refuse(*_):
    raise RuntimeError("network")
socket.socket.connect = refuse
root = sys.argv[1]
before = set(sys.modules)
start = time.perf_counter()
name = root.replace(".", "_x_")
spec = importlib.util.spec_from_file_location(name, os.path.join(root, "__init__.py"))
module = sys.modules[name] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
nodes = module.NODE_CLASS_MAPPINGS
seconds = time.perf_counter() - start
new = {m for m in set(sys.modules) - before if not m.startswith(name)}
own = {m.removeprefix(name + ".") for m in sys.modules if m.startswith(name + ".")}
print(json.dumps({"seconds": seconds, "new": sorted(new), "own": sorted(own), "num": len(nodes)}))
"""
HEAVY = {"safetensors", "huggingface_hub", "triton", "PIL", "einops", "scipy", "rich", "typer"}


def test_importing_the_nodes_is_quick_and_quiet(root, tmp_path):
    result = subprocess.run(
        [sys.executable, "-c", PROBE, str(root)], cwd=tmp_path, capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""
    report = json.loads(result.stdout)
    assert report["num"] > 0
    assert HEAVY & {module.split(".")[0] for module in report["new"]} == set()
    assert [m for m in report["own"] if m.startswith(("core.inpainter", "core.networks"))] == []
    assert report["seconds"] < 0.3
