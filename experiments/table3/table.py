"""Table 3 from the reports of `run.py`: what is compared, and the page that shows it.

python experiments/table3/table.py OUT
"""

# pyright: reportMissingImports=false
# An editable install is invisible to a type checker.
import itertools
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from diverse_inpainting.evaluation.report import ROWS as METRICS
from diverse_inpainting.evaluation.report import cell, describe_metrics, markdown
from diverse_inpainting.evaluation.types import Estimate

COLUMNS = (
    *("fid", "u_ids", "p_ids", "swd", "c2st_accuracy", "seam", "valid_psnr"),
    *("lpips_diversity", "diversity", "rho"),
)
DIVERSITY = ("lpips_diversity", "diversity")
UNREALISM = ("fid", "swd", "c2st_accuracy")
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


FINDINGS = (
    Finding(
        "There is no diversity without full reconstruction.",
        "LPIPS 0.0073 (1) against 0.1440 (4), 0.0855 (2) against 0.2026 (5)",
        DIVERSITY,
        (("1", "4"), ("2", "5")),
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


class Reports:
    """The results.json files in OUT/seed-S/RECIPE/evaluation.

    Raises:
        SystemExit: there are none, or they were measured on different images or masks.
    """

    def __init__(self, out: Path) -> None:
        self.values: dict[tuple[int, str], dict[str, Estimate]] = {}
        """By seed and model, then by metric."""
        self.facts: list[dict[str, Any]] = []
        for seed in sorted(int(folder.name[5:]) for folder in out.glob("seed-*")):
            for model in MODELS:
                path = out / f"seed-{seed}" / model.recipe / "evaluation" / "results.json"
                if path.is_file():
                    self.facts.append(json.loads(path.read_text("utf-8")))
                    self.values[seed, model.name] = _estimates(self.facts[-1], model.stage)
        if len({report["protocol"]["pairs_sha256"] for report in self.facts}) != 1:
            sys.exit(f"{out} needs reports on the same images and masks.")
        self.seeds = sorted({seed for seed, _ in self.values})

    def differences(self, pair: tuple[str, str], metric: str) -> list[float]:
        """Return the first model's value minus the second's under each seed that has both."""
        runs = [[self.values.get((seed, name), {}) for name in pair] for seed in self.seeds]
        both = [(a[metric].value, b[metric].value) for a, b in runs if metric in a and metric in b]
        return [first - second for first, second in both]


def _estimates(report: dict[str, Any], method: str) -> dict[str, Estimate]:
    found = report["methods"][method]["(0,1]"]
    return {name: Estimate(**v) for name, v in found.items() if v["value"] is not None}


def render(reports: Reports) -> str:
    """Return the page: setting, table, and the paper's findings with our differences."""
    lines = ["# Table 3: ablation", "", "Written by `experiments/table3/table.py`.", ""]
    lines += [*_setting(reports), "", "## Models", "", *_table(reports), ""]
    lines += ["In brackets: 95 % bootstrap over images; of SWD the range of three patch seeds.", ""]
    lines += ["## Findings of the paper", ""]
    for finding in FINDINGS:
        lines += [f"**{finding.text}** The paper: {finding.paper}.", ""]
        header = ("difference", "metric", "by seed", "below zero")
        lines += [*markdown(header, _differences(reports, finding), num_texts=4), ""]
    return "\n".join(lines)


def _setting(reports: Reports) -> Iterator[str]:
    report = reports.facts[-1]
    protocol, training = report["protocol"], report["model"]["training"]
    images = [f"{stage} {count:,}" for stage, count in training.get("images", {}).items()]
    yield f"- trained at {protocol['resolution']} px; images seen: {', '.join(images)}"
    yield f"- seeds: {', '.join(map(str, reports.seeds))}"
    yield (
        f"- measured on {protocol['pictures']} photographs, masks `{protocol['masks']}`, "
        f"evaluation seed {protocol['seed']}"
    )
    yield from (f"- {line}" for line in describe_metrics(report["metrics"]))


def _table(reports: Reports) -> list[str]:
    names = [name for name in COLUMNS if any(name in v for v in reports.values.values())]
    rows = [
        (model.name, model.meaning, str(seed), reports.values.get((seed, model.name), {}))
        for seed in reports.seeds
        for model in MODELS
    ]
    rows += [(name, "baseline", "-", _estimates(reports.facts[0], name)) for name in BASELINES]
    table = [[*texts, *(cell(name, values) for name in names)] for *texts, values in rows]
    table.append(["", "better", "", *(METRICS[name].better or "-" for name in names)])
    header = ("model", "what it is", "seed", *(METRICS[name].label for name in names))
    return markdown(header, table, num_texts=2)


def _differences(reports: Reports, finding: Finding) -> Iterator[list[str]]:
    for pair, metric in itertools.product(finding.pairs, finding.metrics):
        found = reports.differences(pair, metric)
        if found:
            numbers = ", ".join(f"{d:+.4f}" for d in found)
            below = f"{sum(d < 0 for d in found)} of {len(found)} seeds"
            yield [" - ".join(pair), METRICS[metric].label, numbers, below]


if __name__ == "__main__":
    print(render(Reports(Path(sys.argv[1]))))
