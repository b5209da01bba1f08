"""The command line as a user meets it: what it prints, writes, refuses and returns."""

import io
import itertools
import json
import os
import resource
import signal
import subprocess
import sys
import time
from typing import NamedTuple

import numpy as np
import pytest
import torch
from PIL import Image

from diverse_inpainting import __main__ as command_line
from diverse_inpainting.core import batch
from diverse_inpainting.core.demo import PICTURE, demo_input
from diverse_inpainting.core.inpainter import CROP_MODES, SKIP_SOURCES
from diverse_inpainting.core.pictures import write_png


class Answer(NamedTuple):
    code: int
    out: str
    err: str


@pytest.fixture
def run(capsys, monkeypatch, tmp_path):
    """Run a command line in this process, in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def answer(*arguments):
        monkeypatch.setattr(sys, "argv", ["diverse-inpainting", *map(str, arguments)])
        code = 0
        try:
            command_line.main()
        except SystemExit as end:
            code = end.code or 0
        out, err = capsys.readouterr()
        assert "Traceback" not in out + err
        return Answer(code, out, err)

    return answer


@pytest.fixture
def inpaint(run, tiny_checkpoint):
    """Run `inpaint` with the tiny model, two variants by default."""

    def answer(*arguments):
        return run("inpaint", "--model", tiny_checkpoint, "--variants", 2, *arguments)

    return answer


def refused(answer):
    """Whether the answer is one sentence about wrong use, without results."""
    message = answer.err.strip()
    is_ours = message.startswith("Expected ") and message.endswith(".") and "; got " in message
    return (answer.code, answer.out) == (2, "") and is_ours and "\n" not in message


def levels(path):
    return np.array(Image.open(path).convert("RGB")).astype(int)


def save(path, array, **options):
    path.parent.mkdir(exist_ok=True)
    Image.fromarray(array).save(path, **options)
    return path


def noise(height, width, channels=3):
    shape = (height, width, channels)[: 2 if channels == 1 else 3]
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def box(height, width):
    mask = np.zeros((height, width), dtype=np.uint8)
    mask[height // 4 : height // 2 + 1, width // 4 : width // 2 + 1] = 255
    return mask


# --- the program ---


def test_help_imports_nothing_but_typer():
    code = (
        "import sys; sys.argv[1:] = ['--help']\n"
        "from diverse_inpainting.__main__ import main\n"
        "try: main()\n"
        "except SystemExit: print({'torch', 'numpy', 'PIL', 'rich'} & {*sys.modules})"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert answer.stdout.endswith("set()\n"), answer.stdout + answer.stderr
    for name in ("demo", "inpaint", "info", "train"):
        assert f"  {name} " in answer.stdout


def test_help_answers_at_once():
    spent = []
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, "-m", "diverse_inpainting", "--help"], check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        spent.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    assert min(spent) < 0.3


def test_help_names_the_choices_that_core_has(run):
    text = " ".join(run("inpaint", "--help").out.split())
    assert all(choice in text for choice in (*CROP_MODES, *SKIP_SOURCES))


def test_no_command_and_an_unknown_option_are_wrong_use(run):
    assert run().code == 2
    assert run("inpaint", "a.png", "--out", "o", "--nonsense").code == 2


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (PermissionError(13, "Permission denied", "x.png"), "Permission denied (x.png)"),
        (ModuleNotFoundError("no rich", name="rich"), "Install diverse-inpainting[cli]"),
    ],
)
def test_refusals_of_the_system_are_one_sentence(run, monkeypatch, error, words):
    def fail(**_):
        raise error

    monkeypatch.setattr(command_line, "app", fail)
    answer = run("info")
    assert refused(answer) and words in answer.err


def test_a_broken_package_is_no_missing_dependency(monkeypatch):
    def fail(**_):
        raise ModuleNotFoundError("no", name="diverse_inpainting.core.absent")

    monkeypatch.setattr(command_line, "app", fail)
    with pytest.raises(ModuleNotFoundError):
        command_line.main()


# --- demo ---


def check_demo(folder, number=8):
    """The promise, measured without the library's own reading and examining."""
    names = {f"{PICTURE.stem}-{end}.png" for end in (*range(number), "sheet")}
    assert {path.name for path in folder.iterdir()} == names
    hole = demo_input()[1][0].numpy() > 0
    results = [levels(folder / f"{PICTURE.stem}-{k}.png") for k in range(number)]
    assert all(np.array_equal(result[~hole], levels(PICTURE)[~hole]) for result in results)
    for first, second in itertools.combinations(results, 2):
        assert (first != second).any(axis=2)[hole].any()


