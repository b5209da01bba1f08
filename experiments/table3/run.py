"""Train and measure the models of the paper's Table 3 and the pSp baseline, all alike.

    python experiments/table3/run.py --prior prior.safetensors --data train.zip \
        --test-data test.zip --out table3 --base ablation32-cpu --count 300

Everything runs through the command line, one model after the other; OUT gets a folder for each seed
and model, and table3.md. Stop it with Ctrl-C or SIGTERM, and run the same command again to resume.
Processes with different seeds or models may share OUT.
"""

# pyright: reportMissingImports=false
# An editable install is invisible to a type checker.
import argparse
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from table import MODELS, Model, Reports, render

from diverse_inpainting.core.checkpoint import inspect_checkpoint
from diverse_inpainting.core.errors import DiverseInpaintingError
from diverse_inpainting.core.files import write_text
from diverse_inpainting.core.locks import locked
from diverse_inpainting.training.recipe_file import RECIPES_DIR, load_recipe

PAPER_BASE = "ffhq256"
"""What the bundled recipes of Table 3 are based on."""


@dataclass(frozen=True)
class Step:
    """One command."""

    command: list[str]
    result: Path
    """What it writes."""
    stage: str = ""
    total_images: int = 0
    """A training is done when its result has seen so many images of the stage."""

    @property
    def is_done(self) -> bool:
        """Whether it has run to its end."""
        if not self.result.is_file() or not self.stage:
            return self.result.is_file()
        images = inspect_checkpoint(self.result).training.get("images", {})
        return images.get(self.stage, 0) >= self.total_images


def main() -> None:
    options = parse(sys.argv[1:])
    options.out.mkdir(parents=True, exist_ok=True)
    write_recipes(options.out / "recipes", options.base)
    for step in steps(options):
        if not step.is_done:
            print(*step.command)
            code = run([sys.executable, "-m", "diverse_inpainting", *step.command])
            if code or not step.is_done:
                sys.exit("Stopped. Run the same command again to resume.")
    table = options.out / "table3.md"
    with locked(options.out / ".lock", wait=True):  # else an earlier page could be the last
        write_text(table, render(Reports(options.out)))
    print(f"wrote {table}")


def parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--prior", type=Path, required=True, help="model from `train prior`")
    parser.add_argument("--data", type=Path, required=True, help="photographs to train on")
    parser.add_argument("--test-data", type=Path, required=True, help="others, to measure on")
    parser.add_argument("--out", type=Path, required=True, help="folder of all runs")
    parser.add_argument("--base", default=PAPER_BASE, help="recipe that all models vary")
    parser.add_argument("--seed", type=int, nargs="+", default=[0, 1], help="one model each")
    names = [model.name for model in MODELS]
    parser.add_argument(
        "--model", nargs="+", choices=names, default=names, help="rows of the table (default: all)"
    )
    parser.add_argument("--count", help="images to measure on (default: all)")
    parser.add_argument("--set", action="append", default=[], help="KEY=VALUE for all recipes")
    parser.add_argument("--inception", help="weights, as `evaluate` takes them")
    parser.add_argument("--lpips", help="weights, as `evaluate` takes them")
    parser.add_argument("--lite2", action="store_true", help="as `evaluate` takes it")
    parser.add_argument("--download", action="store_true", help="as `evaluate` takes it")
    parser.add_argument("--device", help="cpu, cuda, cuda:1 ... (default: the best)")
    options = parser.parse_args(arguments)
    if options.data.resolve() == options.test_data.resolve():
        parser.error("--test-data must differ from --data, which models 1, 2 and pSp train on")
    return options


def write_recipes(folder: Path, base: str) -> None:
    """Copy the recipes of all models, with another base in place of the paper's."""
    folder.mkdir(exist_ok=True)
    root = str(Path(base).resolve()) if base.endswith(".toml") else base

    def rebase(match: re.Match[str]) -> str:
        return f'base = "{root if match[1] == PAPER_BASE else match[1] + ".toml"}"'

    for model in MODELS:
        text = (RECIPES_DIR / f"{model.recipe}.toml").read_text("utf-8")
        text = re.sub(r'^base = "(.*)"$', rebase, text, flags=re.MULTILINE)
        # Another seed's process may be reading it.
        write_text(folder / f"{model.recipe}.toml", text)


def steps(options: argparse.Namespace) -> Iterator[Step]:
    """Yield a training and an evaluation for each seed and model; one seed after the other.

    Models that those asked for start from are trained, but not measured.
    """
    starts = {model.stage1_of for model in MODELS if model.name in options.model}
    for seed in options.seed:
        exports = {"": options.prior}
        for model in MODELS:
            folder = options.out / f"seed-{seed}" / model.recipe
            step = training(options, model, seed, folder, exports[model.stage1_of])
            exports[model.name] = step.result
            if model.name in starts or model.name in options.model:
                yield step
            if model.name not in options.model:
                continue
            report = folder / "evaluation"
            command = ["evaluate", step.result, "--data", options.test_data, "--out", report]
            command += ["--cache", options.out / "features.sqlite"]
            command += given(options, "count", "inception", "lpips", "device")
            command += ["--lite2"] * options.lite2 + ["--download"] * options.download
            yield Step([*map(str, command)], report / "results.json")


def training(
    options: argparse.Namespace, model: Model, seed: int, folder: Path, source: Path
) -> Step:
    recipe = str(options.out / "recipes" / f"{model.recipe}.toml")
    overrides = (*options.set, f"stage1.seed={seed}", f"stage2.seed={seed}")
    command = ["train", model.stage, "--config", recipe, "--out", folder]
    command += ["--data", options.data, "--from", source, *given(options, "device")]
    command += [word for override in overrides for word in ("--set", override)]
    result = folder / model.stage / f"{model.stage}.safetensors"
    total_images = load_recipe(recipe, overrides).stage_config(model.stage).total_images
    return Step([*map(str, command)], result, model.stage, total_images)


def given(options: argparse.Namespace, *names: str) -> list[str]:
    """Return those options that were given, to pass them on."""
    values = {name: getattr(options, name) for name in names}
    return [word for name, v in values.items() if v is not None for word in (f"--{name}", str(v))]


def run(command: list[str]) -> int:
    """Return the exit code; on Ctrl-C or SIGTERM, wait until the command has saved its state.

    It is not 0 then, even where the command had come to its end.
    """
    process, is_stopped = None, False

    def stop(*_: object) -> None:
        nonlocal is_stopped
        is_stopped = True
        if process is not None:
            process.terminate()

    # Ctrl-C reaches both processes, SIGTERM only this one. It may come while the command starts.
    default = signal.signal(signal.SIGTERM, stop)
    try:
        with subprocess.Popen(command) as process:
            if is_stopped:
                process.terminate()
            while True:
                try:
                    return process.wait() or int(is_stopped)
                except KeyboardInterrupt:
                    is_stopped = True
    finally:
        signal.signal(signal.SIGTERM, default)


if __name__ == "__main__":
    try:
        main()
    except DiverseInpaintingError as error:
        sys.exit(str(error))
