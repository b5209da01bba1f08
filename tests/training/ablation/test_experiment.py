"""What is run, what is skipped, and the page that comes of it, with made-up numbers."""

import csv
import dataclasses
import json
from types import SimpleNamespace

import pytest
import torch

from diverse_inpainting.core.errors import ConfigError
from diverse_inpainting.training.ablation import collect as collecting
from diverse_inpainting.training.ablation import experiment
from diverse_inpainting.training.ablation.collect import collect
from diverse_inpainting.training.ablation.experiment import Plan, run_ablation
from diverse_inpainting.training.ablation.page import render
from diverse_inpainting.training.ablation.rows import ROWS
from diverse_inpainting.training.metrics.network_metrics import NetworkFiles

CPU = torch.device("cpu")
IMAGES = {"stage1": 64, "stage2": 32}


@pytest.fixture
def plan(tmp_path):
    return Plan(
        prior=tmp_path / "prior.safetensors",
        data=tmp_path / "train.zip",
        test_data=tmp_path / "test.zip",
        out=tmp_path / "out",
        base="demo64-cpu",
        overrides=(
            *(f"{stage}.total_images={n}" for stage, n in IMAGES.items()),
            "stage1.precision='float32'",
        ),
        count=6,
        networks=NetworkFiles(lpips=tmp_path / "alex.pth"),
    )


@pytest.fixture
def done(monkeypatch):
    """Replace training and metrics by what leaves the same files; return what was asked for."""
    done = SimpleNamespace(trained=[], measured=[], stop_after=None, diversity=1.0)

    def train(order, device, on_progress):
        done.trained.append(order)
        is_complete = done.stop_after is None or len(done.trained) <= done.stop_after
        if is_complete:
            path = order.out / order.stage / f"{order.stage}.safetensors"
            path.parent.mkdir(parents=True)
            path.write_text(json.dumps({order.stage: order.config.total_images}))
        return SimpleNamespace(is_complete=is_complete)

    def inspect(path):
        return SimpleNamespace(training={"images": json.loads(path.read_text())})

    def evaluate(plan, on_progress):
        done.measured.append(plan)
        return plan

    def inspect_prior(path):
        assert path.name == "prior.safetensors"
        training = {"images": {"prior": 12345}}
        return SimpleNamespace(training=training, title="Tiny", generator_id="0123456789abcdef0")

    monkeypatch.setattr(collecting, "inspect_checkpoint", inspect_prior)
    monkeypatch.setattr(experiment, "train", train)
    monkeypatch.setattr(experiment, "inspect_checkpoint", inspect)
    monkeypatch.setattr(experiment, "evaluate", evaluate)
    monkeypatch.setattr(experiment, "write_report", report)
    return done


