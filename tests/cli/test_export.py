"""The command `export`."""

import json
import sys

import pytest

import foreign_files


@pytest.fixture
def imported(run, tmp_path):
    """A model imported from another program: a generator without encoder."""
    path = tmp_path / "network.pkl"
    foreign_files.write_nvidia(path, foreign_files.read_golden("nvidia_32"))
    assert run("convert", path, "imported.safetensors", "--title", "noise").code == 0
    return tmp_path / "imported.safetensors"


def test_an_imported_generator(run, imported, tmp_path):
    answer = run("export", imported, "--out", "onnx", "--direction", "sefa:1")
    assert answer.code == 0, answer.err
    lines = answer.out.splitlines()
    assert [line.split()[0] for line in lines[:-2]] == ["graph", "map", "synthesize"]
    assert lines[-2].startswith("all files") and lines[-1] == "wrote onnx"
    card = json.loads((tmp_path / "onnx" / "model.json").read_text())
    assert card["title"] == "noise" and [*card["graphs"]] == ["map", "synthesize"]
    directions = json.loads((tmp_path / "onnx" / "directions.json").read_text())
    assert [*directions] == ["sefa:1"]
    again = run("export", imported, "--out", "onnx", "--graph", "map")
    assert again.code == 2 and "--overwrite" in again.err


def test_json(run, imported):
    answer = run(
        "export", imported, "--out", "onnx", "--graph", "map", "--json", "--weights", "float16"
    )
    assert answer.code == 0, answer.err
    card = json.loads(answer.out)
    assert card["weights"] == "float16" and [*card["graphs"]] == ["map"]


@pytest.mark.parametrize("package", ["onnxruntime", "onnxscript"])
def test_the_extra_is_named_where_it_is_missing(run, imported, monkeypatch, package, tmp_path):
    monkeypatch.setitem(sys.modules, package, None)
    answer = run("export", imported, "--out", "onnx")
    assert answer.code == 2
    assert f"{package} is not installed" in answer.err
    assert "pip install 'diverse-inpainting[export]'" in answer.err
    assert not (tmp_path / "onnx").exists()


def test_a_graph_that_the_model_does_not_have(run, imported):
    answer = run("export", imported, "--out", "onnx", "--graph", "refine")
    assert answer.code == 2 and "one of 'map', 'synthesize', got 'refine'" in answer.err
