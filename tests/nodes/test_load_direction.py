"""DI_LoadDirection: names, files, what changes it, and what is refused."""

import dataclasses
import os

import pytest
import torch


@pytest.fixture
def loader(classes):
    return classes["DI_LoadDirection"]


@pytest.fixture
def errors(part):
    return part("core.errors")


@pytest.fixture
def folder(model_folder):
    folder = model_folder / "directions"
    folder.mkdir()
    return folder


@pytest.fixture
def save(part, model):
    """Write a direction of the model, with changes, and return it."""

    def write(path, **changes):
        found = dataclasses.replace(model.discover("sefa", 1), **changes)
        part("core.directions").write_direction(path, found)
        return found

    return write


@pytest.fixture
def bundled(part, tmp_path, monkeypatch):
    """A folder that stands for the one of bundled directions."""
    folder = tmp_path / "bundled"
    folder.mkdir()
    monkeypatch.setattr(part("core.directions.direction"), "_BUNDLED", folder)
    return folder


def choices(loader):
    return loader.INPUT_TYPES()["required"]["direction_name"][0]


def test_names_of_all_sources_and_the_permanent_one_first(loader, bundled, folder, save):
    save(bundled / "a.safetensors", name="age")
    save(bundled / "b.safetensors", name="brightness", generator_id="f" * 64)
    save(folder / "c.safetensors", name="whatever")
    (folder / "cats").mkdir()
    save(folder / "cats" / "d.safetensors", name="other")
    names = ["brightness (bundled)", "age (bundled)", "c", "cats/d"]
    assert choices(loader) == names
    assert all(loader.VALIDATE_INPUTS(name) is True for name in (None, *names))


def test_a_bundled_one_and_one_of_a_file(loader, bundled, folder, save, classes, model_name):
    age = save(bundled / "a.safetensors", name="age")
    other = save(folder / "c.safetensors", vector=torch.ones_like(age.vector))
    model = classes["DI_LoadModel"]().execute(model_name, "bfloat16")[0]
    of_file = ("c", "directions/c.safetensors", "directions\\c.safetensors")
    for name, wanted in (("age (bundled)", age), *((name, other) for name in of_file)):
        assert loader.VALIDATE_INPUTS(name) is True
        (found,) = loader().execute(model, name)
        assert torch.equal(found.vector, wanted.vector)
        assert found.name == wanted.name


def test_another_model_is_refused(loader, bundled, folder, save, model, errors):
    save(bundled / "b.safetensors", name="age", generator_id="f" * 64)
    save(folder / "c.safetensors", generator_id="f" * 64)
    with pytest.raises(errors.InputError, match=r"\(none\), got 'age \(bundled\)'"):
        loader().execute(model, "age (bundled)")
    with pytest.raises(errors.GeneratorMismatchError, match="for another model"):
        loader().execute(model, "directions/c.safetensors")


@pytest.mark.parametrize("name", ["directions/../a.safetensors", "/etc/passwd", "sefa:0"])
def test_what_is_not_listed_is_refused(loader, folder, model, errors, name):
    assert "Put the file there" in loader.VALIDATE_INPUTS(name)
    with pytest.raises(errors.InputError, match="Choose one of these"):
        loader().execute(model, name)


def test_no_file_can_mend_an_absent_bundled_one(loader, bundled, save, model, errors):
    age = save(bundled / "a.safetensors", name="age")
    model.directions["age"] = age
    message = loader.VALIDATE_INPUTS("joy (bundled)")
    assert "does not come with this version" in message and "Put the file" not in message
    with pytest.raises(errors.InputError, match=r"'age \(bundled\)'\), got 'joy \(bundled\)'"):
        loader().execute(model, "joy (bundled)")


def test_another_file_of_the_same_name_counts_as_a_change(loader, folder, save):
    path = folder / "c.safetensors"
    save(path)
    name = "directions/c.safetensors"
    before = loader.IS_CHANGED(name)
    assert loader.IS_CHANGED(name) == before and "c.safetensors" not in before
    os.utime(path, ns=(0, 0))
    assert loader.IS_CHANGED(name) != before
    assert loader.IS_CHANGED("brightness (bundled)") == "brightness (bundled)"


def test_a_file_that_is_no_direction_is_refused(loader, folder, model, model_name, errors):
    source = folder.parent / model_name
    (folder / "model.safetensors").write_bytes(source.read_bytes())
    with pytest.raises(errors.CheckpointError, match="direction"):
        loader().execute(model, "directions/model.safetensors")
