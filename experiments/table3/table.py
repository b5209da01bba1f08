"""Table 3 from the reports of `run.py`: what is compared, and the page that shows it.

python experiments/table3/table.py OUT
"""

# pyright: reportMissingImports=false
# An editable install is invisible to a type checker.
import csv
import itertools
import json
import sys
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch

from diverse_inpainting.evaluation.bootstrap import difference
from diverse_inpainting.evaluation.report import ROWS as METRICS
from diverse_inpainting.evaluation.report import cell, describe_metrics, markdown
from diverse_inpainting.evaluation.types import Estimate, ImageValues

COLUMNS = (
    *("fid", "u_ids", "p_ids", "frechet_lite2", "swd", "c2st_accuracy", "seam", "valid_psnr"),
    *("lpips_diversity", "diversity", "rho"),
)
DIVERSITY = ("lpips_diversity", "diversity")
UNREALISM = ("fid", "frechet_lite2", "swd", "c2st_accuracy")
BASELINES = ("mean-colour", "other-photo")


@dataclass(frozen=True)
class Model:
    """A row of the table."""

    name: str
    recipe: str
    """Bundled recipe."""
    stage: Literal["stage1", "stage2"]
    """Its last stage, which is measured."""
    meaning: str
    stage1_of: str = ""
    """Name of the model that provides stage 1, for a model with stage 2."""


MODELS = (
    Model("pSp", "psp-baseline", "stage1", "photographs, no random code"),
    Model("1", "table3-model1", "stage1", "photographs, valid pixels only"),
    Model("2", "table3-model2", "stage2", "1 with stage 2", stage1_of="1"),
    Model("3", "table3-model3", "stage1", "full reconstruction, no gate"),
    Model("4", "table3-model4", "stage1", "full reconstruction, gate"),
    Model("5", "table3-model5", "stage2", "4 with stage 2", stage1_of="4"),
)
"""A model comes after the one that provides its stage 1."""


@dataclass(frozen=True)
class Finding:
    """One of the paper's findings: the first model of each pair has the lower value."""

    text: str
    paper: str
    metrics: tuple[str, ...]
    pairs: tuple[tuple[str, str], ...]
    limits: tuple[tuple[str, str, float], ...] = ()
    """Model, metric, and what its value is below."""


FINDINGS = (
    Finding(
        "There is no diversity without full reconstruction.",
        "LPIPS 0.0073 (1) against 0.1440 (4), 0.0855 (2) against 0.2026 (5)",
        DIVERSITY,
        (("1", "4"), ("2", "5")),
        limits=(("1", "rho", 0.15),),
    ),
    Finding("Gated mixing helps.", "FID 16.65 (4) against 20.91 (3)", UNREALISM, (("4", "3"),)),
    Finding(
        "Stage 2 helps.",
        "FID 7.87 (2) against 10.92 (1), 5.92 (5) against 16.65 (4)",
        UNREALISM,
        (("2", "1"), ("5", "4")),
    ),
    Finding(
        "After stage 1 the less diverse model is better, after stage 2 the diverse one is.",
        "FID 10.92 (1) against 16.65 (4), 5.92 (5) against 7.87 (2)",
        UNREALISM,
        (("1", "4"), ("5", "2")),
    ),
)
"""Table 3 and "Ablation Study" of the paper."""

_BRACKETS = """\
In brackets: 95 % bootstrap over images; of SWD the range of three patch seeds. Hours are those of
the row's last stage, training only."""

_EXPLANATION = """\
Each number is the first model's value minus the second's, and the paper has it below zero. In
brackets: for means over images the 95 % bootstrap of the paired differences; for SWD from the
lowest of one minus the highest of the other to the reverse. A finding is not reproduced if one
interval lies above zero, not measured completely if a number is missing, reproduced if all
intervals lie below zero, and otherwise inconclusive; a number without interval, such as the FID's,
counts by its sign."""


