"""The reports of an ablation's evaluations, read back."""

import csv
import json
from pathlib import Path
from typing import Any

from ..metrics.evaluated import Estimate
from ..metrics.summary import ALL
from .findings import Measured


def read_report(folder: Path) -> dict[str, Any]:
    """Return the facts and values that an evaluation left in a folder."""
    return json.loads((folder / "results.json").read_text("utf-8"))


def read_numbers(folder: Path, report: dict[str, Any], method: str) -> Measured:
    """Return a method's values over all pictures, and those of each picture."""
    estimates = {
        name: Estimate(v["value"], v.get("low"), v.get("high"))
        for name, v in report["methods"][method][ALL.label].items()
        if v["value"] is not None
    }
    return Measured(estimates, _read_pictures(folder / "pictures.csv", method))


def _read_pictures(path: Path, method: str) -> dict[str, dict[str, float]]:
    """Return metrics whose value for a set is the mean over its pictures."""
    metrics: dict[str, dict[str, float]] = {}
    ratios = set()
    with path.open(newline="", encoding="utf-8") as file:
        for line in csv.DictReader(file):
            if line["method"] != method:
                continue
            if float(line["denominator"]) != 1:
                ratios.add(line["metric"])
            metrics.setdefault(line["metric"], {})[line["picture"]] = float(line["numerator"])
    return {name: values for name, values in metrics.items() if name not in ratios}
