"""Everything that an ablation has found so far, as plain data."""

import dataclasses
import shlex
from pathlib import Path
from typing import Any

import torch

from ...core.checkpoint import inspect_checkpoint
from ...core.errors import ConfigError
from ..hardware import device_name, feature_dtype
from ..metrics.evaluated import Estimate
from .experiment import Plan, Run, runs
from .findings import FINDINGS, Finding, Judged, Measured, reason_of, verdict_of
from .reports import read_numbers
from .rows import ROWS

YARDSTICKS = {
    "mean-colour": "the mean colour of the valid pixels",
    "other-photo": "another photograph, pasted in",
}
"""Fills of known quality, measured on the same pictures and masks: by name, what they are."""


def collect(plan: Plan, device: torch.device) -> dict[str, Any]:
    """Return settings, the numbers of all runs, and the findings with their verdicts.

    Raises:
        ConfigError: runs were measured on different pictures or masks.
    """
    measured: dict[str, dict[int, Measured]] = {name: {} for name in ROWS}
    rows, reports, yardsticks = [], [], {}
    for run in runs(plan):
        values = {}
        if run.is_measured:
            report, numbers = run.read()
            reports.append(report)
            yardsticks = yardsticks or _yardsticks(run, report)
            measured[run.row.name][run.seed] = numbers
            values = {name: _plain(estimate) for name, estimate in numbers.estimates.items()}
        seconds = run.seconds
        rows.append(
            {
                "row": run.row.name,
                "meaning": run.row.meaning,
                "recipe": run.row.recipe,
                "stage": run.row.stage,
                "seed": run.seed,
                "images": run.total_images,
                "hours": _hours(seconds, "training"),
                "measuring_hours": _hours(seconds, "measuring"),
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
        "prior": _prior(plan),
        "seeds": list(plan.seeds),
        "setting": _setting(plan, device),
        "protocol": _protocol(reports[0]) if reports else {},
        "metrics": reports[0]["metrics"] if reports else {},
        "runs": rows,
        "yardsticks": yardsticks,
        "findings": [_judge(finding, measured) for finding in FINDINGS],
    }


def _yardsticks(run: Run, report: dict[str, Any]) -> dict[str, Any]:
    """Return the values of those that the run has measured, by name."""
    return {
        name: {
            "meaning": meaning,
            "values": {
                metric: _plain(estimate)
                for metric, estimate in read_numbers(run.evaluation, report, name).estimates.items()
            },
        }
        for name, meaning in YARDSTICKS.items()
        if name in report["methods"]
    }


def _hours(seconds: dict[str, float], what: str) -> float | None:
    return seconds[what] / 3600 if what in seconds else None


def _prior(plan: Plan) -> dict[str, Any]:
    """Return what the file says of its training."""
    header = inspect_checkpoint(plan.prior)
    images = header.training.get("images", {}).get("prior")
    return {"title": header.title, "images": images, "generator_id": header.generator_id}


def _judge(finding: Finding, measured: dict[str, dict[int, Measured]]) -> dict[str, Any]:
    judged = finding.judge(measured)
    return {
        "text": finding.text,
        "paper": finding.paper,
        "verdict": verdict_of(finding, judged),
        "reason": reason_of(finding, judged),
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


def _setting(plan: Plan, device: torch.device) -> dict[str, Any]:
    recipe = plan.recipe(ROWS["5"], plan.seeds[0])
    return {
        "base": _base(plan),
        "resolution": recipe.model.generator.resolution,
        "stage1": dataclasses.asdict(recipe.stage1),
        "stage2": dataclasses.asdict(recipe.stage2),
        "perceptual": recipe.perceptual.network,
        "precision": str(feature_dtype(recipe.stage1.precision, device)).removeprefix("torch."),
    }


def _base(plan: Plan) -> str:
    """Return its name, without the folder of a file."""
    return Path(plan.base).name


def _machine(device: torch.device) -> str:
    threads = "" if device.type == "cuda" else f", {torch.get_num_threads()} thread(s)"
    return f"{device_name(device)}{threads}, torch {torch.__version__}"


def _command(plan: Plan) -> str:
    """Return the command line, with the names of files in place of their paths."""
    words = ["diverse-inpainting", "ablation"]
    for name in ("prior", "data", "test_data", "out"):
        words += [f"--{name.replace('_', '-')}", getattr(plan, name).name]
    words += ["--base", _base(plan)]
    for seed in plan.seeds:
        words += ["--seed", str(seed)]
    for override in plan.overrides:
        words += ["--set", override]
    if plan.count is not None:
        words += ["--count", str(plan.count)]
    for name, path in dataclasses.asdict(plan.networks).items():
        words += [] if path is None else [f"--{name}", path.name]
    return shlex.join(words)
