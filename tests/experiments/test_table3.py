"""Table 3: the commands that are planned, what is resumed, and the page from stored reports."""

import json
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from diverse_inpainting.core.locks import locked
from diverse_inpainting.evaluation.types import Estimate
from diverse_inpainting.training.recipe_file import load_recipe


@pytest.fixture
def scripts(root, monkeypatch):
    """The two scripts, which import each other as neighbours."""
    monkeypatch.syspath_prepend(root / "experiments" / "table3")
    import run
    import table

    yield run, table
    for name in ("run", "table"):
        sys.modules.pop(name)


def options(run, tmp_path, *more):
    files = ("--prior", "prior.safetensors", "--data", "train.zip", "--test-data", "test.zip")
    return run.parse([*files, "--out", str(tmp_path), "--base", "demo64-cpu", *more])


def test_every_model_is_trained_and_measured_under_every_seed(scripts, tmp_path):
    run, table = scripts
    more = ("--seed", "0", "7", "--count", "9", "--lite2", "--set", "stage2.seed=3")
    given = options(run, tmp_path, *more)
    run.write_recipes(tmp_path / "recipes", given.base)
    steps = list(run.steps(given))
    assert len(steps) == 2 * 2 * len(table.MODELS)
    trained, measured = steps[-2:]
    folder = tmp_path / "seed-7" / "table3-model5"
    assert trained.command[:2] == ["train", "stage2"]
    source = tmp_path / "seed-7" / "table3-model4" / "stage1" / "stage1.safetensors"
    assert trained.command[trained.command.index("--from") + 1] == str(source)
    assert trained.command[-2:] == ["--set", "stage2.seed=7"], "the last one wins"
    assert measured.command[1] == str(trained.result)
    assert measured.command[-3:] == ["--count", "9", "--lite2"]
    assert measured.result == folder / "evaluation" / "results.json"
    first = steps[0].command
    assert first[first.index("--from") + 1] == "prior.safetensors"


def test_models_that_others_start_from_are_trained_with_them(scripts, tmp_path):
    run, _ = scripts
    given = options(run, tmp_path, "--seed", "0", "--model", "2", "5")
    run.write_recipes(tmp_path / "recipes", given.base)
    trained = [step.command for step in run.steps(given) if step.command[0] == "train"]
    starts = [command[command.index("--from") + 1] for command in trained]
    exports = [
        str(tmp_path / "seed-0" / name / "stage1" / "stage1.safetensors")
        for name in ("table3-model1", "table3-model4")
    ]
    assert starts == ["prior.safetensors", exports[0], "prior.safetensors", exports[1]]
    measured = [step.command[1] for step in run.steps(given) if step.command[0] == "evaluate"]
    assert [Path(path).parts[-3] for path in measured] == ["table3-model2", "table3-model5"]


def test_recipes_keep_what_sets_a_model_apart_on_another_base(scripts, tmp_path):
    run, table = scripts
    run.write_recipes(tmp_path / "recipes", "demo64-cpu")
    for model in table.MODELS:
        copied = load_recipe(str(tmp_path / "recipes" / f"{model.recipe}.toml"))
        bundled = load_recipe(model.recipe)
        assert copied.name == model.recipe
        assert copied.model.generator.resolution == 64
        assert copied.model.mixer.kind == bundled.model.mixer.kind
        assert copied.stages["stage1"].train_on == bundled.stages["stage1"].train_on
        assert copied.stages["stage2"].train_on == bundled.stages["stage2"].train_on


def test_a_training_is_done_when_it_has_seen_all_images(scripts, tmp_path, tiny_checkpoint):
    run, _ = scripts
    assert run.Step([], tiny_checkpoint, "stage1", 200).is_done
    assert not run.Step([], tiny_checkpoint, "stage1", 201).is_done
    assert not run.Step([], tmp_path / "absent.safetensors", "stage1", 1).is_done
    assert not run.Step([], tmp_path / "results.json").is_done


def test_models_are_not_measured_on_what_they_are_trained_on(scripts, tmp_path, capsys):
    run, _ = scripts
    with pytest.raises(SystemExit):
        options(run, tmp_path, "--test-data", "train.zip")
    assert "must differ" in capsys.readouterr().err