class Reports:
    """The reports in OUT/seed-S/RECIPE/evaluation, and the logs of the trainings beside them.

    Raises:
        SystemExit: there are none, or they were measured on different images or masks.
    """

    def __init__(self, out: Path) -> None:
        self.values: dict[tuple[int, str], dict[str, Estimate]] = {}
        """By seed and model, then by metric."""
        self.images: dict[tuple[int, str], dict[str, ImageValues]] = {}
        """The same of single images, of metrics that each image has."""
        self.hours: dict[tuple[int, str], float] = {}
        """Of training the model's last stage, by seed and model; from its log."""
        self.facts: list[dict[str, Any]] = []
        self.seeds = sorted(int(folder.name[5:]) for folder in out.glob("seed-*"))
        for seed in self.seeds:
            for model in MODELS:
                path = out / f"seed-{seed}" / model.recipe / "evaluation" / "results.json"
                if path.is_file():
                    self.facts.append(json.loads(path.read_text("utf-8")))
                    self.values[seed, model.name] = _estimates(self.facts[-1], model.stage)
                    single = _of_images(path.with_name("pictures.csv"), model.stage)
                    self.images[seed, model.name] = single
                    log = path.parents[1] / model.stage / "log.jsonl"
                    if log.is_file():
                        self.hours[seed, model.name] = _hours(log)
        if len({report["protocol"]["pairs_sha256"] for report in self.facts}) != 1:
            sys.exit(f"{out} needs reports on the same images and masks.")

    def differences(self, pair: tuple[str, str], metric: str) -> dict[int, Estimate]:
        """Return the first model's value minus the second's under each seed that has both."""
        found: dict[int, Estimate] = {}
        for seed in self.seeds:
            keys = [(seed, name) for name in pair]
            if all(metric in self.images.get(key, {}) for key in keys):
                found[seed] = difference(*(self.images[key][metric] for key in keys))
            elif all(metric in self.values.get(key, {}) for key in keys):
                found[seed] = _minus(*(self.values[key][metric] for key in keys))
        return found

    def above(self, name: str, metric: str, limit: float) -> dict[int, Estimate]:
        """Return a model's value minus a limit under each seed that has it."""
        runs = {seed: self.values.get((seed, name), {}) for seed in self.seeds}
        exact = Estimate(limit, limit, limit)
        return {s: _minus(run[metric], exact) for s, run in runs.items() if metric in run}


def _minus(first: Estimate, second: Estimate) -> Estimate:
    """Return a difference with the range of the two intervals, or with none if one has none."""
    value = first.value - second.value
    if None in (first.low, first.high, second.low, second.high):
        return Estimate(value)
    return Estimate(value, first.low - second.high, first.high - second.low)  # pyright: ignore


def _of_images(path: Path, method: str) -> dict[str, ImageValues]:
    numbers: dict[str, list[tuple[float, float]]] = {}
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            if row["method"] == method:
                pair = (float(row["numerator"]), float(row["denominator"]))
                numbers.setdefault(row["metric"], []).append(pair)
    columns = {name: torch.tensor(rows, dtype=torch.float64) for name, rows in numbers.items()}
    return {name: ImageValues(*rows.unbind(1)) for name, rows in columns.items()}


def _hours(log: Path) -> float:
    """Return how long a training took, without the time between a stop and the next start."""
    seconds, start = 0.0, 0
    for line in map(json.loads, log.read_text("utf-8").splitlines()):
        if "images_per_s" in line:
            seconds += (line["nimg"] - start) / line["images_per_s"]
            start = line["nimg"]
    return seconds / 3600


def _estimates(report: dict[str, Any], method: str) -> dict[str, Estimate]:
    found = report["methods"][method]["(0,1]"]
    return {name: Estimate(**v) for name, v in found.items() if v["value"] is not None}


