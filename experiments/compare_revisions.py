"""Compare what two checkouts compute: a refactoring must not change results.

    python experiments/compare_revisions.py OLD_PYTHON NEW_PYTHON --data IMAGES --out DIR

Runs the command line of two checkouts, each installed in a virtual environment of its own, and
compares what they write to the last bit: completed images, logged losses, weights, and measured
numbers. NEW also resumes OLD's runs half way and completes images with OLD's model. Prints a line
for each comparison; the exit code is 1 if any differs. Names that changed are given by --renamed:

    --renamed alarms=diagnostics --renamed pixel_same=pixel_g
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from PIL import Image
from safetensors.numpy import load_file

STEPS, BATCH = 20, 8
STAGES = ("prior", "stage1", "stage2")
ALLOW = "--allow-training-pictures"  # of evaluate; a revision of before may lack it
SPEED = ("images_per_s", "peak_memory_mib")
PHOTOGRAPHS = Path(__file__).parents[1] / "core" / "weights" / "pictures"

# As small as can be, and with everything that a stage does within 20 steps.
RECIPE = """
title = "Comparison, 32x32"
license = "none"
model.generator = {resolution = 32, z_dim = 32, w_dim = 32, channel_base = 512, channel_max = 32}
model.discriminator = {resolution = 32, channel_base = 512, channel_max = 32}
model.mixer = {num_layers = 8, w_dim = 32}
model.skip_encoder = {resolution = 32, stem_width = 8, widths = [8, 12, 16]}
data.holdout_every = 11
[model.encoder]
kind = "small"
resolution = 32
w_dim = 32
width = 8
max_width = 16
depths = [1, 1, 1, 1]
"""
STAGE = """
[{stage}]
total_images = {images}
batch_size = {batch}
micro_batch = 4
learning_rate = 1e-3
r1_gamma = 0.5
r1_every = 4
ema_half_life = 50
log_every = {batch}
grid_every = {half}
save_every = {half}
keep_last = 10
precision = "float32"
"""
ADVERSARIAL = "discriminator_warmup = 40\nadversarial_ramp = 40\nreal_fraction = 0.5\n"


def main() -> None:
    options = parse()
    recipe = options.out / "comparison.toml"
    options.out.mkdir(parents=True, exist_ok=True)
    recipe.write_text(_recipe(), encoding="utf-8")
    if not (options.out / "old").exists():
        run_all(options.old, options.out / "old", recipe, options.data)
    shutil.rmtree(options.out / "new", ignore_errors=True)
    run_all(options.new, options.out / "new", recipe, options.data)
    run_on_old(options.new, options.out, recipe, options.data)
    old, new = options.out / "old", options.out / "new"
    pairs = ((old, new), (old / "run", new / "resumed"), (old / "inpaint", new / "old-model"))
    renamed = dict(pair.split("=") for pair in options.renamed)
    found = [line for pair in pairs for line in compare(*pair, renamed)]
    print("\n".join(found))
    sys.exit(any(line.startswith("DIFFERENT") for line in found))


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("old", metavar="OLD_PYTHON", help="interpreter with the old checkout")
    parser.add_argument("new", metavar="NEW_PYTHON", help="interpreter with the new one")
    parser.add_argument("--data", type=Path, required=True, help="folder or zip of images")
    parser.add_argument("--out", type=Path, required=True, help="results; OUT/old is reused")
    parser.add_argument("--renamed", action="append", default=[], metavar="OLD=NEW")
    return parser.parse_args()


def _recipe() -> str:
    sizes = {"images": STEPS * BATCH, "half": STEPS // 2 * BATCH, "batch": BATCH}
    stages = [STAGE.format(stage=stage, **sizes) for stage in STAGES]
    return RECIPE + stages[0] + "".join(stage + ADVERSARIAL for stage in stages[1:])


def call(python: str, *arguments: object) -> None:
    """Run a command; two threads, since sums depend on their number."""
    command = [python, "-m", "diverse_inpainting", *map(str, arguments)]
    print(" ".join(command[3:]), file=sys.stderr)
    subprocess.run(command, check=True, env={**os.environ, "OMP_NUM_THREADS": "2"})


def run_all(python: str, out: Path, recipe: Path, data: Path) -> None:
    """Complete images, train each stage, and evaluate the result."""
    call(python, "demo", "--device", "cpu", "--out", out / "demo")
    for stage in STAGES:
        train(python, stage, out / "run", recipe, data)
    model = out / "run" / "stage2" / "model.safetensors"
    inpaint(python, model, out / "inpaint")
    measuring = ["--data", data, "--out", out / "evaluation", "--count", 50, "--device", "cpu"]
    if _knows(python, "evaluate", ALLOW):
        measuring.append(ALLOW)
    call(python, "evaluate", model, *measuring)


def _knows(python: str, command: str, option: str) -> bool:
    """Return whether a revision has an option."""
    asked = [python, "-m", "diverse_inpainting", command, "--help"]
    return option in subprocess.run(asked, check=True, capture_output=True, text=True).stdout


def run_on_old(python: str, out: Path, recipe: Path, data: Path) -> None:
    """Resume OLD's stages from half way, and complete images with OLD's model."""
    for stage in STAGES:
        run = out / "new" / "resumed"
        shutil.copytree(out / "old" / "run" / stage, run / stage)
        (run / stage / "states" / f"{STEPS * BATCH:09d}.pt").unlink()
        train(python, stage, run, recipe, data)
    inpaint(python, out / "old/run/stage2/model.safetensors", out / "new" / "old-model")


def train(python: str, stage: str, out: Path, recipe: Path, data: Path) -> None:
    call(
        *(python, "train", stage, "--config", recipe, "--data", data, "--out", out),
        *("--device", "cpu", "--threads", 2),
    )


def inpaint(python: str, model: Path, out: Path) -> None:
    """Complete the bundled photographs, with everything that is not the default."""
    mask = out.parent / "mask.png"
    hole = np.zeros((256, 256), np.uint8)
    hole[60:150, 40:200] = 255
    Image.fromarray(hole).save(mask)
    call(
        *(python, "inpaint", PHOTOGRAPHS, "--mask", mask, "--model", model, "--out", out),
        *("--variants", 2, "--seed", 7, "--edit", "sefa:0=1.5", "--skip-source", "unedited"),
        *("--truncation", 0.7, "--gate-bias", 1, "--crop", "hole", "--feather", 4),
        *("--device", "cpu"),
    )


def compare(old: Path, new: Path, renamed: Mapping[str, str]) -> Iterator[str]:
    """Yield a line for each file of OLD that holds results."""
    # The plots of an evaluation are left out: their labels may be worded anew.
    readers = {".png": _image, ".safetensors": load_file, ".jsonl": _log, ".json": _numbers}
    for path in sorted(old.rglob("*")):
        reader = readers.get(path.suffix)
        if reader is None or path.match("recipe.json") or path.match("plot-*"):
            continue
        name = path.relative_to(old)
        other = new / "-".join(renamed.get(part, part) for part in str(name).split("-"))
        if not other.is_file():
            yield f"DIFFERENT {new.name}/{name}: missing"
            continue
        before, after = reader(path), reader(other)
        changed = [key for key, value in before.items() if _differs(key, value, after, renamed)]
        verdict = f"DIFFERENT {changed[:5]}" if changed else "equal"
        yield f"{verdict} {new.name}/{name}: {len(before)} values"


def _differs(
    key: str, value: object, after: Mapping[str, object], renamed: Mapping[str, str]
) -> bool:
    new_key = "/".join(renamed.get(part, part) for part in key.split("/"))
    other = after.get(key, after.get(new_key))
    return other is None or not np.array_equal(np.asarray(value), np.asarray(other))


def _image(path: Path) -> dict[str, object]:
    with Image.open(path) as image:
        return {"pixels": np.asarray(image)}


def _log(path: Path) -> dict[str, object]:
    lines = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    return {key: value for i, line in enumerate(lines) for key, value in _leaves(line, f"{i}")}


def _numbers(path: Path) -> dict[str, object]:
    leaves = _leaves(json.loads(path.read_text("utf-8")), "")
    return {key: value for key, value in leaves if isinstance(value, int | float)}


def _leaves(value: object, name: str) -> Iterator[tuple[str, object]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            if key not in SPEED:
                yield from _leaves(inner, f"{name}/{key}")
    else:
        yield name, value


if __name__ == "__main__":
    main()