def write_reports(table, out, seeds=(0, 1), **protocol):
    """Reports in which a model's values are its position in the table.

    Five images differ in diversity by far more than the models do.
    """
    facts = {"pictures": 5, "pairs_sha256": "a", "resolution": 32, "masks": "paper", "seed": 0}
    for seed in seeds:
        for position, model in enumerate(table.MODELS):
            worth = position + 0.1 * seed
            values = {
                "swd": {"value": worth, "low": worth - 1, "high": worth + 1},
                "c2st_accuracy": {"value": 1 - worth / 100},
                "frechet_lite2": {"value": 50 - worth},
                "diversity": {"value": worth},
                "rho": {"value": 0.1, "low": 0.05, "high": 0.3},
                "seam": {"value": None},
            }
            methods = {model.stage: values, "mean-colour": {"swd": {"value": 77.0}}}
            methods |= {"other-photo": {}, "stage1" if position in (2, 5) else "stage2": {}}
            report = {
                "methods": {name: {"(0,1]": found} for name, found in methods.items()},
                "protocol": {**facts, **protocol},
                "model": {"training": {"images": {"prior": 10, "stage1": 6400}}},
                "metrics": {"lpips": {"left_out": "give --lpips FILE"}},
            }
            folder = out / f"seed-{seed}" / model.recipe / "evaluation"
            folder.mkdir(parents=True)
            (folder / "results.json").write_text(json.dumps(report))
            rows = ["method,picture,hole_ratio,metric,numerator,denominator"]
            for k in range(-2, 3):
                rows += [f"{model.stage},{k},0.5,diversity,{worth + 9 * k + 0.1 * k * k},1"]
                rows += [f"mean-colour,{k},0.5,diversity,7,1"]
            (folder / "pictures.csv").write_text("\n".join(rows))
            log = folder.parent / model.stage / "log.jsonl"
            log.parent.mkdir()
            lines = [{"nimg": 36_000, "images_per_s": 10}, {"nimg": 36_000, "diagnostics": {}}]
            lines += [{"nimg": 36_000 + 3600 * position, "images_per_s": 5}]
            log.write_text("\n".join(map(json.dumps, lines)))


def test_the_page_shows_values_and_differences(scripts, tmp_path):
    _, table = scripts
    write_reports(table, tmp_path)
    page = table.render(table.Reports(tmp_path))
    assert "images seen: prior 10, stage1 6,400" in page
    assert "lpips left out: give --lpips FILE" in page
    assert "| Frechet distance, Lite2 | SWD x 1000 | C2ST accuracy | diversity, /255 |" in page
    assert "hours of training, added up over all runs: 18.00" in page
    assert re.search(r"\| 5 \| .* \| 2\.00 \|\n", page)
    assert "| 5 | 4 with stage 2 | 1 | 44.900 | 5.10 [4.10, 6.10] | 0.949 | 5.10 | 0.100 [" in page
    assert "| mean-colour | baseline | - | - | 77.00 | - | - | - | - |" in page
    paired = "-3.0000 [-3.0000, -3.0000]"
    assert f"| 1 - 4 | diversity, /255 | {paired} | {paired} |" in page
    assert "| 4 - 3 | SWD x 1000 | +1.0000 [-1.0000, +3.0000] | +1.0000 [" in page
    assert "| 4 - 3 | C2ST accuracy | -0.0100 | -0.0100 |" in page
    assert "| 1 - 0.15 | rho | -0.0500 [-0.1000, +0.1500] |" in page
    assert "full reconstruction.** Inconclusive. The paper:" in page
    assert "Stage 2 helps.** Inconclusive" in page


def test_the_page_names_what_is_not_measured_yet(scripts, tmp_path):
    """Of seeds that share the folder, one has come further."""
    _, table = scripts
    write_reports(table, tmp_path)
    for recipe in ("psp-baseline", "table3-model5"):
        (tmp_path / "seed-1" / recipe / "evaluation" / "results.json").unlink()
    (tmp_path / "seed-2").mkdir()
    page = table.render(table.Reports(tmp_path))
    assert "not measured under seed 0" not in page
    assert "- not measured under seed 1: pSp, 5\n" in page
    assert "- not measured under seed 2: pSp, 1, 2, 3, 4, 5\n" in page
    assert re.search(r"\| 5 \| 4 with stage 2 \| 1 \|( - \|)+\n", page)
    assert "| 5 - 4 | C2ST accuracy | -0.0100 | - | - |" in page


def test_half_of_a_finding_is_no_finding(scripts, tmp_path):
    _, table = scripts
    write_reports(table, tmp_path, seeds=(0,))
    folder = tmp_path / "seed-0" / "table3-model5" / "evaluation"
    (folder / "results.json").unlink()
    finding = table.Finding("Stage 2 helps.", "", ("c2st_accuracy",), (("2", "1"), ("5", "4")))
    table.FINDINGS = (finding,)
    page = table.render(table.Reports(tmp_path))
    assert "| 2 - 1 | C2ST accuracy | -0.0100 |" in page
    assert "Stage 2 helps.** Not measured completely. The paper" in page


