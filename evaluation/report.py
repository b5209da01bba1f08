"""The report of an evaluation: pictures.csv, table.md, results.json, and tables to print."""

import csv
import json
import math
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import TextIOWrapper
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from ..core.files import atomic_write, write_text
from .baselines import NAMES as BASELINES
from .bootstrap import ALL, HALVES, Bucket
from .plan import Evaluation
from .types import Estimate

RESULTS_FILE = "results.json"
"""Where it is, the report is whole: an old one goes first, and it is written last."""


@dataclass(frozen=True)
class Row:
    """How a metric is shown."""

    label: str
    better: str = ""
    """"lower", "higher", a number to be near to, or "" if only the baselines give it a scale."""
    digits: int = 2
    """Decimal places."""


ROWS = {
    "fid": Row("FID", "lower"),
    "u_ids": Row("U-IDS", "higher", 4),
    "p_ids": Row("P-IDS", "higher", 4),
    "fid_imagenet": Row("FID, ImageNet", "lower"),
    "u_ids_imagenet": Row("U-IDS, ImageNet", "higher", 4),
    "p_ids_imagenet": Row("P-IDS, ImageNet", "higher", 4),
    "frechet_lite2": Row("Frechet distance, Lite2", "lower", 3),
    "c2st_accuracy": Row("C2ST accuracy", "0.5", 3),
    "swd": Row("SWD x 1000", "lower"),
    "seam": Row("seam", "1"),
    "seam_2x": Row("seam, shrunk 2x", "1"),
    "seam_4x": Row("seam, shrunk 4x", "1"),
    "seam_8x": Row("seam, shrunk 8x", "1"),
    "rim_colour": Row("rim colour, /255", "lower"),
    "sharpness": Row("sharpness", "1"),
    "erased_psnr": Row("PSNR erased, dB", "higher"),
    "erased_ssim": Row("SSIM erased", "higher", 3),
    "erased_l1": Row("L1 erased, /255", "lower"),
    "valid_psnr": Row("PSNR valid, dB", "higher"),
    "valid_ssim": Row("SSIM valid", "higher", 3),
    "valid_l1": Row("L1 valid, /255", "lower"),
    "lpips_diversity": Row("LPIPS diversity", "", 4),
    "diversity": Row("diversity, /255"),
    "rho": Row("rho", "", 3),
    "neighbour_ratio": Row("neighbour ratio", "1", 3),
    "near_training": Row("near training", "0.05", 3),
}
"""What tables and plots show, in this order; results.json has every value."""


COMPARED = frozenset(
    {
        *("fid", "u_ids", "p_ids", "fid_imagenet", "u_ids_imagenet", "p_ids_imagenet"),
        *("frechet_lite2", "swd", "lpips_diversity", "seam", "rho"),
    }
)
"""What methods.md and methods.tex compare: the paper's Table 1, and what needs no weights."""


class Table(NamedTuple):
    """The metrics of one bucket, as text."""

    title: str
    header: list[str]
    rows: list[list[str]]


def markdown(header: Sequence[str], rows: Iterable[Sequence[str]], num_texts: int = 1) -> list[str]:
    """Return the lines of a Markdown table; columns after the texts are aligned to the right."""
    rule = ["---"] * num_texts + ["---:"] * (len(header) - num_texts)
    return ["| " + " | ".join(cells) + " |" for cells in (header, rule, *rows)]


def write_report(evaluation: Evaluation, out: Path) -> None:
    """Write pictures.csv, table.md, methods.md and methods.tex into a folder."""
    atomic_write(out / "pictures.csv", lambda file: _write_per_image(evaluation, file))
    pages = [[f"**{t.title}**", "", *markdown(t.header, t.rows), ""] for t in tables(evaluation)]
    write_text(out / "table.md", "\n".join("\n".join(page) for page in pages))
    header, rows = methods_table(evaluation)
    write_text(out / "methods.md", "\n".join(markdown(header, rows)) + "\n")
    write_text(out / "methods.tex", "\n".join(latex(header, rows)) + "\n")


def write_results(evaluation: Evaluation, out: Path) -> None:
    """Write results.json into a folder."""
    text = json.dumps(results(evaluation), indent=2, allow_nan=False)
    write_text(out / RESULTS_FILE, text + "\n")


def methods_table(evaluation: Evaluation) -> tuple[list[str], list[list[str]]]:
    """Return header and rows of a table as the paper's Table 1: one row a method under test.

    Numbers are over all images; what a method has no value for stays empty.
    """
    tested = {
        method: buckets.get(ALL.label, {})
        for method, buckets in evaluation.buckets.items()
        if method not in BASELINES
    }
    names = [name for name in measured(tested.values()) if name in COMPARED]
    rows = [
        [method, *(f"{column[n].value:.{ROWS[n].digits}f}" if n in column else "" for n in names)]
        for method, column in tested.items()
    ]
    return ["method", *(ROWS[name].label for name in names)], rows


