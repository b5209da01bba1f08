"""What is written for an image, what is kept, and what an interrupted run leaves."""

import dataclasses
import json

import pytest
import torch
from PIL import Image

from diverse_inpainting.cli import result_files
from diverse_inpainting.cli.result_files import (
    Completed,
    ResultFiles,
    StaleResultsError,
    read_record,
)
from diverse_inpainting.core.errors import InputError
from diverse_inpainting.core.image_files import read_image, write_png, write_result
from diverse_inpainting.core.locks import LockedError

RECORD = {"seed": 3, "num_variants": 3, "edits": [["sefa:0", 1.5]], "mask": None}


@pytest.fixture
def files(tmp_path):
    return ResultFiles(tmp_path, "cat", 3)


def write(files, record=RECORD, variants=(0, 1, 2), side=4):
    values = torch.arange(10, 10 + files.num_variants, dtype=torch.uint8)
    results = values[:, None, None, None].expand(-1, side, side, 3)
    files.write(completed(files, results), record, variants)


def completed(files, results):
    side = results.shape[1]
    image, hole = torch.zeros(side, side, 3), torch.full((side, side), 0.5)
    image[:, :, 2] = 1.0
    files.folder.joinpath("in").mkdir(exist_ok=True)
    write_png(files.folder / "in" / "cat.png", image)
    return Completed(
        file=read_image(files.folder / "in" / "cat.png"),
        image=image,
        hole_mask=hole,
        results=results,
        weight=torch.ones(side, side),
    )


def test_names(files, tmp_path):
    assert [path.name for path in files.results] == ["cat-0.png", "cat-1.png", "cat-2.png"]
    assert files.sheet == tmp_path / "cat-sheet.png"
    assert files.marker.name == ".cat.unfinished"


def test_all_are_pending_in_an_empty_folder(files):
    assert files.pending(RECORD, overwrite=False) == (0, 1, 2)


def test_whole_results_are_skipped_unless_overwriting(files):
    write(files)
    assert files.pending(RECORD, overwrite=False) == ()
    assert files.pending(RECORD, overwrite=True) == (0, 1, 2)


def test_a_deleted_result_is_made_again_and_the_others_are_kept(files):
    write(files, variants=(0, 2))
    assert files.pending(RECORD, overwrite=False) == (1,)


def test_results_of_other_settings_are_stale(files):
    write(files, {**RECORD, "seed": 9}, variants=(0,))
    with pytest.raises(StaleResultsError, match="made with seed 9 instead of 3"):
        files.pending(RECORD, overwrite=False)
    assert files.pending(RECORD, overwrite=True) == (0, 1, 2)


def test_more_variants_extend_what_is_there(files, tmp_path):
    write(files)
    more = {**RECORD, "num_variants": 5}
    assert ResultFiles(tmp_path, "cat", 5).pending(more, overwrite=False) == (3, 4)
    assert ResultFiles(tmp_path, "cat", 1).pending({**RECORD, "num_variants": 1}, False) == ()


@pytest.mark.parametrize("is_overwriting", [False, True])
def test_a_killed_run_is_done_again(files, monkeypatch, is_overwriting):
    def interrupt(path, *content, **options):
        if path == files.results[1]:
            raise KeyboardInterrupt
        write_result(path, *content, **options)

    if is_overwriting:
        write(files)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(result_files, "write_result", interrupt)
        write(files)
    assert files.marker.exists()
    assert files.pending(RECORD, overwrite=False) == (0, 1, 2)
    write(files)
    assert not files.marker.exists()


def test_somebody_elses_files_are_not_replaced(files):
    write_png(files.results[1], torch.zeros(4, 4, 3))
    with pytest.raises(InputError, match="this command did not write"):
        files.pending(RECORD, overwrite=False)
    files.results[1].unlink()
    write_png(files.sheet, torch.zeros(4, 4, 3))
    with pytest.raises(InputError, match="this command did not write"):
        files.pending(RECORD, overwrite=False)


def test_a_sheet_that_lost_its_text_still_counts(files):
    write(files)
    Image.open(files.sheet).convert("RGB").save(files.sheet)
    assert files.pending(RECORD, overwrite=False) == ()


@pytest.mark.parametrize("text", ["{", "[]", "7"])
def test_a_damaged_record_is_none(files, text):
    from PIL.PngImagePlugin import PngInfo

    info = PngInfo()
    info.add_text("diverse-inpainting", text)
    Image.new("RGB", (4, 4)).save(files.sheet, pnginfo=info)
    with pytest.raises(InputError, match="this command did not write"):
        files.pending(RECORD, overwrite=False)


def test_the_sheet_holds_all_cells_and_the_record(tmp_path):
    files = ResultFiles(tmp_path, "cat", 8)
    write(files, variants=(), side=64)
    with Image.open(files.sheet) as sheet:
        assert json.loads(sheet.info["diverse-inpainting"]) == RECORD
        areas = {colour: count for count, colour in sheet.getcolors(1 << 20)}
    results = [(value,) * 3 for value in range(10, 18)]
    cells = [(0, 0, 255), (64, 64, 191), *results]  # original, half erased, results
    assert [areas.get(colour) for colour in cells] == [128 * 128] * 10
    assert [path for path in files.folder.iterdir() if path.is_file()] == [files.sheet]