def test_demo_writes_nine_files_and_says_what_it_checked(run, tiny_checkpoint, tmp_path):
    answer = run("demo", "--model", tiny_checkpoint)
    assert answer.code == 0, answer.err
    check_demo(tmp_path / "demo-out")
    assert "differ from the photograph: 0, 0, 0, 0, 0, 0, 0, 0\n" in answer.out
    assert "demo-out/" in answer.out and " s to load" in answer.out
    with Image.open(tmp_path / "demo-out" / f"{PICTURE.stem}-sheet.png") as sheet:
        assert sheet.width > 5 * 256 and sheet.height > 2 * 256


def test_demo_with_the_bundled_model(run, tmp_path):
    answer = run("demo", "--out", "here", "--seed", 1)
    assert answer.code == 0, answer.err
    check_demo(tmp_path / "here")


def test_demo_repeats_bit_for_bit_and_seeds_differ(run, tiny_checkpoint, tmp_path):
    common = ("demo", "--model", tiny_checkpoint, "--variants", 2, "--out")
    for out, seed in (("a", 5), ("b", 5), ("c", 6)):
        assert run(*common, out, "--seed", seed).code == 0
    for k in range(2):
        a, b, c = ((tmp_path / f / f"{PICTURE.stem}-{k}.png").read_bytes() for f in "abc")
        assert a == b != c


@pytest.mark.parametrize("fault", ["outside", "equal"])
def test_demo_fails_when_a_promise_is_broken(run, tiny_checkpoint, monkeypatch, fault):
    def write(path, image):
        hole = demo_input()[1][0] > 0
        image = image.clone()
        if fault == "outside" and path.name.endswith("-1.png"):
            row, column = (~hole).nonzero()[0].tolist()
            image[row, column, 0] = 1 - image[row, column, 0]
        elif fault == "equal":
            image[hole] = 0.5
        write_png(path, image)

    monkeypatch.setattr(batch, "write_png", write)
    answer = run("demo", "--model", tiny_checkpoint, "--variants", 2)
    assert answer.code == 1 and answer.err.startswith("Expected results that differ inside")
    if fault == "outside":
        assert "photograph: 0, 1\n" in answer.out


# --- inpaint: good input ---


def test_a_picture_and_its_mask(inpaint, tmp_path):
    photo, mask = save(tmp_path / "a.png", noise(40, 56)), save(tmp_path / "m.png", box(40, 56))
    answer = inpaint(photo, "--mask", mask, "--out", "new/out")
    assert (answer.code, answer.out) == (0, "1 done, 0 skipped, 0 failed; results in new/out\n")
    for k in range(2):
        result = levels(tmp_path / "new" / "out" / f"a-{k}.png")
        assert np.array_equal(result[box(40, 56) == 0], levels(photo)[box(40, 56) == 0])
    assert (tmp_path / "new" / "out" / "a-sheet.png").exists()


