"""Time the example workflows and their interruption in a real ComfyUI server, on the CPU.

COMFYUI_DIR=path/to/ComfyUI PYTHONPATH=tests/support python experiments/workflows/timings.py

cold: the model is loaded again. warm: every seed is new. slider: only the strengths of
DI_EditSliders are, and it runs alone, as while one drags. An interruption counts from the request
to the server's message that the run has ended.
"""

import json
import os
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

from comfyui_server import ROOT, Server, running_server

FOLDER = ROOT / "example_workflows" / "api"
Prompt = dict[str, Any]


def post(server: Server, path: str, **values: object) -> None:
    body = json.dumps(values).encode()
    urllib.request.urlopen(urllib.request.Request(server.url + path, body), timeout=30).read()


def times(entry: dict[str, Any]) -> dict[str, float]:
    """Return when each kind of message was sent, in seconds since 1970."""
    return {kind: told["timestamp"] / 1000 for kind, told in entry["status"]["messages"]}


def seconds(server: Server, prompt: Prompt) -> float:
    told = times(server.run(prompt))
    return told["execution_success"] - told["execution_start"]


def changed(prompt: Prompt, name: str, value: object) -> Prompt:
    """Return the workflow with another value wherever a node has this widget."""
    return {
        key: {**node, "inputs": {k: value if k == name else v for k, v in node["inputs"].items()}}
        for key, node in prompt.items()
    }


def sliders_alone(prompt: Prompt) -> Prompt:
    """Return the sliders and what they need: the front end runs that while a slider moves."""
    needed = [key for key, node in prompt.items() if node["class_type"] == "DI_EditSliders"]
    for key in needed:  # it grows
        values = prompt[key]["inputs"].values()
        needed += [v[0] for v in values if isinstance(v, list) and v[0] not in needed]
    return {key: prompt[key] for key in needed}


def time_workflow(server: Server, path: Path) -> None:
    prompt = json.loads(path.read_text(encoding="utf-8"))
    post(server, "/free", unload_models=True, free_memory=True)
    time.sleep(1)  # the server frees between runs
    cold = seconds(server, prompt)
    new = changed(prompt, "seed", 4321)
    row = [cold, seconds(server, new)]
    if any(node["class_type"] == "DI_EditSliders" for node in prompt.values()):
        row.append(seconds(server, sliders_alone(changed(new, "sliders", '{"warmth": -1.0}'))))
    cells = [f"{value:.2f} s" for value in row] + [""] * (3 - len(row))
    print(f"| {path.stem} | {' | '.join(cells)} | {os.getloadavg()[0]:.1f} |", flush=True)


def node(kind: str, **inputs: object) -> dict[str, Any]:
    return {"class_type": kind, "inputs": inputs}


def long_runs() -> dict[str, Prompt]:
    """Return workflows that take far longer than anybody waits."""
    inpaint = json.loads((FOLDER / "1-quick.json").read_text(encoding="utf-8"))
    found = json.loads((FOLDER / "8-any-generator.json").read_text(encoding="utf-8"))
    steps = json.loads((FOLDER / "2-step-by-step.json").read_text(encoding="utf-8"))
    (encode,) = (n["inputs"] for n in steps.values() if n["class_type"] == "DI_EncodeErased")
    steps["many"] = node("RepeatImageBatch", image=encode["image"], amount=128)
    encode["image"] = ["many", 0]
    return {
        "encoding 128 images": steps,
        "64 variants": changed(changed(inpaint, "num_variants", 64), "seed", 5),
        "fitting": changed(changed(inpaint, "fit_steps", 200), "seed", 6),
        "GANSpace": changed(found, "method", "ganspace"),
    }


def time_interruption(server: Server, name: str, prompt: Prompt, after_s: float) -> None:
    _, answer = server.queue(prompt)
    while server.get_json("/queue")["queue_pending"]:
        time.sleep(0.02)
    time.sleep(after_s)
    asked = time.time()
    post(server, "/interrupt")
    while not (history := server.get_json(f"/history/{answer['prompt_id']}")):
        time.sleep(0.02)
    messages = dict(history[answer["prompt_id"]]["status"]["messages"])
    ended = messages.get("execution_interrupted")
    result = "it had ended |"
    if ended is not None:
        result = f"{ended['timestamp'] / 1000 - asked:.2f} s | {ended['node_type']}"
    print(f"| {name} after {after_s} s | {result} | {os.getloadavg()[0]:.1f} |", flush=True)


def main() -> None:
    with (
        tempfile.TemporaryDirectory() as folder,
        running_server(Path(folder) / "base", []) as server,
    ):
        print("| workflow | cold | warm | slider | load |\n|---|---|---|---|---|")
        for path in sorted(FOLDER.glob("*.json")):
            time_workflow(server, path)
        print("\n| interrupted | answered in | in | load |\n|---|---|---|---|")
        for name, prompt in long_runs().items():
            for number, after_s in enumerate((0.4, 0.8, 1.2, 1.6, 2.0, 2.4, 2.8)):
                new = changed(changed(prompt, "seed", 100 + number), "component", number)
                time_interruption(server, name, new, after_s)


if __name__ == "__main__":
    main()
