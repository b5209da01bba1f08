"""A result says what made it, and `--from` repeats it."""

import json

import numpy as np
import pytest
from PIL import Image

from answers import box, noise, pixels, save
from diverse_inpainting.cli.recorded import (
    changes,
    load_record,
    merge_settings,
    recorded_precision,
)
from diverse_inpainting.cli.settings import Settings
from diverse_inpainting.core.editor import Edit
from diverse_inpainting.core.errors import InputError
from diverse_inpainting.core.mask_edits import MaskEdits

SETTINGS = Settings(
    num_variants=3,
    seed=5,
    edits=(Edit("sefa:0", 1.5),),
    truncation_psi=0.5,
    crop_mode="hole",
    feather_px=2,
    fit_steps=3,
    blend="paste",
    mask_edits=MaskEdits(grow_px=2, invert=True),
)


@pytest.fixture
def files(tmp_path):
    """A JPEG, its mask, and settings that all differ from the defaults."""
    save(tmp_path / "a.jpg", noise(70, 80), quality=90)
    save(tmp_path / "m.png", box(70, 80))
    return tmp_path


@pytest.fixture
def complete(run, tiny_checkpoint):
    """Run `inpaint` on the files, without options of settings."""

    def answer(*arguments):
        common = ("a.jpg", "--mask", "m.png", "--model", tiny_checkpoint)
        return run("inpaint", *common, *arguments)

    return answer


OPTIONS = "--variants 2 --seed 9 --edit sefa:0=2 --truncation 0.7 --gate-bias 1 --crop hole "
OPTIONS += "--margin 0.5 --feather 3 --skip-source unedited --mask-grow 1 --mask-fill"


@pytest.mark.parametrize(
    ("form", "source"), [("png", "a-1.png"), ("same", "a-1.jpg"), ("png", "a-sheet.png")]
)
def test_a_result_repeats_itself(complete, files, form, source):
    first = complete("--out", "first", "--format", form, *OPTIONS.split())
    again = complete("--out", "again", "--format", form, "--from", f"first/{source}")
    assert first.code == again.code == 0 and "warning" not in again.err
    names = sorted(path.name for path in (files / "first").iterdir())
    assert names == sorted(path.name for path in (files / "again").iterdir())
    for name in names:
        assert (files / "first" / name).read_bytes() == (files / "again" / name).read_bytes()


def test_options_win(complete, files):
    complete("--out", "first", *OPTIONS.split())
    complete("--out", "second", "--from", "first/a-0.png", "--seed", 1, "--variants", 1)
    record = load_record(files / "second" / "a-0.png")
    assert record["seed"] == 1 and record["num_variants"] == 1
    assert record["edits"] == [["sefa:0", 2.0]] and record["margin"] == 0.5
    assert record["mask_edits"] == {"invert": False, "fill": True, "grow_px": 1, "blur_px": 0}
    assert not (files / "second" / "a-1.png").exists()


@pytest.mark.parametrize("asked", ["float32", "bfloat16"])
def test_the_precision_is_repeated_too_unless_another_is_given(complete, files, asked):
    complete("--out", "first", "--precision", asked, "--variants", 1)
    assert load_record(files / "first" / "a-0.png")["made_by"]["precision"] == asked
    complete("--out", "again", "--from", "first/a-0.png")
    assert load_record(files / "again" / "a-0.png")["made_by"]["precision"] == asked
    complete("--out", "other", "--from", "first/a-0.png", "--precision", "float16")
    assert load_record(files / "other" / "a-0.png")["made_by"]["precision"] == "float16"


def test_a_result_in_another_precision_is_not_stale(complete, files):
    complete("--out", "out", "--precision", "float32", "--variants", 1)
    assert "1 skipped" in complete("--out", "out", "--precision", "bfloat16", "--variants", 1).out


def test_an_unknown_precision_is_refused_before_anything_is_read(run):
    answer = run("inpaint", "a.png", "--out", "out", "--precision", "half")
    assert answer.code == 2 and "Expected precision to be one of 'auto'" in answer.err