def test_variant_k_depends_on_seed_and_k_alone(inpaint, tmp_path):
    for name in ("a", "b"):
        save(tmp_path / "photos" / f"{name}.png", noise(32, 32))
    mask = save(tmp_path / "m.png", box(32, 32))
    assert inpaint("photos", "--mask", mask, "--out", "four", "--variants", 4).code == 0
    assert inpaint("photos", "--mask", mask, "--out", "eight", "--variants", 8).code == 0
    of_four, of_eight = (levels(tmp_path / out / "a-3.png") for out in ("four", "eight"))
    assert abs(of_four - of_eight).max() <= 1
    assert np.array_equal(of_four, levels(tmp_path / "four" / "b-3.png"))
    assert not np.array_equal(of_four, levels(tmp_path / "four" / "a-2.png"))


@pytest.mark.parametrize(
    "option",
    [
        ("--seed", 2**64 - 1),
        ("--edit", "sefa:0=3", "--edit", "sefa:1=-2.5"),
        ("--truncation", 0.3),
        ("--gate-bias", 4),
        ("--crop", "hole", "--margin", 0.5),
        ("--skip-source", "none"),
        ("--edit", "sefa:0=3", "--skip-source", "unedited"),
        ("--feather", 4),
    ],
)
def test_every_option_has_an_effect(inpaint, tmp_path, option):
    photo, mask = save(tmp_path / "a.png", noise(90, 90)), save(tmp_path / "m.png", box(90, 90))
    plain = option[:2] if option[2:] == ("--skip-source", "unedited") else ()
    assert inpaint(photo, "--mask", mask, "--out", "plain", *plain).code == 0
    assert inpaint(photo, "--mask", mask, "--out", "other", *option).code == 0
    plain, other = (levels(tmp_path / out / "a-0.png") for out in ("plain", "other"))
    assert not np.array_equal(plain, other)


def test_masks_by_stem_and_a_mask_too_many(inpaint, tmp_path):
    for name in ("a", "b"):
        save(tmp_path / "photos" / f"{name}.jpg", noise(32, 32))
        save(tmp_path / "masks" / f"{name}.png", box(32, 32))
    save(tmp_path / "masks" / "c.png", box(32, 32))
    answer = inpaint("photos", "--mask", "masks", "--out", "out")
    assert answer.code == 0
    assert "masks without a picture: c.png" in answer.out
    assert answer.err.count("done: ") == 2


def test_orientation_is_respected(inpaint, tmp_path):
    turned = Image.Exif()
    turned[0x0112] = 6  # the camera lay on its side: rows are shown as columns
    save(tmp_path / "a.jpg", noise(32, 48), exif=turned, quality=95)
    mask = save(tmp_path / "m.png", box(48, 32))
    assert inpaint("a.jpg", "--mask", mask, "--out", "out").code == 0
    shown = np.rot90(levels(tmp_path / "a.jpg"), -1)
    keep = box(48, 32) == 0
    assert np.array_equal(levels(tmp_path / "out" / "a-0.png")[keep], shown[keep])


def test_existing_results_are_skipped_unless_overwriting(inpaint, tmp_path):
    save(tmp_path / "a.png", noise(32, 32)), save(tmp_path / "m.png", box(32, 32))
    common = ("a.png", "--mask", "m.png", "--out", "out")
    assert inpaint(*common).out.startswith("1 done")
    again = inpaint(*common)
    assert again.code == 0
    assert again.out.startswith("0 done, 1 skipped, 0 failed") and "--overwrite" in again.out
    other = inpaint(*common, "--seed", 1)
    assert other.out.startswith("0 done, 1 skipped") and "seed 0 instead of 1" in other.err
    before = (tmp_path / "out" / "a-0.png").read_bytes()
    assert inpaint(*common, "--seed", 1, "--overwrite").out.startswith("1 done")
    assert (tmp_path / "out" / "a-0.png").read_bytes() != before


