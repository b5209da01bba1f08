"""`evaluate`: the report, and wrong use."""

import csv
import json

import numpy as np
import pytest
from PIL import Image

from answers import launch_two, noise, refused, save


@pytest.fixture
def data(tmp_path):
    """Three images of 32 pixels."""
    for k in range(3):
        save(tmp_path / "data" / f"{k}.png", np.roll(noise(32, 32), k, axis=1) // (k + 1))
    return "data"


def test_a_model_beside_baselines(run, data, tiny_checkpoint, tmp_path):
    for k in range(6):
        save(tmp_path / "train" / f"{k}.png", 255 - np.roll(noise(32, 32), k, axis=0))
    answer = run(
        *("evaluate", tiny_checkpoint, "--data", data, "--out", "out", "--training", "train"),
        *("--device", "cpu", "--batch-size", 2, "--fit", 1),
    )
    assert answer.code == 0, answer.err
    methods = ["stage1", "stage2", "stage2-seamless", "stage2-fitted-seamless"]
    methods += ["mean-colour", "other-photo", "original", "training-photos"]
    assert all(name in answer.out for name in (*methods, "SWD x 1000", "3 images", "seed 0"))
    assert answer.err.splitlines()[0].startswith("0%: reading ")
    report = json.loads((tmp_path / "out" / "results.json").read_text())
    assert list(report["methods"]) == methods
    assert report["protocol"]["pictures_by_bucket"]["(0,1]"] == 3
    assert report["model"]["fit_steps"] == 1
    assert len(report["model"]["sha256"]) == 64 and report["model"]["title"] == "nothing, 32x32"
    everything = report["methods"]["stage2"]["(0,1]"]
    assert everything["swd"]["low"] <= everything["swd"]["value"] <= everything["swd"]["high"]
    assert report["methods"]["original"]["(0,1]"]["swd"] == {"value": 0, "low": 0, "high": 0}
    assert set(report["methods"]["training-photos"]["(0,1]"]) == {"swd", "swd_16", "swd_32"}
    with (tmp_path / "out" / "pictures.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["method"] == "stage2"]
    rho = [row for row in rows if row["metric"] == "rho"]
    assert [row["picture"] for row in rho] == ["0", "1", "2"]
    total = [sum(float(row[part]) for row in rho) for part in ("numerator", "denominator")]
    assert everything["rho"]["value"] == pytest.approx(total[0] / total[1], rel=1e-4)
    assert "| seam | 1 |" in (tmp_path / "out" / "table.md").read_text()
    files = {path.name for path in (tmp_path / "out").rglob("*.png")}
    assert {"plot-steps.png", "plot-fig5.png", "stage2-seam-worst.png"} <= files
    assert "stage2-near-training.png" in files
    assert "give --inception weights-inception-2015-12-05-6726825d.pth" in answer.out
    assert "mean-colour-seam-best.png" not in files
    with Image.open(tmp_path / "out" / "plot-fig5.png") as plot:
        assert len(plot.convert("L").getcolors()) > 10, "it is not empty"


def test_several_methods_on_given_masks_in_one_table(run, data, tmp_path):
    """Also a folder whose name has an equals sign, and one without a name."""
    for k in range(3):
        mask = np.zeros((32, 32), np.uint8)
        mask[: 6 + 4 * k] = 255
        save(tmp_path / "masks" / f"{k}.png", 255 - mask)
        for folder in ("MAT", "a=b"):
            save(tmp_path / folder / f"{k}.png", noise(32, 32) // (k + 1))
    answer = run(
        *("evaluate", "--data", data, "--out", "out", "--resolution", 32, "--without", "swd"),
        *("--predictions", "MAT=MAT", "--predictions", "a=b", "--show", 1, "--resize", "box"),
        *("--masks", "masks", "--invert-masks", "--hole-range", 0.1, 0.5),
    )
    assert answer.code == 0, answer.err
    report = json.loads((tmp_path / "out" / "results.json").read_text())
    assert list(report["methods"])[:2] == ["MAT", "predictions"]
    assert report["protocol"]["hole_range"] == [0.1, 0.5]
    assert report["protocol"]["predictions"]["predictions"]["folder"] == "a=b"
    assert report["protocol"]["mask_pairing"] == "name"
    assert "3 images of data at 32 px, masks masks with hole ratios in [0.1, 0.5)" in answer.out
    table = (tmp_path / "out" / "methods.md").read_text()
    assert "| MAT |" in table and "mean-colour" not in table
    assert "SWD x 1000" not in answer.out and "swd left out: asked for with --without" in answer.out
    assert (tmp_path / "out" / "sheets" / "side-by-side.png").is_file()
    assert not [path for path in (tmp_path / "out").iterdir() if path.name.startswith(".")]


def test_results_json_says_that_the_report_is_whole(run, data, tmp_path, monkeypatch):
    """Whoever resumes a series of evaluations asks for it; the numbers of a failed one are kept."""

    def fail(evaluation, folder):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("diverse_inpainting.evaluation.sheets.write_sheets", fail)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "results.json").write_text("of an earlier evaluation")
    answer = run("evaluate", "--data", data, "--out", "out", "--resolution", 32)
    assert answer.code == 2 and "No space left" in answer.err
    assert not (tmp_path / "out" / "results.json").exists()
    assert "mean-colour" in (tmp_path / "out" / "table.md").read_text()


@pytest.mark.slow
def test_two_processes_measure_what_one_measures(run, data, tiny_checkpoint, tmp_path, set_threads):
    set_threads(1)  # as in each of two processes: another number may round a pixel otherwise
    common = ("evaluate", str(tiny_checkpoint), "--data", data, "--batch-size", "2")
    assert run(*common, "--device", "cpu", "--out", "one").code == 0
    done = launch_two((*common, "--out", "two"), tmp_path)
    assert done.stdout.count("Wrote the report to two") == 1
    for name in ("results.json", "pictures.csv"):
        one, two = ((tmp_path / out / name).read_bytes() for out in ("one", "two"))
        assert one == two, name


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--data", "data"), "a model, or the resolution"),
        (("TINY", "--data", "absent"), "No such folder or zip file"),
        (("TINY", "--data", "data", "--masks", "nothing"), "one of 'paper'"),
        (("TINY", "--data", "data", "--resolution", "64"), "the model's resolution of 32 pixels"),
        (("--data", "data", "--resolution", "32", "--predictions", "data/0.png"), "not a folder"),
        (("absent.safetensors", "--data", "data"), "absent.safetensors"),
        (("TINY", "--data", "data", "--lpips", "absent.pth"), "lpips"),
        (("TINY", "--data", "data", "--split", "held-out"), "not known which images"),
        (("TINY", "--data", "data", "--without", "fid"), "one of 'c2st'"),
        (("TINY", "--data", "data", "--hole-range", "0.4", "0.2"), "first number is below"),
        (("TINY", "--data", "data", "--predictions", "stage2=data"), "Choose another NAME"),
        (
            ("--data", "data", "--resolution", "32", *("--predictions", "m=data") * 2),
            "'m' twice",
        ),
    ],
)
def test_wrong_evaluation_is_one_sentence(run, data, tiny_checkpoint, arguments, words):
    arguments = [str(tiny_checkpoint) if part == "TINY" else part for part in arguments]
    answer = run("evaluate", *arguments, "--out", "out")
    last = answer._replace(err=answer.err.splitlines()[-1])  # after the progress
    assert refused(last) and words in last.err, answer