def test_the_precision_of_a_record(tmp_path):
    assert recorded_precision({}, tmp_path) == "float32", "of version 0.1"
    assert recorded_precision({"made_by": {}}, tmp_path) == "float32", "of version 0.2"
    assert recorded_precision({"made_by": {"precision": "float16"}}, tmp_path) == "float16"
    with pytest.raises(InputError, match="precision 'int8'"):
        recorded_precision({"made_by": {"precision": "int8"}}, tmp_path)


def test_a_record_names_no_folder(complete, files, tiny_checkpoint):
    complete("--out", "out", "--variants", 1)
    record = load_record(files / "out" / "a-0.png")
    made_by = record["made_by"]
    assert str(files) not in json.dumps(record) and "/" not in json.dumps(made_by)
    assert (made_by["picture"], made_by["mask"], made_by["variant"]) == ("a.jpg", "m.png", 0)
    assert made_by["model"] == tiny_checkpoint.name
    assert set(made_by) >= {"version", "title", "generator_id"}
    assert len(record["picture"]) == len(record["mask"]) == len(record["model"]) == 16


def test_what_has_changed_is_said(complete, run, files, tiny_checkpoint):
    complete("--out", "out", "--variants", 1)
    save(files / "a.jpg", 255 - noise(70, 80), quality=90)
    save(files / "m.png", 255 - box(70, 80))
    answer = complete("--out", "other", "--from", "out/a-0.png")
    assert answer.code == 0
    assert "warning: the picture is not the one" in answer.err and "a.jpg" in answer.err
    assert "warning: the mask is not the one" in answer.err and "the model" not in answer.err
    record = load_record(files / "out" / "a-0.png")
    assert next(changes(record, {"model": "0" * 16})).startswith("the model is not the one")
    assert list(changes(record, {"model": record["model"]})) == []


def test_a_file_without_record_is_refused(complete, files):
    answer = complete("--out", "out", "--from", "a.jpg")
    assert answer.code == 2 and "does not say how it was made" in answer.err
    assert "No such file" in complete("--out", "out", "--from", "absent.png").err


def never(_name):
    return False


def test_settings_survive_a_record(tmp_path):
    record = json.loads(json.dumps(SETTINGS.to_dict()))
    assert merge_settings(record, Settings(), never, tmp_path) == SETTINGS
    assert merge_settings(record, Settings(seed=1), lambda name: name == "seed", tmp_path).seed == 1
    edits = merge_settings(record, Settings(), lambda name: name == "mask_blur", tmp_path)
    assert edits.mask_edits == MaskEdits(grow_px=2, invert=True)
    assert merge_settings({"made_by": {}}, SETTINGS, never, tmp_path) == SETTINGS


@pytest.mark.parametrize(("feather", "blend"), [(0, "paste"), (2, None)])
def test_results_of_version_0_2_are_repeated_as_they_were(tmp_path, feather, blend):
    record = SETTINGS.to_dict() | {"feather_px": feather}
    del record["blend"]
    assert merge_settings(record, Settings(), never, tmp_path).blend == blend


@pytest.mark.parametrize(
    "damage",
    [
        {"seed": "7"},
        {"seed": True},
        {"num_variants": 2.5},
        {"margin": None},
        {"edits": "sefa:0"},
        {"edits": [["sefa:0", "much"]]},
        {"edits": [[1, 2]]},
        {"mask_edits": [1]},
        {"mask_edits": {"grow_px": "3"}},
        {"mask_edits": {"shrink": 3}},
        {"later": 1},
        {"on_step": "x"},
        {"blend": 1},
    ],
)
def test_a_damaged_record_is_refused(tmp_path, damage):
    record = {**SETTINGS.to_dict(), **damage}
    with pytest.raises(InputError, match="give the settings themselves"):
        merge_settings(record, Settings(), never, tmp_path)


def test_directions_from_files_are_asked_for(tmp_path):
    record = {**SETTINGS.to_dict(), "edits": [["warm (0123456789ab)", 1.0]]}
    with pytest.raises(InputError, match="direction from a file, warm"):
        merge_settings(record, Settings(), never, tmp_path)
    asked = Settings(edits=(Edit("sefa:1", 1.0),))
    merged = merge_settings(record, asked, lambda name: name == "edit", tmp_path)
    assert merged.edits == asked.edits