def render(reports: Reports) -> str:
    """Return the page: setting, table, and the paper's findings with our differences."""
    lines = ["# Table 3: ablation", "", "Written by `experiments/table3/table.py`.", ""]
    lines += [*_setting(reports), "", "## Models", "", *_table(reports), ""]
    lines += [_BRACKETS, ""]
    lines += ["## Findings of the paper", "", _EXPLANATION, ""]
    for finding in FINDINGS:
        compared = [*_compared(reports, finding)]
        differences = [by_seed.get(seed) for *_, by_seed in compared for seed in reports.seeds]
        verdict = judge(differences)
        lines += [f"**{finding.text}** {verdict}. The paper: {finding.paper}.", ""]
        header = ("difference", "metric", *(f"seed {seed}" for seed in reports.seeds))
        rows = [
            [what, METRICS[metric].label, *(_shown(by_seed.get(s)) for s in reports.seeds)]
            for what, metric, by_seed in compared
        ]
        lines += [*markdown(header, rows, num_texts=2), ""]
    return "\n".join(lines)


def _setting(reports: Reports) -> Iterator[str]:
    report = reports.facts[-1]
    protocol, training = report["protocol"], report["model"]["training"]
    images = [f"{stage} {count:,}" for stage, count in training.get("images", {}).items()]
    yield f"- trained at {protocol['resolution']} px; images seen: {', '.join(images)}"
    yield f"- seeds: {', '.join(map(str, reports.seeds))}"
    for seed in reports.seeds:
        missing = [model.name for model in MODELS if (seed, model.name) not in reports.values]
        if missing:
            yield f"- not measured under seed {seed}: {', '.join(missing)}"
    yield (
        f"- measured on {protocol['pictures']} photographs, masks `{protocol['masks']}`, "
        f"evaluation seed {protocol['seed']}"
    )
    if reports.hours:
        yield f"- hours of training, added up over all runs: {sum(reports.hours.values()):.2f}"
    yield from (f"- {line}" for line in describe_metrics(report["metrics"]))


def _table(reports: Reports) -> list[str]:
    names = [name for name in COLUMNS if any(name in v for v in reports.values.values())]
    table: list[list[str]] = []
    for seed, model in itertools.product(reports.seeds, MODELS):
        run = seed, model.name
        values, hours = reports.values.get(run, {}), reports.hours.get(run)
        row = [model.name, model.meaning, str(seed), *(cell(name, values) for name in names)]
        table.append([*row, "-" if hours is None else f"{hours:.2f}"])
    for baseline in BASELINES:
        values = _estimates(reports.facts[0], baseline)
        table.append([baseline, "baseline", "-", *(cell(name, values) for name in names), "-"])
    table.append(["", "better", "", *(METRICS[name].better or "-" for name in names), ""])
    header = ("model", "what it is", "seed", *(METRICS[name].label for name in names), "hours")
    return markdown(header, table, num_texts=2)


def _compared(reports: Reports, finding: Finding) -> Iterator[tuple[str, str, dict[int, Estimate]]]:
    """Yield what is subtracted, the metric, and the differences by seed."""
    for name, metric, limit in finding.limits:
        yield f"{name} - {limit:g}", metric, reports.above(name, metric, limit)
    for pair, metric in itertools.product(finding.pairs, finding.metrics):
        if any(metric in values for values in reports.values.values()):
            yield " - ".join(pair), metric, reports.differences(pair, metric)


def judge(differences: Collection[Estimate | None]) -> str:
    """Return what differences that the paper has below zero say about a finding of it.

    None stands for one that is not measured.
    """
    known = [d for d in differences if d is not None]
    if any((d.value if d.low is None else d.low) > 0 for d in known):
        return "Not reproduced"
    if len(known) < len(differences):
        return "Not measured completely"
    highs = [d.value if d.high is None else d.high for d in known]
    return "Reproduced" if highs and max(highs) < 0 else "Inconclusive"


def _shown(estimate: Estimate | None) -> str:
    if estimate is None:
        return "-"
    text = f"{estimate.value:+.4f}"
    return text if estimate.low is None else f"{text} [{estimate.low:+.4f}, {estimate.high:+.4f}]"


if __name__ == "__main__":
    print(render(Reports(Path(sys.argv[1]))))
