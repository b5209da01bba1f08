"""Everything that an ablation has found so far, as plain data."""

import dataclasses
import platform
import shlex
from typing import Any

import torch

from ...core.errors import ConfigError
from ..metrics.evaluated import Estimate
from .experiment import Plan, runs
from .findings import FINDINGS, Finding, Judged, Measured, verdict_of
from .rows import ROWS


def collect(plan: Plan, device: torch.device) -> dict[str, Any]:
    """Return settings, the numbers of all runs, and the findings with their verdicts.

    Raises:
        ConfigError: runs were measured on different pictures or masks.
    """
    measured: dict[str, dict[int, Measured]] = {name: {} for name in ROWS}
    rows, reports = [], []
    for run in runs(plan):
        values = {}
        if run.is_measured:
            report, numbers = run.read()
            reports.append(report)
            measured[run.row.name][run.seed] = numbers
            values = {name: _plain(estimate) for name, estimate in numbers.estimates.items()}
        seconds = run.seconds.get("training")
        rows.append(
            {
                "row": run.row.name,
                "meaning": run.row.meaning,
                "recipe": run.row.recipe,
                "stage": run.row.stage,
                "seed": run.seed,
                "images": run.total_images,
                "hours": None if seconds is None else seconds / 3600,
                "values": values,
            }
        )
    if len({report["protocol"]["pairs_sha256"] for report in reports}) > 1:
        raise ConfigError(
            "all runs measured on the same pictures and masks",
            "different ones",
            "Delete the folders `evaluation` and the files seconds.json, and run it again.",
        )
    return {
        "command": _command(plan),
        "machine": _machine(device),
        "seeds": list(plan.seeds),
        "setting": _setting(plan),
        "protocol": _protocol(reports[0]) if reports else {},
        "metrics": reports[0]["metrics"] if reports else {},
        "runs": rows,
        "findings": [_judge(finding, measured) for finding in FINDINGS],
    }


def _judge(finding: Finding, measured: dict[str, dict[int, Measured]]) -> dict[str, Any]:
    judged = finding.judge(measured)
    return {
        "text": finding.text,
        "paper": finding.paper,
        "verdict": verdict_of(finding, judged),
        "judged": [_plain_judged(one) for one in judged],
    }


def _plain_judged(judged: Judged) -> dict[str, Any]:
    differences = {str(seed): _plain(d) for seed, d in judged.differences.items()}
    return {
        "claim": judged.claim,
        "metric": judged.metric,
        "differences": differences,
        "state": judged.state,
    }


def _plain(estimate: Estimate) -> dict[str, float | None]:
    return dataclasses.asdict(estimate)


def _protocol(report: dict[str, Any]) -> dict[str, Any]:
    kept = ("pictures", "pairs_sha256", "resolution", "masks", "seed")
    return {name: report["protocol"][name] for name in kept}


def _setting(plan: Plan) -> dict[str, Any]:
    recipe = plan.recipe(ROWS["5"], plan.seeds[0])
    return {
        "base": plan.base,
        "resolution": recipe.model.generator.resolution,
        "stage1": dataclasses.asdict(recipe.stage1),
        "stage2": dataclasses.asdict(recipe.stage2),
        "perceptual": recipe.perceptual.network,
    }


def _machine(device: torch.device) -> str:
    if device.type == "cuda":
        name = f"one {torch.cuda.get_device_name(device)}"
    else:
        name = f"{torch.get_num_threads()} CPU thread(s), {platform.machine()}"
    return f"{name}, torch {torch.__version__}"


def _command(plan: Plan) -> str:
    """Return the command line, with the names of files in place of their paths."""
    words = ["diverse-inpainting", "ablation"]
    for name in ("prior", "data", "test_data", "out"):
        words += [f"--{name.replace('_', '-')}", getattr(plan, name).name]
    words += ["--base", plan.base]
    for seed in plan.seeds:
        words += ["--seed", str(seed)]
    for override in plan.overrides:
        words += ["--set", override]
    if plan.count is not None:
        words += ["--count", str(plan.count)]
    for name, path in dataclasses.asdict(plan.networks).items():
        words += [] if path is None else [f"--{name}", path.name]
    return shlex.join(words)
