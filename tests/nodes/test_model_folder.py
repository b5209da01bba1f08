"""What is listed of the model folder, and what has a path."""

import pytest


@pytest.fixture
def host(part):
    return part("nodes.host")


@pytest.fixture
def folder(part):
    return part("nodes.model_folder")


def test_directions_are_no_models(folder, host, folder_paths, tmp_path):
    folder_paths.folder_names_and_paths["diverse_inpainting"] = ([str(tmp_path)], set())
    host.register_model_folder()
    (tmp_path / "directions").mkdir()
    for name in ("a.safetensors", "directions/b.safetensors"):
        (tmp_path / name).write_bytes(b"")
    assert folder.model_files() == ["a.safetensors"]
    assert folder.direction_files() == ["directions/b.safetensors"]
    assert folder.file_path("directions/b.safetensors") == tmp_path / "directions/b.safetensors"


def test_files_of_other_programs_are_no_models(folder, host, folder_paths, tmp_path):
    folder_paths.folder_names_and_paths["diverse_inpainting"] = ([str(tmp_path)], {".onnx"})
    host.register_model_folder()
    (tmp_path / "directions").mkdir()
    for name in ("a.safetensors", "a.pt", "directions/b.pt", "c.onnx"):
        (tmp_path / name).write_bytes(b"")
    assert folder.model_files() == ["a.safetensors"] and folder.foreign_files() == ["a.pt"]
    assert folder.file_path("a.pt") is None and folder.foreign_path("a.pt") == tmp_path / "a.pt"
    assert folder.foreign_path("c.onnx") is None and folder.foreign_path("directions/b.pt") is None


def test_names_outside_the_folders_have_no_path(folder, host, folder_paths, tmp_path):
    host.register_model_folder()
    (tmp_path / "models" / "diverse_inpainting").mkdir(parents=True)
    (tmp_path / "secret.safetensors").write_bytes(b"")
    for name in ("../../secret.safetensors", str(tmp_path / "secret.safetensors")):
        assert folder.file_path(name) is None


def test_names_may_have_the_separators_of_another_system(folder, host, folder_paths, tmp_path):
    """A list made on Windows, and workflows made there and elsewhere."""
    host.register_model_folder()
    names = ["cats\\fine.safetensors", "directions\\faces\\w.safetensors"]
    folder_paths.get_filename_list = lambda name: names
    folder_paths.get_full_path = lambda name, filename: str(tmp_path / filename)
    assert folder.model_files() == names[:1] and folder.direction_files() == names[1:]
    for name in ("cats/fine.safetensors", "cats\\fine.safetensors"):
        assert folder.file_path(name) == tmp_path / names[0]
    assert folder.direction_name(names[1]) == "faces/w"
    for name in ("faces/w", "faces\\w", "directions/faces/w.safetensors", names[1]):
        assert folder.direction_path(name) == tmp_path / names[1]
    assert folder.direction_path("w") is None
