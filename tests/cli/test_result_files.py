"""What is written for a picture, what is kept, and what an interrupted run leaves."""

import json

import pytest
import torch
from PIL import Image

from diverse_inpainting.cli.result_files import (
    Pending,
    ResultFiles,
    find_pending,
    unfinished,
    write_sheet,
)
from diverse_inpainting.core.contact_sheet import show_erased, thumbnail
from diverse_inpainting.core.errors import InputError
from diverse_inpainting.core.files import prepare_folder
from diverse_inpainting.core.image_files import write_png

RECORD = {"seed": 3, "num_variants": 3, "edits": [["sefa:0", 1.5]], "mask": None}


@pytest.fixture
def files(tmp_path):
    return ResultFiles(tmp_path, "cat", 3)


def write(files, record=RECORD, variants=(0, 1, 2)):
    for k in variants:
        write_png(files.results[k], torch.full((4, 4, 3), k / 10))
    write_sheet(files, [torch.zeros(4, 4, 3)] * 5, record)


def test_names(files, tmp_path):
    assert [path.name for path in files.results] == ["cat-0.png", "cat-1.png", "cat-2.png"]
    assert files.sheet == tmp_path / "cat-sheet.png"
    assert files.marker.name == ".cat.unfinished"


def test_all_are_pending_in_an_empty_folder(files):
    assert find_pending(files, RECORD, overwrite=False) == Pending((0, 1, 2))


def test_whole_results_are_skipped_unless_overwriting(files):
    write(files)
    assert find_pending(files, RECORD, overwrite=False) == Pending(())
    assert find_pending(files, RECORD, overwrite=True) == Pending((0, 1, 2))


def test_a_deleted_result_is_made_again_and_the_others_are_kept(files):
    write(files, variants=(0, 2))
    assert find_pending(files, RECORD, overwrite=False) == Pending((1,))


def test_results_of_other_settings_are_kept_with_a_warning(files):
    write(files, {**RECORD, "seed": 9}, variants=(0,))
    pending = find_pending(files, RECORD, overwrite=False)
    assert pending.variants == ()
    assert pending.warning.endswith("other settings: seed 9 instead of 3")


def test_an_interrupted_run_is_done_again(files):
    with pytest.raises(KeyboardInterrupt), unfinished(files):
        write_png(files.results[0], torch.zeros(4, 4, 3))
        raise KeyboardInterrupt
    assert find_pending(files, RECORD, overwrite=False) == Pending((0, 1, 2))


def test_a_run_killed_while_overwriting_is_done_again(files):
    write(files)
    with pytest.raises(KeyboardInterrupt), unfinished(files):
        raise KeyboardInterrupt
    assert find_pending(files, RECORD, overwrite=False) == Pending((0, 1, 2))


def test_the_marker_is_gone_after_a_run(files):
    with unfinished(files):
        assert files.marker.exists()
    assert not files.marker.exists()


def test_somebody_elses_files_are_not_replaced(files):
    write_png(files.results[1], torch.zeros(4, 4, 3))
    with pytest.raises(InputError, match="no run of this command"):
        find_pending(files, RECORD, overwrite=False)
    files.results[1].unlink()
    write_png(files.sheet, torch.zeros(4, 4, 3))
    with pytest.raises(InputError, match="no run of this command"):
        find_pending(files, RECORD, overwrite=False)


def test_a_sheet_that_lost_its_text_still_counts(files):
    write(files)
    Image.open(files.sheet).convert("RGB").save(files.sheet)
    assert find_pending(files, RECORD, overwrite=False) == Pending(())


@pytest.mark.parametrize("text", ["{", "[]", "7"])
def test_a_damaged_record_is_none(files, text):
    from PIL.PngImagePlugin import PngInfo

    info = PngInfo()
    info.add_text("diverse-inpainting", text)
    Image.new("RGB", (4, 4)).save(files.sheet, pnginfo=info)
    with pytest.raises(InputError, match="no run of this command"):
        find_pending(files, RECORD, overwrite=False)


def test_the_sheet_holds_all_cells_and_the_record(files):
    colours = [(10 + 20 * k, 0, 200) for k in range(10)]
    cells = [torch.tensor(c, dtype=torch.uint8).expand(64, 64, 3) for c in colours]
    write_sheet(files, cells, RECORD)
    with Image.open(files.sheet) as sheet:
        assert json.loads(sheet.info["diverse-inpainting"]) == RECORD
        areas = {colour: count for count, colour in sheet.getcolors(1 << 20)}
    assert [areas.get(colour) for colour in colours] == [128 * 128] * 10
    assert list(files.folder.iterdir()) == [files.sheet]


def test_thumbnails_are_small_and_keep_small_pictures_as_they_are():
    picture = torch.rand(300, 600, 3, generator=torch.Generator().manual_seed(0))
    assert thumbnail(picture).shape == (128, 256, 3)
    small = (picture[:9, :7] * 255).round().to(torch.uint8)
    assert torch.equal(thumbnail(small), small)


def test_erased_shows_grey_in_the_hole_only():
    image, hole = torch.zeros(2, 2, 3), torch.tensor([[1.0, 0.0], [0.0, 0.5]])
    assert show_erased(image, hole)[:, :, 0].tolist() == [[0.5, 0.0], [0.0, 0.25]]


def test_a_folder_is_made_and_one_that_cannot_be_is_refused(tmp_path):
    prepare_folder(tmp_path / "a" / "b")
    assert list((tmp_path / "a" / "b").iterdir()) == []
    (tmp_path / "file").touch()
    for out in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(InputError, match="Cannot write to the folder"):
            prepare_folder(out)