def test_the_same_format_keeps_a_folder_small(run, tiny_checkpoint, files):
    (files / "in").mkdir()
    soft = Image.fromarray(noise(8, 8)).resize((256, 256), Image.Resampling.BICUBIC)
    for name in ("a.jpg", "b.JPEG"):
        soft.save(files / "in" / name, "JPEG", quality=85)
    save(files / "hole.png", box(256, 256))
    common = ("--mask", "hole.png", "--variants", 1, "--model", tiny_checkpoint)
    assert run("inpaint", "in", "--out", "png", *common).code == 0
    assert run("inpaint", "in", "--out", "same", "--format", "same", *common).code == 0
    for name, result in (("a.jpg", "a-0.jpg"), ("b.JPEG", "b-0.JPEG")):
        size = (files / "in" / name).stat().st_size
        assert (files / "same" / result).stat().st_size < 3 * size  # the hole is noise
    again = run("inpaint", "in", "--out", "same", "--format", "same", *common)
    assert again.out.startswith("0 done, 2 skipped")
    assert run("inpaint", "in", "--out", "x", "--format", "jpeg", *common).code == 2


def test_same_named_results_do_not_replace_an_image(run, tiny_checkpoint, files):
    save(files / "out" / "a.jpg", noise(70, 80))
    save(files / "out" / "a-0.jpg", box(70, 80))
    common = ("--mask", "out/a-0.jpg", "--variants", 1, "--model", tiny_checkpoint)
    answer = run("inpaint", "out/a.jpg", "--out", "out", "--format", "same", *common)
    assert answer.code == 1 and "would overwrite" in answer.err


def test_transparency_is_kept_and_nothing_hidden_surfaces(complete, run, tiny_checkpoint, files):
    alpha = np.full((60, 60), 255, np.uint8)
    alpha[:20], alpha[50:] = 0, 128
    image = np.dstack([noise(60, 60), alpha])
    hole = np.zeros((60, 60), np.uint8)
    hole[15:40, 20:45] = 255  # reaches into the hidden part
    save(files / "m.png", hole)
    found = []
    for hidden in ((255, 0, 255), (0, 255, 0)):
        image[:20, :, :3] = hidden
        save(files / "a.png", image)
        common = ("a.png", "--mask", "m.png", "--model", tiny_checkpoint)
        options = ("--variants", 1, "--feather", 4, "--overwrite", "--out", "out")
        assert run("inpaint", *common, *options).code == 0
        with Image.open(files / "out" / "a-0.png") as written:
            result = np.array(written)
        assert np.array_equal(result[..., 3], alpha)
        near = np.zeros((60, 60), bool)
        near[10:45, 15:50] = True  # hole and feather
        assert np.array_equal(result[~near], image[~near])
        found.append((result[near], pixels(files / "out" / "a-sheet.png")))
    (first, sheet), (second, other_sheet) = found
    changed = (first != second).any(axis=1)
    assert not changed[first[:, 3] > 0].any()
    assert np.array_equal(sheet, other_sheet)


def test_a_hole_of_alpha_with_soft_edges_is_opaque_where_filled(run, tiny_checkpoint, files):
    alpha = np.full((60, 60), 255, np.uint8)
    alpha[20:40, 20:40] = 0
    alpha[19, 20:40] = 200
    save(files / "a.png", np.dstack([noise(60, 60), alpha]))
    common = ("a.png", "--out", "out", "--variants", 1, "--model", tiny_checkpoint)
    assert run("inpaint", *common).code == 0
    with Image.open(files / "out" / "a-0.png") as written:
        assert written.mode == "RGB"


def test_animations_and_pages_are_refused(complete, run, tiny_checkpoint, files):
    frames = [Image.fromarray(np.roll(noise(60, 60), k, axis=0)) for k in range(3)]
    common = ("--mask", "m.png", "--model", tiny_checkpoint, "--out", "out", "--variants", 1)
    save(files / "m.png", box(60, 60))
    for name in ("a.gif", "a.webp", "a.png", "a.tif"):
        frames[0].save(files / name, save_all=True, append_images=frames[1:])
        answer = run("inpaint", name, *common)
        several = "pages" if name == "a.tif" else "frames"
        assert answer.code == 1 and f"{name} has several {several}" in answer.err
        assert f"Save each of its {several} as a PNG" in answer.err
        assert not list((files / "out").iterdir())
