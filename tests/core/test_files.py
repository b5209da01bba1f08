"""Files that are written whole or not at all."""

import pytest

from diverse_inpainting.core import files
from diverse_inpainting.core.errors import InputError


def test_a_disk_that_refuses_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "plan.json"
    files.write_text(path, "old")

    def refuse(draft, path):
        raise OSError("no room")

    monkeypatch.setattr(files, "publish", refuse)
    with pytest.raises(OSError, match="no room"):
        files.write_text(path, "new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_writer_that_fails_leaves_the_old_file(tmp_path):
    path = tmp_path / "plan.json"
    files.write_text(path, "old")

    def fail(file):
        file.write(b"half")
        raise ValueError("no JSON")

    with pytest.raises(ValueError, match="no JSON"):
        files.atomic_write(path, fail)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_drafts_of_killed_writers_are_found(tmp_path):
    draft = files.draft_of(tmp_path / "plan.json")
    draft.write_text("half")
    (tmp_path / "plan.json").write_text("whole")
    (tmp_path / ".hidden").write_text("not ours")
    assert files.find_drafts(tmp_path) == [draft]


def test_a_folder_that_cannot_be_made_is_refused(tmp_path):
    (tmp_path / "file").write_text("in the way")
    for out in (tmp_path / "file", tmp_path / "file" / "out"):
        with pytest.raises(InputError, match=r"^Cannot write to .*: .* Choose another"):
            files.prepare_folder(out)
    files.prepare_folder(tmp_path / "new" / "out")
    assert list((tmp_path / "new" / "out").iterdir()) == []


def test_a_name_of_the_greatest_length_is_written(tmp_path):
    for name in ("x" * 255, "\u732b" * 85):
        files.atomic_write(tmp_path / name, lambda file: file.write(b"1"))
    assert len(list(tmp_path.iterdir())) == 2
    assert files.find_drafts(tmp_path) == []


@pytest.mark.parametrize(
    ("name", "portable"),
    [
        ("cat 1.2", "cat 1.2"),
        ("caf\u00e9 \u732b", "caf\u00e9 \u732b"),
        (".hidden", ".hidden"),
        ("10:30", "10_30"),
        ('<a>"b"|c?d*e\\f/g', "_a__b__c_d_e_f_g"),
        ("two\nlines\x00", "two_lines_"),
        ("ends. .", "ends_"),
        ("..", "_"),
        ("CON", "_CON"),
        ("con.tar", "_con.tar"),
        ("Aux .x", "_Aux .x"),
        ("com1", "_com1"),
        ("LPT\u00b2.a", "_LPT\u00b2.a"),
        ("CONIN$", "_CONIN$"),
        ("nul ", "nul_"),
        ("console", "console"),
        ("com10", "com10"),
        ("a.con", "a.con"),
    ],
)
def test_names_that_every_system_can_write(name, portable):
    assert files.portable_name(name) == portable
    assert files.portable_name(portable) == portable