def latex(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Return the lines of a LaTeX table; needs the package booktabs."""
    lines = [" & ".join(map(_escaped, cells)) + r" \\" for cells in (header, *rows)]
    columns = "l" + "r" * (len(header) - 1)
    begin = [rf"\begin{{tabular}}{{{columns}}}", r"\toprule", lines[0], r"\midrule"]
    return [*begin, *lines[1:], r"\bottomrule", r"\end{tabular}"]


def _escaped(text: str) -> str:
    return re.sub(r"([&%$#_{}])", r"\\\1", text)


def results(evaluation: Evaluation) -> dict[str, Any]:
    """Return facts and all values of sets, as plain data for JSON.

    A value is {"value": v, "low": a, "high": b}, without bounds if there is no interval; numbers
    that are not finite are null.
    """
    methods = {
        method: {
            label: {name: _plain(estimate) for name, estimate in estimates.items()}
            for label, estimates in buckets.items()
        }
        for method, buckets in evaluation.buckets.items()
    }
    return {**evaluation.facts, "methods": methods}


def _plain(estimate: Estimate) -> dict[str, float | None]:
    numbers = {name: x for name, x in vars(estimate).items() if x is not None}
    return {name: x if math.isfinite(x) else None for name, x in numbers.items()}


def _write_per_image(evaluation: Evaluation, file: BinaryIO) -> None:
    """Write one line for each image, method and metric; a set's value is sum over sum."""
    text = TextIOWrapper(file, "utf-8", newline="")
    writer = csv.writer(text)
    writer.writerow(("method", "picture", "hole_ratio", "metric", "numerator", "denominator"))
    for method, metrics in evaluation.per_image.items():
        output = evaluation.methods[method]
        for metric, values in metrics.items():
            columns = (output.ratios, values.numerator, values.denominator)
            numbers = zip(*(column.tolist() for column in columns), strict=True)
            for name, image_numbers in zip(output.names, numbers, strict=True):
                ratio, *value = (f"{number:.6g}" for number in image_numbers)
                writer.writerow((method, name, ratio, metric, *value))
    text.detach()  # flushes; the file is closed by whoever opened it


def tables(evaluation: Evaluation) -> Iterator[Table]:
    """Yield a table of all images, and of the paper's two buckets; empty ones are left out."""
    protocol = evaluation.facts["protocol"]
    for bucket in (ALL, *HALVES):
        rows = list(_rows(evaluation, bucket))
        if rows:
            title = (
                f"Hole ratio {bucket.label}: {protocol['pictures_by_bucket'][bucket.label]} images "
                f"at {protocol['resolution']} px, {_holes(protocol)}"
            )
            yield Table(title, ["metric", "better", *evaluation.buckets], rows)


def _holes(protocol: Mapping[str, Any]) -> str:
    low, high = protocol["hole_range"]
    within = "" if (low, high) == (0, 1) else f" with hole ratios in [{low:g}, {high:g})"
    drawn = "seed {seed}" if protocol["mask_pairing"] == "sampled" else "paired by {mask_pairing}"
    return f"masks {protocol['masks']}{within}, {drawn.format(**protocol)}"


def _rows(evaluation: Evaluation, bucket: Bucket) -> Iterator[list[str]]:
    """Yield one row for each metric that any method has in the bucket."""
    columns = [by_bucket.get(bucket.label, {}) for by_bucket in evaluation.buckets.values()]
    for name in measured(columns):
        cells = [cell(name, column) for column in columns]
        yield [ROWS[name].label, ROWS[name].better or "-", *cells]


def measured(columns: Collection[Mapping[str, Estimate]]) -> list[str]:
    """Return the metrics to show: those that any column has, in the order of `ROWS`."""
    return [name for name in ROWS if any(name in column for column in columns)]


def cell(name: str, column: Mapping[str, Estimate]) -> str:
    """Return a metric with its interval, or "-" if the column lacks it."""
    if name not in column:
        return "-"
    estimate, digits = column[name], ROWS[name].digits
    text = f"{estimate.value:.{digits}f}"
    if estimate.low is None or estimate.low == estimate.high:
        return text
    return f"{text} [{estimate.low:.{digits}f}, {estimate.high:.{digits}f}]"


def describe(evaluation: Evaluation) -> Iterator[str]:
    """Yield what the numbers depend on, line by line."""
    facts = evaluation.facts
    protocol, model = facts["protocol"], facts["model"]
    if model is not None:
        yield (
            f"model: {model['title'] or model['source']}, SHA-256 {model['sha256'][:16]}, in "
            f"{model['precision']}"
        )
        if model["fit_steps"]:
            yield f"fit steps: {model['fit_steps']}"
    yield (
        f"{protocol['pictures']} images of {protocol['data']} at {protocol['resolution']} px, "
        f"{_holes(protocol)}"
    )
    if protocol["trained_pictures"]:
        yield f"the model has learned from {protocol['trained_pictures']} of these images"
    elif model is not None and protocol["trained_pictures"] is None:
        yield "the model's file does not say which images it has learned from"
    for method, read in protocol["predictions"].items():
        if read["resized_from_px"]:
            sides = ", ".join(map(str, read["resized_from_px"]))
            yield f"{method}: resized from {sides} px, filter {read['filter']}"
    yield from describe_metrics(facts["metrics"])
    yield "intervals: 95 % bootstrap over images; of SWD the range of three patch seeds"


def describe_metrics(facts: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """Yield what each metric depends on, or why it was left out."""
    for name, fact in facts.items():
        values = ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in fact.items())
        yield f"{name} left out: {fact['left_out']}" if "left_out" in fact else f"{name}: {values}"
