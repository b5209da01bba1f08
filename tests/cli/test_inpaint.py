"""`inpaint` on good input: images, masks, every option, what exists already."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from answers import box, noise, pixels, save
from diverse_inpainting.cli.inpaint_options import parse_edit
from diverse_inpainting.cli.result_files import ResultFiles
from diverse_inpainting.cli.settings import Settings
from diverse_inpainting.core.checkpoint import read_checkpoint, write_checkpoint
from diverse_inpainting.core.directions import Direction, write_direction
from diverse_inpainting.core.editor import Edit
from diverse_inpainting.core.errors import InputError


def test_an_image_and_its_mask(inpaint, tmp_path):
    photo, mask = save(tmp_path / "a.png", noise(40, 56)), save(tmp_path / "m.png", box(40, 56))
    answer = inpaint(photo, "--mask", mask, "--out", "new/out")
    assert (answer.code, answer.out) == (0, "1 done, 0 skipped, 0 failed; results in new/out\n")
    for k in range(2):
        result = pixels(tmp_path / "new" / "out" / f"a-{k}.png")
        assert np.array_equal(result[box(40, 56) == 0], pixels(photo)[box(40, 56) == 0])
    assert (tmp_path / "new" / "out" / "a-sheet.png").exists()


def test_variant_k_depends_on_seed_and_k_alone(inpaint, tmp_path):
    for name in ("a", "b"):
        save(tmp_path / "photos" / f"{name}.png", noise(32, 32))
    mask = save(tmp_path / "m.png", box(32, 32))
    assert inpaint("photos", "--mask", mask, "--out", "four", "--variants", 4).code == 0
    assert inpaint("photos", "--mask", mask, "--out", "eight", "--variants", 8).code == 0
    of_four, of_eight = (pixels(tmp_path / out / "a-3.png") for out in ("four", "eight"))
    assert abs(of_four - of_eight).max() <= 1
    assert np.array_equal(of_four, pixels(tmp_path / "four" / "b-3.png"))
    assert not np.array_equal(of_four, pixels(tmp_path / "four" / "a-2.png"))


@pytest.mark.parametrize(
    "option",
    [
        ("--seed", 2**64 - 1),
        ("--edit", "sefa:0=3", "--edit", "sefa:1=-2.5"),
        ("--truncation", 0.3),
        ("--gate-bias", 4),
        ("--crop", "hole"),
        ("--crop", "hole", "--margin", 1.5),
        ("--skip-source", "none"),
        ("--edit", "sefa:0=3", "--skip-source", "unedited"),
        ("--feather", 4),
        ("--fit", 3),
        ("--blend", "paste"),
    ],
)
def test_every_option_has_an_effect(inpaint, tmp_path, option):
    photo, mask = save(tmp_path / "a.png", noise(90, 90)), save(tmp_path / "m.png", box(90, 90))
    plain = option[:2] if len(option) == 4 and option[0] != option[2] else ()
    assert inpaint(photo, "--mask", mask, "--out", "plain", *plain).code == 0
    assert inpaint(photo, "--mask", mask, "--out", "other", *option).code == 0
    plain, other = (pixels(tmp_path / out / "a-0.png") for out in ("plain", "other"))
    assert not np.array_equal(plain, other)


def test_a_generator_alone_says_that_it_fits_random_codes(inpaint, tiny_checkpoint, tmp_path):
    alone = tmp_path / "alone.safetensors"
    write_checkpoint(alone, read_checkpoint(tiny_checkpoint, ("generator",)))
    photo, mask = save(tmp_path / "a.png", noise(32, 32)), save(tmp_path / "m.png", box(32, 32))
    answer = inpaint(photo, "--mask", mask, "--out", "out", "--model", alone, "--fit", 2)
    assert answer.code == 0
    assert "warning: This model has no encoder" in answer.err
    first, second = (pixels(tmp_path / "out" / f"a-{k}.png") for k in range(2))
    assert not np.array_equal(first, second)


def test_masks_by_stem_and_a_mask_too_many(inpaint, tmp_path):
    for name in ("a", "b"):
        save(tmp_path / "photos" / f"{name}.jpg", noise(32, 32))
        save(tmp_path / "masks" / f"{name}.png", box(32, 32))
    save(tmp_path / "masks" / "c.png", box(32, 32))
    answer = inpaint("photos", "--mask", "masks", "--out", "out")
    assert answer.code == 0
    assert "masks without an image: c.png" in answer.out
    assert answer.err.count("done: ") == 2


def test_orientation_is_respected(inpaint, tmp_path):
    turned = Image.Exif()
    turned[0x0112] = 6  # the camera lay on its side: rows are shown as columns
    save(tmp_path / "a.jpg", noise(32, 48), exif=turned, quality=95)
    mask = save(tmp_path / "m.png", box(48, 32))
    assert inpaint("a.jpg", "--mask", mask, "--out", "out").code == 0
    shown = np.rot90(pixels(tmp_path / "a.jpg"), -1)
    keep = box(48, 32) == 0
    assert np.array_equal(pixels(tmp_path / "out" / "a-0.png")[keep], shown[keep])


def test_existing_results_are_skipped_unless_overwriting(inpaint, tmp_path):
    save(tmp_path / "a.png", noise(32, 32)), save(tmp_path / "m.png", box(32, 32))
    common = ("a.png", "--mask", "m.png", "--out", "out")
    with ResultFiles(tmp_path / "out", "a", 2).claimed():
        assert "--overwrite" not in inpaint(*common).out
    assert inpaint(*common).out.startswith("1 done")
    again = inpaint(*common)
    assert again.code == 0
    assert again.out.startswith("0 done, 1 skipped, 0 failed") and "--overwrite" in again.out
    other = inpaint(*common, "--seed", 1)
    assert other.code == 1
    assert other.out.startswith("0 done, 0 skipped, 1 stale") and "seed 0 instead of 1" in other.err
    before = (tmp_path / "out" / "a-0.png").read_bytes()
    assert inpaint(*common, "--seed", 1, "--overwrite").out.startswith("1 done")
    assert (tmp_path / "out" / "a-0.png").read_bytes() != before


def test_json_is_all_that_is_on_stdout(inpaint, tmp_path):
    save(tmp_path / "photos" / "a.png", noise(32, 32, 4))
    save(tmp_path / "photos" / "b.png", noise(32, 32))
    (tmp_path / "photos" / "notes.txt").touch()
    answer = inpaint("photos", "--out", "out", "--json")
    a, b, summary = map(json.loads, answer.out.splitlines())
    assert [os.path.exists(path) for path in a["results"]] == [True, True]
    assert "transparent" in b["error"]
    assert answer.code == 1
    counts = {"done": 1, "skipped": 0, "stale": 0, "failed": 1}
    assert summary == {
        **counts,
        "unused_masks": [],
        "left_aside": {"photos/notes.txt": "not an image"},
    }


@pytest.mark.parametrize(
    ("text", "edit"),
    [
        ("colour=1.5", Edit("colour", 1.5)),
        ("sefa:3=-2", Edit("sefa:3", -2.0)),
        (" a=b = 1e-1", Edit("a=b", 0.1)),
    ],
)
def test_edits_are_parsed(text, edit):
    assert parse_edit(text) == edit


@pytest.mark.parametrize("text", ["", "colour", "colour=", "=1", "colour=much", "a=nan", "a=inf"])
def test_what_is_no_edit_is_refused(text):
    with pytest.raises(InputError, match="NAME=STRENGTH"):
        parse_edit(text)


def test_files_of_one_name_are_distinguished(tmp_path):
    """Results of another direction of the same name are not taken for those of this one."""
    path = tmp_path / "d.safetensors"
    recorded = []
    for last in (1, 2, 2):
        vector = torch.ones(4)
        write_direction(
            path,
            Direction(
                name="warm", vector=vector, generator_id="ab" * 32, first_layer=0, last_layer=last
            ),
        )
        settings = Settings(edits=(parse_edit(f"{path}=1.5"),))
        recorded.append(settings.to_dict()["edits"])
    assert recorded[0] != recorded[1] == recorded[2]
    assert recorded[0][0][0].startswith("warm (") and recorded[0][0][1] == 1.5


def test_shards_share_a_folder_and_report_what_is_left_aside(inpaint, tmp_path):
    for name in "abc":
        save(tmp_path / "photos" / f"{name}.png", noise(32, 32))
        save(tmp_path / "masks" / f"{name}.png", box(32, 32))
    save(tmp_path / "masks" / "x.png", box(32, 32))
    (tmp_path / "photos" / "notes.txt").touch()
    common = ("photos", "--mask", "masks", "--out", "out", "--json", "--shard")
    for shard, names in (("1/2", "ac"), ("2/2", "b"), ("3/4", "c"), ("4/4", "")):
        answer = inpaint(*common, shard)
        *lines, summary = map(json.loads, answer.out.splitlines())
        assert answer.code == 0 and [Path(line["picture"]).stem for line in lines] == list(names)
        assert [Path(path).name for path in summary["unused_masks"]] == ["x.png"]
        assert [Path(path).name for path in summary["left_aside"]] == ["notes.txt"]
    assert inpaint(*common, "5/4").code == 2
    assert len(list((tmp_path / "out").glob("?-sheet.png"))) == 3


@pytest.mark.slow
def test_two_processes_complete_each_image_once(tiny_checkpoint, tmp_path):
    save(tmp_path / "m.png", box(300, 300))
    for name in "abcdef":
        save(tmp_path / "photos" / f"{name}.png", noise(300, 300))
    common = ("photos", "--mask", "m.png", "--out", "out", "--json", "--model", tiny_checkpoint)
    command = (sys.executable, "-m", "diverse_inpainting", "inpaint", *common)
    both = [subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE) for _ in range(2)]
    lines = [process.communicate(timeout=120)[0].splitlines()[:-1] for process in both]
    outcomes = [[json.loads(line)["status"] for line in said] for said in lines]
    assert [process.returncode for process in both] == [0, 0]
    assert sorted(zip(*outcomes, strict=True)) in [
        [("done", "skipped")] * k + [("skipped", "done")] * (6 - k) for k in range(7)
    ]
    assert not list((tmp_path / "out").glob(".*"))


@pytest.mark.slow
def test_a_killed_run_leaves_whole_files_and_is_finished_by_the_next(
    inpaint, tiny_checkpoint, tmp_path
):
    save(tmp_path / "a.png", noise(300, 300)), save(tmp_path / "m.png", box(300, 300))
    common = ("a.png", "--mask", "m.png", "--out", "out", "--variants", "24")
    command = (sys.executable, "-m", "diverse_inpainting", "inpaint", *common)
    process = subprocess.Popen([*command, "--model", str(tiny_checkpoint)], cwd=tmp_path)
    deadline = time.monotonic() + 60
    while not list(tmp_path.glob("out/a-*.png")) and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    written = list(tmp_path.glob("out/a-*.png"))
    assert 1 <= len(written) < 25
    assert {pixels(path).shape for path in written} == {(300, 300, 3)}
    assert inpaint(*common).out.startswith("1 done")
    assert len(list(tmp_path.glob("out/a-*.png"))) == 25
    assert inpaint(*common).out.startswith("0 done, 1 skipped")


@pytest.mark.slow
def test_an_interrupted_run_ends_at_once_and_is_finished_by_the_next(
    inpaint, tiny_checkpoint, tmp_path
):
    save(tmp_path / "m.png", box(300, 300))
    for name in "abcdef":
        save(tmp_path / "photos" / f"{name}.png", noise(300, 300))
    common = ("photos", "--mask", "m.png", "--out", "out", "--variants", "24", "--json")
    command = (sys.executable, "-m", "diverse_inpainting", "inpaint", *common)
    process = subprocess.Popen(
        [*command, "--model", str(tiny_checkpoint)],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert json.loads(process.stdout.readline())["status"] == "done"
    process.send_signal(signal.SIGINT)
    started = time.monotonic()
    _, err = process.communicate(timeout=60)
    assert time.monotonic() - started < 10
    assert process.returncode != 0 and b"Traceback" not in err
    assert len(list(tmp_path.glob("out/f-*.png"))) == 0
    assert not list(tmp_path.glob("out/.*.lock"))
    assert inpaint(*common).code == 0
    assert len(list(tmp_path.glob("out/*.png"))) == 6 * 25
    assert not list(tmp_path.glob("out/.*"))


def test_mask_options_change_the_hole(inpaint, tmp_path):
    photo, mask = save(tmp_path / "a.png", noise(40, 40)), save(tmp_path / "m.png", box(40, 40))
    hole = box(40, 40) > 0
    for option, expected in (("--mask-invert", ~hole), ("--mask-grow=-3", None)):
        assert inpaint(photo, "--mask", mask, "--out", option[2:], option).code == 0
        changed = (pixels(tmp_path / option[2:] / "a-0.png") != pixels(photo)).any(axis=2)
        if expected is not None:
            assert not changed[~expected].any() and changed[expected].mean() > 0.9
        else:
            assert not changed[~hole].any() and 0 < changed.sum() < 0.8 * hole.sum()


@pytest.mark.parametrize("mode", ["face", "auto"])
def test_a_face_is_looked_for_and_what_is_used_instead_is_said(inpaint, tmp_path, mode):
    save(tmp_path / "a.png", noise(80, 90)), save(tmp_path / "m.png", box(80, 90))
    common = ("a.png", "--mask", "m.png", "--crop", mode)
    answer = inpaint(*common, "--out", "out")
    assert answer.code == 0
    assert "warning: The image: no face was found, so the model sees the" in answer.err
    dry = inpaint(*common, "--out", "dry", "--dry-run")
    assert "(no face was found, so the model sees the" in dry.out


def test_a_dry_run_shows_the_face(inpaint, tmp_path, root):
    picture = Image.open(root / "core/weights/pictures/pixabay_cat_000336.jpg")
    photo = Image.new("RGB", (400, 300), "grey")
    photo.paste(picture.resize((160, 160)), (200, 60))
    photo.save(tmp_path / "a.png")
    mask = np.zeros((300, 400), dtype=np.uint8)
    mask[130:150, 270:290] = 255
    save(tmp_path / "m.png", mask)
    line = inpaint("a.png", "--mask", "m.png", "--out", "dry", "--crop", "face", "--dry-run").out
    found = re.search(r"crop (\d+) x \1 around \((\d+), (\d+)\), turned by -?\d+ degrees,", line)
    side, x, y = map(int, found.groups())
    assert abs(side - 160) < 40 and abs(x - 280) < 24 and abs(y - 140) < 24


def test_far_holes_have_a_square_each_and_can_be_repeated(inpaint, tmp_path):
    photo, mask = noise(80, 400), np.zeros((80, 400), dtype=np.uint8)
    mask[30:50, 20:40] = mask[20:30, 300:330] = 255
    save(tmp_path / "a.png", photo), save(tmp_path / "m.png", mask)
    common = ("a.png", "--mask", "m.png", "--variants", 1)
    line = inpaint(*common, "--out", "dry", "--crop", "holes", "--dry-run").out
    assert "crop 64 x 64 at (283, 0) and 64 x 64 at (0, 8) of 400 x 80, results" in line
    assert inpaint(*common, "--out", "out", "--crop", "holes").code == 0
    shown = pixels(tmp_path / "out" / "a-0.png")
    assert np.array_equal(shown[mask == 0], photo[mask == 0])
    again = inpaint(*common, "--out", "again", "--from", "out/a-0.png")
    assert again.code == 0
    assert np.array_equal(pixels(tmp_path / "again" / "a-0.png"), shown)
    with Image.open(tmp_path / "out" / "a-sheet.png") as sheet:
        assert sheet.height > 2 * 64  # squares, not strips as low as the image


def test_a_dry_run_lists_and_draws_and_completes_nothing(inpaint, tmp_path):
    for name in ("a", "b"):
        save(tmp_path / "photos" / f"{name}.png", noise(40, 80))
    save(tmp_path / "masks" / "a.png", box(40, 80))
    answer = inpaint("photos", "--mask", "masks", "--out", "out", "--crop", "hole", "--dry-run")
    share = 100 * (box(40, 80) > 0).mean()
    a, b, summary = answer.out.splitlines()
    assert a.startswith(f"photos/a.png: mask masks/a.png, hole {share:.1f} %, crop 64 x 64 at (")
    assert b.startswith("photos/b.png: cannot be completed: ") and "one mask named b" in b
    assert summary == "1 to complete, 1 not; masks drawn in out/dry-run.png"
    assert answer.code == 1
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["dry-run.png"]
    drawn = pixels(tmp_path / "out" / "dry-run.png").astype(int)
    assert ((drawn[..., 0] - drawn[..., 1]) > 60).sum() > 100  # red
