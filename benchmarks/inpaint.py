"""How fast a model completes an image, beside its plain modules; how it loads, and what it takes.

    python benchmarks/inpaint.py --model cats --variants 1 8

Completes the demo's photograph (256x256) through the public class. `reference` computes with the
networks' own modules, as they are trained; `prepared` is what `Inpainter` does. The first
completion, which prepares the networks, is listed separately.
"""

import argparse
import subprocess
import sys
from typing import Any

from machine import describe, floor
from measuring import Candidate, add_options, clock_of, compare, name_of, report, spread
from torch import Tensor

from diverse_inpainting import Inpainter
from diverse_inpainting.core.examples import demo_input
from diverse_inpainting.core.networks import DiverseInpaintingModel
from diverse_inpainting.core.precision import PRECISIONS

# The first line is what ComfyUI has imported before it loads a node pack.
IMPORT_NODES = """
import time, torch, numpy, safetensors.torch
from PIL import Image
started = time.perf_counter()
import diverse_inpainting.nodes
print(time.perf_counter() - started)
"""


def main(arguments: list[str] | None = None) -> None:
    options = parse(arguments)
    clock = clock_of(options)
    image, hole_mask = demo_input()

    def load(precision: str) -> Inpainter:
        return Inpainter.load(options.model, device=clock.device, precision=precision)

    def candidate(name: str, model: Inpainter, num_variants: int) -> Candidate:
        def complete() -> Tensor:
            return model.inpaint(image, hole_mask, num_variants=num_variants).images

        return Candidate(name, model.model.feature_dtype, complete)

    loading = [clock.seconds(lambda: load("float32")) for _ in range(options.rounds)]
    pairs = {}
    for precision in options.precisions:
        prepared = load(precision)
        pairs.setdefault(prepared.model.feature_dtype, (plain(load(precision)), prepared))
    floors = {dtype: floor(dtype, clock) for dtype in pairs}
    first = [clock.seconds(candidate("", pair[1], 1).work) for pair in pairs.values()]
    rows = []
    for num_variants in options.variants:
        candidates = [
            candidate(name, model, num_variants)
            for pair in pairs.values()
            for name, model in zip(("reference", "prepared"), pair, strict=True)
        ]
        shape = f"{image.shape[2]}px, {num_variants} variants"
        rows += compare(candidates, shape, clock, rounds=options.rounds, floors=floors)
    facts = describe(clock.device) | {"clock": clock.kind, "model": load("float32").title}
    facts |= {f"floor {name_of(d)}": f"{speed:.0f} GFLOP/s" for d, speed in floors.items()}
    facts |= {f"first, {name_of(d)}": _ms([s]) for d, s in zip(pairs, first, strict=True)}
    facts |= {"load": _ms(loading), "import nodes": _ms([import_nodes()])}
    report(facts, rows, options.json)


def plain(inpainter: Inpainter) -> Inpainter:
    """Return the inpainter with networks that are not prepared."""
    model = inpainter.model
    networks: dict[str, Any] = {**model.parts}
    inpainter.model = DiverseInpaintingModel(**networks, feature_dtype=model.feature_dtype)
    return inpainter


def import_nodes() -> float:
    """Return how many seconds a new process takes to import the nodes after torch."""
    done = subprocess.run(
        [sys.executable, "-c", IMPORT_NODES], capture_output=True, text=True, check=True
    )
    return float(done.stdout)


def _ms(seconds: list[float]) -> str:
    return "{median_ms:.0f} ms ({lowest_ms:.0f} to {highest_ms:.0f})".format(**spread(seconds))


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--model", default="cats", help="bundled name, file or Hugging Face id")
    parser.add_argument("--variants", nargs="+", type=int, default=(1, 8))
    parser.add_argument("--precisions", nargs="+", choices=PRECISIONS, default=("float32", "auto"))
    add_options(parser, rounds=5)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