def test_the_sheet_shows_a_small_hole_enlarged(tmp_path):
    files = ResultFiles(tmp_path, "cat", 1)
    whole = completed(files, torch.zeros(1, 1000, 1000, 3))
    hole = torch.zeros(1000, 1000)
    hole[500:530, 300:330] = 1
    result = torch.where(hole[..., None] == 1, 1.0, whole.image)
    files.write(dataclasses.replace(whole, hole_mask=hole, results=[result]), RECORD, ())
    with Image.open(files.sheet) as sheet:
        colours = {colour: count for count, colour in sheet.getcolors(1 << 20)}
    assert colours[255, 255, 255] > 100**2  # a quarter of its cell
    assert colours[128, 128, 128] > 100**2


def test_each_result_holds_the_record_and_its_number(files):
    made_by = {"version": "1", "title": "cats"}
    write(files, {**RECORD, "made_by": made_by})
    for k, path in enumerate(files.results):
        assert read_record(path) == {**RECORD, "made_by": {**made_by, "variant": k}}
    assert files.pending({**RECORD, "made_by": {"version": "2"}}, overwrite=False) == ()


def test_a_sheet_does_not_vouch_for_results_of_another_format(files, tmp_path):
    write(files, {**RECORD, "seed": 9})
    write(ResultFiles(tmp_path, "cat", 3, ".jpg"))
    assert ResultFiles(tmp_path, "cat", 3, ".jpg").pending(RECORD, overwrite=False) == ()
    with pytest.raises(StaleResultsError, match="seed 9 instead of 3"):
        files.pending(RECORD, overwrite=False)


def test_results_may_have_another_ending(tmp_path):
    files = ResultFiles(tmp_path, "cat", 2, ".JPG")
    write(files)
    assert [path.name for path in files.results] == ["cat-0.JPG", "cat-1.JPG"]
    assert files.sheet.name == "cat-sheet.png"
    assert files.pending(RECORD, overwrite=False) == ()
    assert read_record(files.results[1]) == {**RECORD, "made_by": {"variant": 1}}
    with Image.open(files.results[0]) as result:
        assert result.format == "JPEG"
    assert ResultFiles(tmp_path, "cat", 2).pending(RECORD, overwrite=False) == (0, 1)


@pytest.mark.parametrize("failing", [0, 1, 3])
def test_a_failed_write_leaves_no_marker_where_nothing_was_written(files, monkeypatch, failing):
    def failing_at(write):
        def fail(path, *content, **options):
            if path == (*files.results, files.sheet)[failing]:
                raise InputError("room", "none", "Make room.")
            write(path, *content, **options)

        return fail

    with monkeypatch.context() as patch, pytest.raises(InputError):
        patch.setattr(result_files, "write_png", failing_at(write_png))
        patch.setattr(result_files, "write_result", failing_at(write_result))
        write(files)
    assert files.marker.exists() == (failing > 0)
    assert [path.exists() for path in files.results] == [k < failing for k in range(3)]


def test_whole_results_stay_whole_when_their_replacement_fails_at_once(files, monkeypatch):
    write(files)

    def fail(path, *content, **options):
        raise InputError("room", "none", "Make room.")

    with monkeypatch.context() as patch, pytest.raises(InputError):
        patch.setattr(result_files, "write_result", fail)
        write(files, {**RECORD, "seed": 9})
    assert files.pending(RECORD, overwrite=False) == ()


def test_an_image_has_one_writer_at_a_time(files, tmp_path):
    with files.claimed():
        with pytest.raises(LockedError), files.claimed():
            pass
        with ResultFiles(tmp_path, "dog", 3).claimed():
            pass
        write(files)
    with files.claimed():
        assert files.pending(RECORD, overwrite=False) == ()
    assert not list(files.folder.glob(".*"))


def test_each_result_is_written_before_the_next_is_computed(files):
    def results():
        for k in range(3):
            assert [path.exists() for path in files.results] == [j < k for j in range(3)]
            yield torch.full((4, 4, 3), 0.5)

    whole = completed(files, torch.zeros(3, 4, 4, 3))
    files.write(dataclasses.replace(whole, results=results()), RECORD)
    assert files.sheet.exists()


@pytest.mark.parametrize(
    ("feather_px", "blend", "changed"),
    [
        (0, None, "blend paste instead of seamless"),
        (0, "paste", ""),
        (2, None, ""),
        (2, "feather", ""),
        (2, "seamless", "blend feather instead of seamless"),
    ],
)
def test_results_of_version_0_2_were_pasted_or_feathered(files, feather_px, blend, changed):
    """That version had no setting for it."""
    old = {**RECORD, "feather_px": feather_px}
    write(files, old)
    now = {**old, "blend": blend, "made_by": {}}
    if changed:
        with pytest.raises(StaleResultsError, match=changed):
            files.pending(now, overwrite=False)
    else:
        assert files.pending(now, overwrite=False) == ()


def test_a_default_is_no_other_setting(files):
    write(files, {**RECORD, "blend": None})
    assert files.pending({**RECORD, "blend": "seamless"}, overwrite=False) == ()


def test_the_marker_of_a_long_name_fits_into_the_file_system(tmp_path):
    both = [ResultFiles(tmp_path, "\u732b" * 80 + end, 1) for end in "ab"]
    for files in both:
        files.marker.touch()
    assert len({files.marker for files in both}) == 2
    with both[0].claimed(), both[1].claimed():
        pass