def test_json_is_all_that_is_on_stdout(inpaint, tmp_path):
    save(tmp_path / "photos" / "a.png", noise(32, 32, 4))
    save(tmp_path / "photos" / "b.png", noise(32, 32))
    answer = inpaint("photos", "--out", "out", "--json")
    report = json.loads(answer.out)
    assert answer.code == 1 and report["done"] == report["failed"] == 1
    assert [os.path.exists(path) for path in report["pictures"][0]["results"]] == [True, True]
    assert "transparent" in report["pictures"][1]["error"]
    assert report["unused_masks"] == []


# --- inpaint: bad input ---


def truncated():
    file = io.BytesIO()
    Image.fromarray(noise(64, 64)).save(file, "PNG")
    return file.getvalue()[:2000]


@pytest.mark.parametrize("content", [b"a text, not a picture\n", b"", truncated()])
def test_bad_files_are_named_and_the_others_go_on(inpaint, tmp_path, content):
    save(tmp_path / "photos" / "a.png", noise(32, 32))
    (tmp_path / "photos" / "bad.png").write_bytes(content)
    mask = save(tmp_path / "m.png", box(32, 32))
    answer = inpaint("photos", "--mask", mask, "--out", "out")
    assert answer.code == 1
    assert answer.out == "1 done, 0 skipped, 1 failed; results in out\n"
    (line,) = [line for line in answer.err.splitlines() if line.startswith("failed: ")]
    assert "bad.png" in line and "Expected" in line


def greyscale_16_bit():
    return (np.arange(40 * 40, dtype=np.uint16) * 40).reshape(40, 40)


@pytest.mark.parametrize(
    "picture", [noise(1, 1), noise(40, 40, 1), greyscale_16_bit(), noise(40, 40, 4), noise(3, 90)]
)
def test_unusual_pictures_work_and_keep_their_size(inpaint, tmp_path, picture):
    save(tmp_path / "a.png", picture)
    save(tmp_path / "m.png", np.full(picture.shape[:2], 255, np.uint8))
    answer = inpaint("a.png", "--mask", "m.png", "--out", "out")
    assert answer.code == 0, answer.err
    assert levels(tmp_path / "out" / "a-1.png").shape == (*picture.shape[:2], 3)


def test_a_mask_of_another_size_is_resized_when_the_aspect_fits(inpaint, tmp_path):
    save(tmp_path / "a.png", noise(40, 60)), save(tmp_path / "m.png", box(80, 120))
    assert inpaint("a.png", "--mask", "m.png", "--out", "out").code == 0
    save(tmp_path / "m.png", box(60, 40))
    answer = inpaint("a.png", "--mask", "m.png", "--out", "other")
    assert answer.code == 1 and "failed: a.png: Expected" in answer.err


@pytest.mark.parametrize("masked", [True, False])
def test_nothing_to_fill_is_explained(inpaint, tmp_path, masked):
    opaque = noise(32, 32, 4)
    opaque[:, :, 3] = 255
    save(tmp_path / "a.png", opaque), save(tmp_path / "m.png", np.zeros((32, 32), np.uint8))
    answer = inpaint("a.png", "--out", "out", *(("--mask", "m.png") if masked else ()))
    assert answer.code == 1 and "failed: a.png: Expected" in answer.err
    assert not list((tmp_path / "out").iterdir())


