"""Which files are images, alike in folders and zips, and what is said of the others."""

import zipfile

import pytest

from diverse_inpainting.core.errors import InputError
from diverse_inpainting.core.image_listing import image_files, is_image_name, list_images


@pytest.fixture
def folder(tmp_path):
    """A folder with images, other files, subfolders, hidden ones and links."""
    root, elsewhere = tmp_path / "root", tmp_path / "elsewhere"
    for name in ("b.png", "A.JPG", "c.jfif", "notes.txt", "p.heic", ".hidden.png", "._b.png"):
        _touch(root / name)
    for name in ("x/a.png", "x/y/b.png", ".git/c.png", ".thumbnails/d.png"):
        _touch(root / name)
    _touch(elsewhere / "e.png")
    (root / "linked").symlink_to(elsewhere, target_is_directory=True)
    (root / "x/again").symlink_to(root, target_is_directory=True)
    return root


def _touch(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()


def _names(root, paths):
    return [path.relative_to(root).as_posix() for path in paths]


def test_names_of_images():
    names = ("a.png", "sub/B.JPEG", "c.d.tif", ".hidden.png", "sub/._a.png", "png", "a.txt")
    assert [name for name in names if is_image_name(name)] == ["a.png", "sub/B.JPEG", "c.d.tif"]


def test_a_folder_has_its_own_images_and_names_the_rest(folder):
    listing = list_images(folder, recursive=False)
    assert _names(folder, listing.images) == ["A.JPG", "b.png", "c.jfif"]
    reasons = {path.name: reason for path, reason in listing.left_aside.items()}
    assert reasons == {
        "notes.txt": "not an image",
        "p.heic": ".heic files cannot be read; save it as PNG",
        ".hidden.png": "hidden",
        "._b.png": "hidden",
        ".git": "hidden",
        ".thumbnails": "hidden",
        "x": "a subfolder",
        "linked": "a subfolder",
    }


def test_subfolders_and_links_are_read_once(folder):
    listing = list_images(folder, recursive=True)
    expected = ["A.JPG", "b.png", "c.jfif", "linked/e.png", "x/a.png", "x/y/b.png"]
    assert _names(folder, listing.images) == expected
    assert listing.left_aside[folder / "x/again"] == "a link to a folder that was already read"


def test_folders_and_zips_have_the_same_images(folder, tmp_path):
    path = tmp_path / "images.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name in (
            "b.png",
            "A.JPG",
            "c.jfif",
            "notes.txt",
            "x/a.png",
            "x/y/b.png",
            "linked/e.png",
        ):
            archive.writestr(name, b"data")
        for name in (".git/c.png", "x/.thumbnails/d.png", "__MACOSX/._b.png"):
            archive.writestr(name, b"hidden")
    assert [name for name, _ in image_files(path)] == [name for name, _ in image_files(folder)]
    assert {read() for _, read in image_files(path)} == {b"data"}


@pytest.mark.parametrize(
    "name", ["/outside.png", "../up.png", "a/../../b.png", "..\\up.png", "C:/c.png"]
)
def test_names_that_lead_out_of_a_zip_are_refused(tmp_path, name):
    path = tmp_path / "evil.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.png", b"data")
        archive.writestr(name, b"data")
    with pytest.raises(InputError, match="leads out of it"):
        list(image_files(path))


def test_huge_entries_of_a_zip_are_not_unpacked(tmp_path):
    path = tmp_path / "bomb.zip"
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("a.png", "w") as entry,
    ):
        for _ in range(257):
            entry.write(bytes(2**20))
    ((_, read),) = image_files(path)
    with pytest.raises(InputError, match="257 MiB in a"):
        read()