def report(plan, out, pairs="same"):
    """The numbers of a model, its diversity that of its row's place in Table 3."""
    model = plan.model
    stage, recipe, seed = model.parent.name, model.parents[1].name, model.parents[2].name
    row = next(row for row in ROWS.values() if row.recipe == recipe)
    worth = list(ROWS).index(row.name) + 0.01 * int(seed.removeprefix("seed-"))
    out.mkdir()
    values = {"diversity": {"value": worth}, "swd": {"value": worth, "low": worth, "high": worth}}
    values |= {"rho": {"value": 0.5, "low": 0.4, "high": 0.6}, "seam": {"value": None}}
    protocol = {"pictures": 2, "pairs_sha256": pairs, "resolution": 64, "masks": "paper", "seed": 0}
    assert plan.stages == (stage,)
    yardsticks = {"mean-colour": {"(0,1]": {"swd": {"value": 77.0}}}} if plan.yardsticks else {}
    results = {
        "methods": {stage: {"(0,1]": values}} | yardsticks,
        "protocol": protocol,
        "metrics": {
            "two_sample": {"folds": 3},
            "inception": {"name": "tiny"},
            "lpips": {"left_out": "give --lpips FILE, or --download"},
        },
    }
    (out / "results.json").write_text(json.dumps(results))
    with (out / "pictures.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("method", "picture", "hole_ratio", "metric", "numerator", "denominator"))
        for i, picture in enumerate("ab"):
            writer.writerow((stage, picture, 0.5, "diversity", worth + i, 1))
            writer.writerow((stage, picture, 0.5, "rho", 1, 2))
            writer.writerow(("mean-colour", picture, 0.5, "diversity", 99, 1))


def run(plan):
    return run_ablation(plan, CPU, lambda share, what: None)


def test_every_row_is_trained_and_measured_under_every_seed_from_what_it_goes_on_from(plan, done):
    assert run(plan)
    assert len(done.trained) == len(done.measured) == 2 * len(ROWS)
    by_name = {(o.recipe.name, o.config.seed): o for o in done.trained}
    fifth = by_name["table3-model5", 1]
    first = by_name["table3-model4", 1]
    assert first.source == plan.prior
    assert (first.stage, fifth.stage) == ("stage1", "stage2")
    assert fifth.source == first.out / "stage1" / "stage1.safetensors"
    assert {o.config.total_images for o in done.trained if o.stage == "stage1"} == {64}
    assert {o.config.total_images for o in done.trained if o.stage == "stage2"} == {32}
    assert all(o.data == plan.data for o in done.trained)
    assert all(p.data == plan.test_data and p.count == 6 for p in done.measured)
    assert [p.yardsticks for p in done.measured] == [True] + [False] * (2 * len(ROWS) - 1)


def test_what_is_done_is_skipped_and_a_stopped_training_goes_on(plan, done):
    done.stop_after = 3
    assert not run(plan)
    assert (len(done.trained), len(done.measured)) == (4, 3)
    done.stop_after = None
    assert run(plan)
    assert len(done.trained) == 4 + 2 * len(ROWS) - 3
    assert done.trained[3].out == done.trained[4].out
    assert run(plan)
    assert len(done.measured) == 2 * len(ROWS)
    more = dataclasses.replace(plan, seeds=(0, 1, 2))
    assert run(more)
    assert len(done.measured) == 3 * len(ROWS)


def test_another_ablation_is_not_mixed_in(plan, done):
    run(plan)
    with pytest.raises(ConfigError, match="another overrides, count"):
        run(dataclasses.replace(plan, overrides=(), count=7))


def test_models_are_not_measured_on_what_they_learned_from(plan, done):
    with pytest.raises(ConfigError, match="no model was trained on"):
        run(dataclasses.replace(plan, test_data=plan.data))
    assert not done.trained


def test_numbers_findings_and_page(plan, done):
    run(plan)
    results = json.loads(json.dumps(collect(plan, CPU), allow_nan=False))
    fifth = next(r for r in results["runs"] if (r["row"], r["seed"]) == ("5", 1))
    assert fifth["values"]["diversity"] == {"value": 5.01, "low": None, "high": None}
    assert "seam" not in fifth["values"], "a value that was not finite"
    # By the order of the rows: 1 < 4 and 2 < 5 in diversity, but rho of 1 is 0.5.
    # Unrealism: 4 is not below 3, 2 is not below 1, 1 is below 4 but 5 is not below 2.
    assert [f["verdict"] for f in results["findings"]] == ["not reproduced"] * 4
    diverse = [j for j in results["findings"][0]["judged"] if j["metric"] == "diversity"]
    assert [j["state"] for j in diverse] == ["holds", "holds"]
    assert diverse[0]["differences"]["0"]["value"] == pytest.approx(-3)
    page = render(results)
    assert "**A reduced version** at 64 pixels, 64 images in stage 1 and 32 images in" in page
    assert "**Too few seeds**" not in page
    assert "| 5 | 4 with stage 2 | 1 | 5.01 | 5.01 | 0.500 [0.400, 0.600] | 0.00 |" in page
    assert "| mean-colour | the mean colour of the valid pixels | - | 77.00 | - | - | - |" in page
    assert "**Gated mixing helps.** Not reproduced." in page
    assert "Why: unrealism of 4 below that of 3: fails on swd." in page
    assert "prior: Tiny, 12,345 images, generator 0123456789abcdef" in page
    assert "feature maps in float32" in page
    assert "- two_sample: folds 3\n- inception: name tiny\n" in page
    assert "- left out, as no weights were given: metrics on lpips\n" in page
    assert "--download" not in page, "an option that the ablation has not"
    assert str(plan.out) not in page
    assert "--prior prior.safetensors" in page and "--lpips alex.pth" in page
    assert all(p.networks == plan.networks for p in done.measured)


def test_one_seed_is_said_to_leave_everything_open(plan, done):
    run(plan := dataclasses.replace(plan, seeds=(1,)))
    assert all(p.yardsticks == (p.out == done.measured[0].out) for p in done.measured)
    page = render(collect(plan, CPU))
    assert "**Too few seeds**" in page and page.count("Inconclusive.") == 4
    assert "| mean-colour |" in page


def test_the_page_stands_before_anything_is_measured(plan, done):
    page = render(collect(plan, CPU))
    assert page.count("Inconclusive.") == 4
    assert page.count("Not measured yet.") == 4
    assert "| 3 | full reconstruction, no gate | 0 | - |" in page


def test_a_base_in_a_file_is_named_without_its_folder(plan, done, tmp_path):
    base = tmp_path / "narrow.toml"
    base.write_text('base = "demo64-cpu"\n')
    run(plan := dataclasses.replace(plan, base=str(base)))
    page = render(collect(plan, CPU))
    assert "--base narrow.toml" in page and str(tmp_path) not in page


def test_hours_are_those_of_all_parts_of_a_run(plan, done):
    done.stop_after = 0
    assert not run(plan)
    (first, *_) = experiment.runs(plan)
    first.add_seconds("training", 1800)
    first.add_seconds("training", 5400)
    first.add_seconds("measuring", 900)
    assert not [path for path in first.folder.iterdir() if path.suffix == ".partial"]
    assert first.seconds == {"training": pytest.approx(7200, abs=1), "measuring": 900}


def test_different_pictures_are_not_compared(plan, done, monkeypatch):
    done.stop_after = 1
    run(plan)
    monkeypatch.setattr(experiment, "write_report", lambda plan, out: report(plan, out, "other"))
    done.stop_after = None
    run(plan)
    with pytest.raises(ConfigError, match="same pictures"):
        collect(plan, CPU)