def test_pictures_of_one_stem_are_refused_and_the_others_go_on(inpaint, tmp_path):
    for name in ("a.png", "a.jpg", "b.png"):
        save(tmp_path / "photos" / name, noise(32, 32))
    mask = save(tmp_path / "m.png", box(32, 32))
    answer = inpaint("photos", "--mask", mask, "--out", "out")
    assert answer.code == 1 and answer.out.startswith("1 done, 0 skipped, 2 failed")
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        *("b-0.png", "b-1.png", "b-sheet.png")
    }


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("absent.png", "--out", "out"), "not there"),
        (("photos", "--mask", "absent", "--out", "out"), "not there"),
        (("empty", "--out", "out"), "without any"),
        (("photos", "--out", "photos"), "a folder for the results"),
        (("photos", "--out", "photos/a.png"), "can be written to"),
        (("photos", "--out", "photos/a.png/below"), "can be written to"),
        (("photos", "--out", "out", "--seed", 2**64), "seed"),
        (("photos", "--out", "out", "--seed", -1), "seed"),
        (("photos", "--out", "out", "--edit", "smile=1"), "smile"),
        (("photos", "--out", "out", "--edit", "smile"), "NAME=STRENGTH"),
        (("photos", "--out", "out", "--edit", "sefa:99=1"), "component"),
        (("photos", "--out", "out", "--crop", "hat"), "hat"),
        (("photos", "--out", "out", "--truncation", "nan"), "truncation"),
        (("photos", "--out", "out", "--skip-source", "x"), "skip_source"),
        (("photos", "--out", "out", "--device", "toaster"), "toaster"),
        (("photos", "--out", "out", "--model", "dogs"), "dogs"),
        (("photos", "--out", "out", "--model", "somebody/dogs"), "no permission to download"),
        (("photos", "--out", "out", "--model", "photos/a.png"), "a.png"),
    ],
)
def test_wrong_use_is_one_sentence(inpaint, tmp_path, arguments, words):
    save(tmp_path / "photos" / "a.png", noise(32, 32, 4))
    (tmp_path / "empty").mkdir()
    answer = inpaint(*arguments)
    assert refused(answer), answer
    assert words in answer.err
    assert {path.name for path in (tmp_path / "photos").iterdir()} == {"a.png"}
    assert not list(tmp_path.glob("out/*"))


# --- info ---


def test_info_for_people_and_for_programs(run, tiny_checkpoint):
    text = run("info", tiny_checkpoint).out
    for fact in ("nothing, 32x32", "CC0", "skip_encoder", "3,000", "reference", "0.25 (under 0.15"):
        assert fact in text
    card = json.loads(run("info", tiny_checkpoint, "--json").out)
    assert card["backends"]["reference"] == "available"
    assert card["training"]["rho"] == 0.25 and card["generator_id"] in text


@pytest.mark.parametrize("name", ["dogs", "absent.safetensors", "foreign.safetensors"])
def test_info_on_no_model_is_one_sentence(run, tmp_path, name):
    (tmp_path / "foreign.safetensors").write_bytes(b"\x08\0\0\0\0\0\0\0{}      ")
    assert refused(run("info", name))


# --- train ---

RECIPE = """
title = "noise, 32x32"
license = "CC0"

[model.generator]
resolution = 32
z_dim = 16
w_dim = 16
channel_base = 256
channel_max = 16
mapping_depth = 2

[model.discriminator]
resolution = 32
channel_base = 256
channel_max = 16

[model.encoder]
kind = "small"
resolution = 32
w_dim = 16
width = 8
max_width = 16
depths = [1, 1, 1, 1]

[model.mixer]
num_layers = 8
w_dim = 16

[model.skip_encoder]
resolution = 32
stem_width = 8
widths = [8, 8, 8]
layers_per_block = 1
"""
STAGE = """
[{name}]
total_images = 16
batch_size = 8
r1_gamma = 0.5
r1_every = 2
ema_half_life = 100
log_every = 8
"""


@pytest.fixture
def recipe(tmp_path):
    """A recipe, and a folder of pictures, that train in no time."""
    stages = (STAGE.format(name=name) for name in ("prior", "stage1", "stage2"))
    (tmp_path / "tiny.toml").write_text(RECIPE + "".join(stages))
    for k in range(9):
        save(tmp_path / "pictures" / f"{k}.png", np.roll(noise(32, 32), k, axis=1))
    yield "tiny.toml"
    torch.set_flush_denormal(False)  # training sets it for the process; other tests do not want it


