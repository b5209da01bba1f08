"""The report: tables to read, plain JSON, and one line for each image."""

import csv
import dataclasses
import json
import math

import pytest
import torch

from diverse_inpainting.evaluation.bootstrap import ALL
from diverse_inpainting.evaluation.images import Images
from diverse_inpainting.evaluation.plan import Evaluation
from diverse_inpainting.evaluation.report import (
    describe,
    describe_metrics,
    latex,
    markdown,
    results,
    tables,
    write_report,
    write_results,
)
from diverse_inpainting.evaluation.types import Estimate, ImageValues, Method

PROTOCOL = {
    "data": "photos.zip",
    "resolution": 16,
    "masks": "paper",
    "seed": 4,
    "hole_range": [0.0, 1.0],
    "mask_pairing": "sampled",
    "trained_pictures": 0,
    "predictions": {},
    "pictures": 2,
    "pictures_by_bucket": {"(0,1]": 2, "(0,0.4]": 0, "(0.4,1]": 2},
}
MODEL = {
    "title": "",
    "source": "m.safetensors",
    "sha256": "ab" * 32,
    "fit_steps": 15,
    "precision": "float32",
}


@pytest.fixture
def evaluation() -> Evaluation:
    """Two images, of which half is erased; `ours` has an interval, `theirs` one number."""
    holes = torch.zeros(2, 1, 4, 4, dtype=torch.bool)
    holes[:, :, :2] = True
    images = torch.zeros(2, 3, 4, 4, dtype=torch.uint8)
    output = Method(
        method="ours",
        names=("a", "b"),
        originals=Images.of(images),
        holes=Images.of(holes),
        results=Images.of(images[:, None]),
    )
    ours = {"rho": Estimate(0.25, 0.2, 0.31), "swd": Estimate(1.0, 1.0, 1.0)}
    rho = ImageValues(torch.tensor([1.0, 2.0]).double(), torch.tensor([4.0, 8.0]).double())
    return Evaluation(
        methods={"ours": output},
        per_image={"ours": {"rho": rho}},
        buckets={
            "ours": {"(0,1]": ours, "(0.4,1]": {"swd": Estimate(math.inf)}},
            "theirs": {"(0,1]": {"erased_psnr": Estimate(20.126)}},
        },
        facts={
            "protocol": PROTOCOL,
            "model": MODEL,
            "metrics": {"swd": {"patch_seeds": 3}, "lpips": {"left_out": "no weights"}},
        },
    )


def test_a_table_has_rows_in_a_fixed_order_and_empty_buckets_are_left_out(evaluation):
    first, second = tables(evaluation)
    assert first.title == "Hole ratio (0,1]: 2 images at 16 px, masks paper, seed 4"
    assert first.header == ["metric", "better", "ours", "theirs"]
    assert first.rows == [
        ["SWD x 1000", "lower", "1.00", "-"],
        ["PSNR erased, dB", "higher", "-", "20.13"],
        ["rho", "-", "0.250 [0.200, 0.310]", "-"],
    ]
    assert second.title.startswith("Hole ratio (0.4,1]: 2 images")
    assert second.rows == [["SWD x 1000", "lower", "inf", "-"]]
    assert markdown(first.header, first.rows)[:3] == [
        "| metric | better | ours | theirs |",
        "| --- | ---: | ---: | ---: |",
        "| SWD x 1000 | lower | 1.00 | - |",
    ]


def test_one_row_for_each_method_under_test(evaluation, tmp_path):
    """A method without a value leaves the cell empty; baselines have no row."""
    buckets = {**evaluation.buckets, "original": evaluation.buckets["ours"]}
    write_report(dataclasses.replace(evaluation, buckets=buckets), tmp_path)
    assert (tmp_path / "methods.md").read_text().splitlines() == [
        "| method | SWD x 1000 | rho |",
        "| --- | ---: | ---: |",
        "| ours | 1.00 | 0.250 |",
        "| theirs |  |  |",
    ]
    assert (tmp_path / "methods.tex").read_text().splitlines()[3:6] == [
        r"\midrule",
        r"ours & 1.00 & 0.250 \\",
        r"theirs &  &  \\",
    ]


def test_latex_escapes_what_it_would_read():
    lines = latex(["method", "50 %"], [["a_b&c", "1"]])
    assert lines == [
        r"\begin{tabular}{lr}",
        r"\toprule",
        r"method & 50 \% \\",
        r"\midrule",
        r"a\_b\&c & 1 \\",
        r"\bottomrule",
        r"\end{tabular}",
    ]


def test_given_masks_a_range_and_resized_results_are_stated(evaluation):
    read = {"folder": "m", "resized_from_px": [512, 1024], "filter": "box"}
    protocol = {
        **PROTOCOL,
        "masks": "published",
        "mask_pairing": "order",
        "hole_range": [0.2, 0.4],
        "trained_pictures": None,
        "predictions": {"MAT": read, "pSp": {**read, "resized_from_px": [], "filter": None}},
    }
    facts = {**evaluation.facts, "protocol": protocol}
    lines = list(describe(dataclasses.replace(evaluation, facts=facts)))
    holes = "masks published with hole ratios in [0.2, 0.4), paired by order"
    assert lines[2] == f"2 images of photos.zip at 16 px, {holes}"
    assert lines[3] == "the model's file does not say which images it has learned from"
    assert lines[4] == "MAT: resized from 512, 1024 px, filter box"
    assert not any("pSp" in line for line in lines)
    facts["protocol"] = {**PROTOCOL, "trained_pictures": 2}
    lines = list(describe(dataclasses.replace(evaluation, facts=facts)))
    assert lines[3] == "the model has learned from 2 of these images"


def test_numbers_that_are_not_finite_are_null(evaluation, tmp_path):
    write_results(evaluation, tmp_path)
    read = json.loads((tmp_path / "results.json").read_text())
    assert read == json.loads(json.dumps(results(evaluation)))
    assert read["methods"]["ours"]["(0.4,1]"] == {"swd": {"value": None}}
    assert read["methods"]["ours"][ALL.label]["rho"] == {"value": 0.25, "low": 0.2, "high": 0.31}
    assert read["methods"]["theirs"][ALL.label]["erased_psnr"] == {"value": 20.126}
    assert read["protocol"] == PROTOCOL


def test_one_line_for_each_image_and_metric(evaluation, tmp_path):
    write_report(evaluation, tmp_path)
    with (tmp_path / "pictures.csv").open(newline="") as file:
        header, *rows = csv.reader(file)
    assert header == ["method", "picture", "hole_ratio", "metric", "numerator", "denominator"]
    assert rows == [["ours", "a", "0.5", "rho", "1", "4"], ["ours", "b", "0.5", "rho", "2", "8"]]


def test_what_the_numbers_depend_on(evaluation):
    lines = list(describe(evaluation))
    assert lines[0] == "model: m.safetensors, SHA-256 abababababababab, in float32"
    assert lines[1] == "fit steps: 15"
    assert lines[2] == "2 images of photos.zip at 16 px, masks paper, seed 4"
    assert lines[3:5] == list(describe_metrics(evaluation.facts["metrics"]))
    assert lines[3:5] == ["swd: patch seeds 3", "lpips left out: no weights"]
    unfitted = {**evaluation.facts, "model": {**MODEL, "fit_steps": 0}}
    assert list(describe(dataclasses.replace(evaluation, facts=unfitted))) == [lines[0], *lines[2:]]
    without_model = dataclasses.replace(evaluation, facts={**evaluation.facts, "model": None})
    assert list(describe(without_model)) == lines[2:]
