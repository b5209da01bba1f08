"""RESULTS.md: the table, the findings, and how both came about."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..metrics.network_metrics import NetworkFiles
from ..metrics.report import ROWS as METRICS
from ..metrics.report import describe_metrics
from .findings import LEAST_SEEDS

_METRICS = (
    *("fid", "u_ids", "p_ids", "swd", "told_apart", "seam", "valid_psnr"),
    *("lpips_diversity", "diversity", "rho"),
)
_NETWORKS = tuple(field.name for field in dataclasses.fields(NetworkFiles))
_PAPER_IMAGES, _PAPER_PX = 4_000_000, 256

_RULES = """\
Each finding is a set of claims that one value is below another. A claim is judged on each metric of
its kind that was measured: diversity on `lpips_diversity` and `diversity`, unrealism on `fid`,
`swd` and `told_apart`. It holds on a metric where the interval of the difference lies below zero
under every seed, two at least, and fails where it lies above zero under every seed. Where a metric
is a mean over pictures, the interval is the 95 % bootstrap of the paired differences over the
pictures; else it reaches from the lowest of one less the highest of the other to the reverse. A
claim holds (fails) where it does so on one metric at least and on none it is the other way round. A
finding is "reproduced" where all its claims hold, "not reproduced" where one fails, else
"inconclusive"."""


def render(results: Mapping[str, Any]) -> str:
    """Return the page for what `collect` returns."""
    lines = [
        "# Ablation",
        "",
        "Written by `diverse-inpainting ablation`; not edited by hand.",
        "",
        *_setting(results),
        "## Models",
        "",
        *_table(results),
        "## Findings of the paper",
        "",
        *_findings(results["findings"]),
        "### How a verdict comes about",
        "",
        _RULES,
        "",
        "## Command",
        "",
        f"    {results['command']}",
        "",
    ]
    return "\n".join(lines)


def _setting(results: Mapping[str, Any]) -> Iterator[str]:
    setting = results["setting"]
    stages = [f"{setting[stage]['total_images']:,} images" for stage in ("stage1", "stage2")]
    is_reduced = setting["resolution"] < _PAPER_PX or any(
        setting[stage]["total_images"] < _PAPER_IMAGES for stage in ("stage1", "stage2")
    )
    if is_reduced:
        yield (
            f"**A reduced version** at {setting['resolution']} pixels, {stages[0]} in stage 1 and "
            f"{stages[1]} in stage 2; the paper trains at {_PAPER_PX} pixels, for "
            f"{_PAPER_IMAGES:,} images in stage 1."
        )
        yield ""
    if len(results["seeds"]) < LEAST_SEEDS:
        yield (
            f"**Too few seeds**: with fewer than {LEAST_SEEDS} every claim is open and every "
            "finding inconclusive, whatever the differences."
        )
        yield ""
    yield f"- {setting['resolution']} pixels, recipes on the base `{setting['base']}`"
    prior = results["prior"]
    seen = "" if prior["images"] is None else f", {prior['images']:,} images"
    yield f"- prior: {prior['title']}{seen}, generator {prior['generator_id'][:16]}"
    yield f"- stage 1: {stages[0]}; stage 2: {stages[1]}; equal for all models"
    yield f"- seeds: {', '.join(map(str, results['seeds']))}"
    yield f"- perceptual term: {setting['perceptual']}"
    yield f"- machine: {results['machine']}, feature maps in {setting['precision']}"
    hours = [_total(results["runs"], name) for name in ("hours", "measuring_hours")]
    yield f"- hours: {hours[0]:.2f} to train all models, {hours[1]:.2f} to measure them"
    if results["protocol"]:
        protocol = results["protocol"]
        yield (
            f"- measured on {protocol['pictures']} photographs, masks `{protocol['masks']}`, "
            f"evaluation seed {protocol['seed']}"
        )
    facts = results["metrics"]
    absent = [name for name in _NETWORKS if "left_out" in facts.get(name, {})]
    for line in describe_metrics({name: facts[name] for name in facts if name not in absent}):
        yield f"- {line}"
    if absent:
        yield f"- left out, as no weights were given: metrics on {', '.join(absent)}"
    yield ""


def _table(results: Mapping[str, Any]) -> Iterator[str]:
    measured = [run["values"] for run in results["runs"] if run["values"]]
    metrics = [name for name in _METRICS if any(name in values for values in measured)]
    header = ["model", "what it is", "seed", *(METRICS[name].label for name in metrics), "hours"]
    yield _line(header)
    yield _line(["---", "---", *["---:"] * (len(header) - 2)])
    for run in results["runs"]:
        cells = [_cell(run["values"].get(name), METRICS[name].digits) for name in metrics]
        hours = "-" if run["hours"] is None else f"{run['hours']:.2f}"
        yield _line([run["row"], run["meaning"], str(run["seed"]), *cells, hours])
    for name, yardstick in results["yardsticks"].items():
        cells = [_cell(yardstick["values"].get(name), METRICS[name].digits) for name in metrics]
        yield _line([name, yardstick["meaning"], "-", *cells, "-"])
    better = [METRICS[name].better or "-" for name in metrics]
    yield _line(["", "better", "", *better, ""])
    yield ""
    yield "In brackets: 95 % bootstrap over pictures; of SWD the range of three patch seeds."
    yield "Hours are those of the row's last stage, training only."
    yield ""


def _total(runs: Sequence[Mapping[str, Any]], name: str) -> float:
    return sum(run[name] or 0.0 for run in runs)


def _findings(findings: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for finding in findings:
        yield f"**{finding['text']}** {finding['verdict'].capitalize()}."
        yield f"The paper: {finding['paper']}."
        yield ""
        if not finding["judged"]:
            yield "Not measured yet."
            yield ""
            continue
        yield f"Why: {finding['reason']}"
        yield ""
        yield _line(["claim", "metric", "difference by seed", "it"])
        yield _line(["---"] * 4)
        for judged in finding["judged"]:
            differences = [_cell(d, 4) for d in judged["differences"].values()]
            cells = [judged["claim"], judged["metric"], "; ".join(differences), judged["state"]]
            yield _line(cells)
        yield ""


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _cell(value: Mapping[str, float] | None, digits: int) -> str:
    if value is None:
        return "-"
    text = f"{value['value']:.{digits}f}"
    if value.get("low") is None or value["low"] == value["high"]:
        return text
    return f"{text} [{value['low']:.{digits}f}, {value['high']:.{digits}f}]"