def test_three_commands_from_photographs_to_a_model(run, recipe, tmp_path):
    common = ("--config", recipe, "--out", "run", "--device", "cpu")
    prior = run("train", "prior", *common, "--data", "pictures")
    assert prior.code == 0, prior.err
    assert prior.out == "finished at 16 of 16 images\nwrote run/prior/prior.safetensors\n"
    lines = prior.err.splitlines()
    assert [line.split(" images")[0] for line in lines] == ["8/16", "16/16"]
    assert "images/s" in lines[0] and " left" in lines[0] and "d_loss" in lines[0]
    assert run("train", "stage1", *common, "--data", "pictures").code == 0
    stage2 = run("train", "stage2", *common)
    assert stage2.code == 0, stage2.err
    assert "wrote run/stage2/model.safetensors" in stage2.out
    assert json.loads((tmp_path / "run" / "stage2" / "recipe.json").read_text())["name"] == "tiny"
    card = json.loads(run("info", "run/stage2/model.safetensors", "--json").out)
    assert card["training"]["images"] == {"prior": 16, "stage1": 16, "stage2": 16}
    assert card["title"] == "noise, 32x32" and "discriminator" not in card["parts"]
    save(tmp_path / "a.png", noise(32, 32, 4))
    model = ("--model", "run/stage2/model.safetensors")
    assert run("inpaint", "a.png", "--out", "out", "--variants", 2, *model).code == 0


def test_a_run_goes_on_and_other_inputs_are_refused(run, recipe):
    common = ("train", "prior", "--config", recipe, "--data", "pictures", "--out", "run")
    assert run(*common).out.startswith("finished at 16 of 16")
    longer = run(*common, "--set", "prior.total_images=24", "--set", "prior.log_every=4")
    assert longer.out.startswith("finished at 24 of 24") and longer.err.count(" left") == 1
    assert refused(run(*common, "--set", "prior.seed=1"))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("prior", "--config", "absent", "--data", "pictures"), "bundled recipe"),
        (("prior", "--config", "tiny.toml", "--data", "absent"), "a folder or zip of pictures"),
        (
            ("prior", "--config", "tiny.toml", "--data", "pictures", "--set", "prior.sneed=1"),
            "sneed",
        ),
        (("prior", "--config", "tiny.toml", "--data", "pictures", "--set", "prior.seed"), "TOML"),
        (("stage1", "--config", "tiny.toml"), "run/prior/prior.safetensors"),
        (("stage1", "--config", "demo64-cpu", "--prior", "TINY"), "64 pixels"),
        (("stage1", "--config", "tiny.toml", "--prior", "tiny.toml"), "tiny.toml"),
        (("stage2", "--config", "tiny.toml"), "run/stage1/stage1.safetensors"),
    ],
)
def test_wrong_training_is_one_sentence(run, recipe, tiny_checkpoint, arguments, words):
    arguments = [str(tiny_checkpoint) if part == "TINY" else part for part in arguments]
    answer = run("train", *arguments, "--out", "run")
    assert refused(answer) and words in answer.err, answer


def test_sigterm_saves_and_the_same_command_goes_on(recipe, tmp_path, run):
    common = ("train", "prior", "--config", recipe, "--data", "pictures", "--out", "run")
    command = [sys.executable, "-m", "diverse_inpainting", *common, "--threads", "1"]
    process = subprocess.Popen(
        [*command, "--set", "prior.total_images=10_000_000"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert "images/s" in process.stderr.readline()
        process.send_signal(signal.SIGTERM)
        started = time.monotonic()
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 0, err
    assert time.monotonic() - started < 30
    assert out.startswith("stopped; the same command goes on at ")
    assert (tmp_path / "run" / "prior" / "state.pt").is_file()
    seen = json.loads((tmp_path / "run" / "prior" / "log.jsonl").read_text().splitlines()[-1])
    total = seen["nimg"] + 32
    assert run(*common, "--set", f"prior.total_images={total}").out.startswith("finished at ")
