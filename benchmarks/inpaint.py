"""How fast a model loads and completes an image, its memory, and the import time of the nodes.

    python benchmarks/inpaint.py --model cats --variants 8 --runs 5

Completes the demo's photograph (256x256) through the public class. Times are in seconds: the median
and the range of the runs. The first completion, which includes the warm-up, is listed separately.
"""

import argparse
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

import torch
from machine import peak_mib

from diverse_inpainting import Inpainter
from diverse_inpainting.core.device import resolve_device
from diverse_inpainting.core.examples import demo_input
from diverse_inpainting.training.hardware import device_name

# The first line is what ComfyUI has imported before it loads a node pack.
IMPORT_NODES = """
import time, torch, numpy, safetensors.torch
from PIL import Image
started = time.perf_counter()
import diverse_inpainting.nodes
print(time.perf_counter() - started)
"""


def main() -> None:
    options = parse()
    device = resolve_device(options.device)
    rows: list[tuple[str, str]] = []
    base_mib = peak_mib()
    load = timed(lambda: Inpainter.load(options.model, device=device), options.runs)
    model = Inpainter.load(options.model, device=device)
    image, hole_mask = demo_input()

    def complete() -> None:
        model.inpaint(image, hole_mask, num_variants=options.variants).images.cpu()

    first = timed(complete, 1)
    runs = timed(complete, options.runs)
    rows += [
        ("machine", f"{device_name(device)}, torch {torch.__version__}"),
        ("threads", f"{torch.get_num_threads()}"),
        ("model", f"{model.title}, {sum(model.num_parameters.values()):,} parameters"),
        ("image", f"{image.shape[2]}x{image.shape[1]}, {options.variants} variants"),
        ("load, s", spread(load)),
        ("first image, s", spread(first)),
        ("image, s", spread(runs)),
        ("variant, s", spread([seconds / options.variants for seconds in runs])),
        ("peak memory, MiB", f"{peak_mib():.0f} (before loading {base_mib:.0f})"),
    ]
    if device.type == "cuda":
        peak = torch.cuda.max_memory_allocated(device) / 2**20
        rows.append(("peak GPU memory, MiB", f"{peak:.0f}"))
    rows.append(("import nodes, s", spread([import_nodes() for _ in range(options.runs)])))
    for name, value in rows:
        print(f"{name:<22}{value}")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--model", default="cats", help="bundled name, file or Hugging Face id")
    parser.add_argument("--variants", type=int, default=8)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--device", default=None, help="cuda if available, else cpu")
    return parser.parse_args()


def timed(work: Callable[[], object], runs: int) -> list[float]:
    """Return the duration of each run in seconds."""
    seconds = []
    for _ in range(runs):
        started = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - started)
    return seconds


def import_nodes() -> float:
    """Return how many seconds a new process takes to import the nodes after torch."""
    done = subprocess.run(
        [sys.executable, "-c", IMPORT_NODES], capture_output=True, text=True, check=True
    )
    return float(done.stdout)


def spread(seconds: list[float]) -> str:
    """Return "median (lowest to highest)"."""
    return f"{statistics.median(seconds):.3f} ({min(seconds):.3f} to {max(seconds):.3f})"


if __name__ == "__main__":
    main()
