"""Complete a folder of images on a ComfyUI server with a workflow in API form.

    python client.py quick.json photos/ masks/ results/ --seed 7

Needs Python alone. The workflow's example picture, or its Load Image, is replaced by each image,
whose mask has the same name: white where the image is to be filled. Results are named
IMAGE-sSEED-vVARIANT.png.
"""

import argparse
import json
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any


def ask(url: str, body: bytes | None = None, kind: str = "application/json") -> bytes:
    """Return the server's answer; a refusal ends the program in the server's words."""
    try:
        request = urllib.request.Request(url, body, {"Content-Type": kind})
        return urllib.request.urlopen(request).read()
    except urllib.error.HTTPError as error:
        raise SystemExit(f"The server refused: {error.read().decode()}") from None
    except urllib.error.URLError as error:
        raise SystemExit(f"There is no answer from {url}: {error.reason}") from None


def upload(server: str, path: Path) -> str:
    """Put a file into the server's input folder; return its name there."""
    edge, name = uuid.uuid4().hex, uuid.uuid4().hex + path.suffix
    head = f'--{edge}\r\nContent-Disposition: form-data; name="image"; filename="{name}"\r\n\r\n'
    body = head.encode() + path.read_bytes() + f"\r\n--{edge}--".encode()
    answer = ask(f"{server}/upload/image", body, f"multipart/form-data; boundary={edge}")
    return json.loads(answer)["name"]


def fill_in(text: str, image: str, mask: str, seed: int) -> dict[str, Any]:
    """Return the workflow with an uploaded image, its mask and a seed."""
    prompt = json.loads(text)
    sources = [
        k for k, n in prompt.items() if n["class_type"] in ("DI_ExamplePicture", "LoadImage")
    ]
    for node in prompt.values():
        for name, value in node["inputs"].items():
            if name == "seed":
                node["inputs"][name] = seed
            elif value in ([source, 1] for source in sources):
                node["inputs"][name] = ["mask", 0]
    mask_loader = {"class_type": "LoadImageMask", "inputs": {"image": mask, "channel": "red"}}
    loader = {"class_type": "LoadImage", "inputs": {"image": image}}
    return {**prompt, **dict.fromkeys(sources, loader), "mask": mask_loader}


def run(server: str, prompt: dict[str, Any]) -> Iterator[bytes]:
    """Run a workflow and yield the images that it saves."""
    answer = ask(f"{server}/prompt", json.dumps({"prompt": prompt}).encode())
    number = json.loads(answer)["prompt_id"]
    while not (history := json.loads(ask(f"{server}/history/{number}"))):
        time.sleep(0.5)
    if history[number]["status"]["status_str"] != "success":
        raise SystemExit(f"The workflow failed: {history[number]['status']['messages'][-1]}")
    for output in history[number]["outputs"].values():
        for file in output.get("images", []):
            if file["type"] == "output":
                yield ask(f"{server}/view?{urllib.parse.urlencode(file)}")


def main() -> None:
    """Complete every image of the folder."""
    layout = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=layout)
    for argument in ("workflow", "images", "masks", "results"):
        parser.add_argument(argument, type=Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--server", default="http://127.0.0.1:8188")
    given = parser.parse_args()
    given.results.mkdir(parents=True, exist_ok=True)
    text = given.workflow.read_text(encoding="utf-8")
    for path in sorted(given.images.iterdir()):
        mask = next(given.masks.glob(f"{path.stem}.*"), None)
        if mask is None:
            raise SystemExit(f"There is no mask for {path} in {given.masks}.")
        uploaded = upload(given.server, path), upload(given.server, mask)
        prompt = fill_in(text, *uploaded, given.seed)
        for variant, content in enumerate(run(given.server, prompt)):
            result = given.results / f"{path.stem}-s{given.seed}-v{variant}.png"
            result.write_bytes(content)
            print(result)


if __name__ == "__main__":
    main()