def test_a_page_is_written_by_one_process_at_a_time(scripts, tmp_path, monkeypatch):
    """One that had read fewer reports could else be the last."""
    run, table = scripts
    write_reports(table, tmp_path)
    given = options(run, tmp_path)
    monkeypatch.setattr(run, "parse", lambda arguments: given)
    monkeypatch.setattr(run, "steps", lambda options: ())
    page = tmp_path / "table3.md"
    writer = threading.Thread(target=run.main)
    with locked(tmp_path / ".lock", wait=False):
        writer.start()
        writer.join(0.5)
        assert writer.is_alive() and not page.exists()
        (tmp_path / "seed-1/table3-model5/evaluation/results.json").unlink()
    writer.join(30)
    assert page.read_text() == table.render(table.Reports(tmp_path))


@pytest.mark.parametrize(
    ("verdict", "differences"),
    [
        ("Reproduced", [(-2, -3, -1), (-1, None, None)]),
        ("Not reproduced", [(-2, -3, -1), (2, 1, 3)]),
        ("Not reproduced", [(-2, -3, 1), (2, None, None)]),
        ("Inconclusive", [(-2, -3, -1), (2, -1, 3)]),
        ("Inconclusive", [(0, 0, 0)]),
        ("Inconclusive", []),
        ("Not measured completely", [(-2, -3, -1), None]),
        ("Not reproduced", [(2, 1, 3), None]),
    ],
)
def test_verdicts(scripts, verdict, differences):
    assert scripts[1].judge([d and Estimate(*d) for d in differences]) == verdict


def test_reports_on_other_images_are_not_mixed(scripts, tmp_path):
    _, table = scripts
    with pytest.raises(SystemExit, match="needs reports"):
        table.Reports(tmp_path)
    write_reports(table, tmp_path)
    write_reports(table, tmp_path, seeds=(2,), pairs_sha256="b")
    with pytest.raises(SystemExit, match="same images"):
        table.Reports(tmp_path)


def test_the_script_stops_where_a_command_fails(root, tmp_path):
    command = (sys.executable, root / "experiments" / "table3" / "run.py", "--base", "demo64-cpu")
    files = ("--prior", "absent.safetensors", "--data", "train.zip", "--test-data", "test.zip")
    done = subprocess.run(
        (*command, *files, "--out", "out"), cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert done.stdout.startswith("train stage1 --config") and "psp-baseline.toml" in done.stdout
    assert "absent.safetensors" in done.stderr or "train.zip" in done.stderr
    assert done.stderr.strip().endswith("Run the same command again to resume.")


def test_sigterm_reaches_the_command(root):
    """`run` waits for it, as on Ctrl-C, so that a state is saved. It may end well even so."""
    code = (
        "import signal, sys, time; signal.signal(signal.SIGTERM, lambda *_: sys.exit()); "
        "print('up', flush=True); time.sleep(60)"
    )
    command = [sys.executable, "-c", code]
    script = "import sys; sys.path[:0] = sys.argv[1:2]; import run; sys.exit(run.run(sys.argv[2:]))"
    folder = root / "experiments" / "table3"
    options = {"stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", script, folder, *command], **options) as process:
        assert process.stdout.readline() == "up\n"
        process.terminate()
        assert process.wait(30) != 0
        assert process.stdout.read() == "", "the command is gone as well"


def test_sigterm_while_the_command_starts_reaches_it(root):
    script = """
import os, signal, subprocess, sys
sys.path[:0] = sys.argv[1:]
import run

class Popen(subprocess.Popen):
    def __init__(self, command):
        super().__init__(command)
        os.kill(os.getpid(), signal.SIGTERM)

subprocess.Popen = Popen
sys.exit(run.run([sys.executable, "-c", "import time; time.sleep(60)"]))
"""
    command = (sys.executable, "-c", script, root / "experiments" / "table3")
    assert subprocess.run(command, timeout=30).returncode != 0


def test_sigterm_between_two_commands_stops_the_script(root):
    script = (
        "import os, signal, sys; sys.path[:0] = sys.argv[1:]; import run; "
        "run.run([sys.executable, '-c', '']); os.kill(os.getpid(), signal.SIGTERM); print('alive')"
    )
    command = (sys.executable, "-c", script, root / "experiments" / "table3")
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (-signal.SIGTERM, "")
