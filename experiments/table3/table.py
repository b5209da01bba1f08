"""Table 3 from the reports of `run.py`: what is compared, and the page that shows it.

python experiments/table3/table.py OUT
"""

# pyright: reportMissingImports=false
# An editable install is invisible to a type checker.
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from diverse_inpainting.evaluation.report import ROWS as METRICS
from diverse_inpainting.evaluation.report import describe_metrics

COLUMNS = (
    *("fid", "u_ids", "p_ids", "swd", "c2st_accuracy", "seam", "valid_psnr"),
    *("lpips_diversity", "diversity", "rho"),
)
DIVERSITY = ("lpips_diversity", "diversity")
UNREALISM = ("fid", "swd", "c2st_accuracy")
BASELINES = ("mean-colour", "other-photo")
ALL_HOLES = "(0,1]"


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

Values = dict[str, dict[str, float]]
"""By metric: value and, if there is an interval, low and high."""


class Reports:
    """The results.json files in OUT/seed-S/RECIPE/evaluation.

    Raises:
        SystemExit: there are none, or they were measured on different images or masks.
    """

    def __init__(self, out: Path) -> None:
        self.values: dict[tuple[str, int], Values] = {}
        """By model and seed."""
        self.facts: list[dict[str, Any]] = []
        folders = sorted(out.glob("seed-*"), key=lambda folder: int(folder.name[5:]))
        for folder in folders:
            for model in MODELS:
                path = folder / model.recipe / "evaluation" / "results.json"
                if path.is_file():
                    report = json.loads(path.read_text("utf-8"))
                    self.facts.append(report)
                    values = _finite(report["methods"][model.stage][ALL_HOLES])
                    self.values[model.name, int(folder.name[5:])] = values
        if len({report["protocol"]["pairs_sha256"] for report in self.facts}) != 1:
            sys.exit(f"{out} needs reports on the same images and masks.")
        methods = self.facts[0]["methods"]
        self.baselines = {name: _finite(methods[name][ALL_HOLES]) for name in BASELINES}

    @property
    def seeds(self) -> list[int]:
        """All seeds with a report."""
        return sorted({seed for _, seed in self.values})

    def differences(self, pair: tuple[str, str], metric: str) -> list[float]:
        """Return the first model's value minus the second's under each seed that has both."""
        runs = [[self.values.get((name, seed), {}) for name in pair] for seed in self.seeds]
        return [
            first[metric]["value"] - second[metric]["value"]
            for first, second in runs
            if metric in first and metric in second
        ]


def _finite(values: dict[str, dict[str, float | None]]) -> Values:
    numbers = {
        name: {key: number for key, number in value.items() if number is not None}
        for name, value in values.items()
    }
    return {name: value for name, value in numbers.items() if "value" in value}


def render(reports: Reports) -> str:
    """Return the page: setting, table, and the paper's findings with our differences."""
    lines = ["# Table 3: ablation", "", "Written by `experiments/table3/table.py`.", ""]
    lines += [*_setting(reports), "", "## Models", "", *_table(reports), ""]
    lines += ["In brackets: 95 % bootstrap over images; of SWD the range of three patch seeds.", ""]
    lines += ["## Findings of the paper", "", *_findings(reports)]
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


def _table(reports: Reports) -> Iterator[str]:
    measured = [name for name in COLUMNS if any(name in v for v in reports.values.values())]
    yield _line(["model", "what it is", "seed", *(METRICS[name].label for name in measured)])
    yield _line(["---", "---", *["---:"] * (len(measured) + 1)])
    for seed in reports.seeds:
        for model in MODELS:
            values = reports.values.get((model.name, seed), {})
            cells = [_cell(values, name) for name in measured]
            yield _line([model.name, model.meaning, str(seed), *cells])
    for baseline, values in reports.baselines.items():
        yield _line([baseline, "baseline", "-", *(_cell(values, name) for name in measured)])
    yield _line(["", "better", "", *(METRICS[name].better or "-" for name in measured)])


def _cell(values: Values, metric: str) -> str:
    if metric not in values:
        return "-"
    value, digits = values[metric], METRICS[metric].digits
    text = f"{value['value']:.{digits}f}"
    if "low" not in value or value["low"] == value["high"]:
        return text
    return f"{text} [{value['low']:.{digits}f}, {value['high']:.{digits}f}]"


def _findings(reports: Reports) -> Iterator[str]:
    for finding in FINDINGS:
        yield f"**{finding.text}** The paper: {finding.paper}."
        yield ""
        yield _line(["difference", "metric", "by seed", "below zero"])
        yield _line(["---"] * 4)
        for first, second in finding.pairs:
            for metric in finding.metrics:
                found = reports.differences((first, second), metric)
                if found:
                    numbers = ", ".join(f"{d:+.4f}" for d in found)
                    below = f"{sum(d < 0 for d in found)} of {len(found)} seeds"
                    label = METRICS[metric].label
                    yield _line([f"{first} - {second}", label, numbers, below])
        yield ""


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


if __name__ == "__main__":
    print(render(Reports(Path(sys.argv[1]))))
