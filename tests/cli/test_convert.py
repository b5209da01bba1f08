"""The command `convert`."""

import json

import pytest
import torch
from safetensors.torch import load_file

import foreign_files
import hostile_pickles
from diverse_inpainting.cli import convert as command


@pytest.fixture
def foreign(tmp_path):
    path = tmp_path / "network.pkl"
    foreign_files.write_nvidia(path, foreign_files.read_golden("nvidia_32"))
    return path


def test_reports_what_was_kept_and_left_out(run, foreign):
    answer = run("convert", foreign, "out.safetensors", "--title", "noise")
    assert answer.code == 0, answer.err
    lines = answer.out.splitlines()
    assert lines[0] == f"{foreign}: StyleGAN2 in the format of NVIDIA, PyTorch"
    assert "32 px, z 8, w 8, 2 mapping layers, 0 classes, limit 256 on features" in lines[1]
    assert [line.split()[:2] for line in lines[2:4]] == [
        ["kept", "generator"],
        ["kept", "discriminator"],
    ]
    assert "--license" in lines[-2] and lines[-1] == "wrote out.safetensors"
    card = run("info", "out.safetensors").out
    assert "noise" in card and "NVIDIA, PyTorch" in card


def test_json(run, foreign):
    answer = run("convert", foreign, "out.safetensors", "--json", "--license", "CC0")
    report = json.loads(answer.out)
    assert report["format"] == "NVIDIA, PyTorch" and report["license"] == "CC0"
    assert report["config"]["generator"]["conv_clamp"] == 256
    assert {*report["kept"]} == {"generator", "discriminator"}
    assert report["left_out"] == [] and report["notes"] == []
    card = json.loads(run("info", "out.safetensors", "--json").out)
    assert card["generator_id"] == report["generator_id"]


def test_the_order_of_colours(run, foreign):
    for name, options in {"rgb": (), "bgr": ("--channels", "bgr")}.items():
        assert run("convert", foreign, f"{name}.safetensors", *options).code == 0
    key = "generator.synthesis.blocks.0.to_rgb.weight"
    rgb, bgr = (load_file(f"{name}.safetensors")[key] for name in ("rgb", "bgr"))
    assert torch.equal(rgb.flip(0), bgr) and not torch.equal(rgb, bgr)
    assert "rgb" in run("convert", foreign, "x.safetensors", "--channels", "grb").err


def test_a_hostile_file_is_one_sentence_and_leaves_nothing(run, tmp_path):
    canary, hostile = tmp_path / "canary", tmp_path / "hostile.pkl"
    hostile.write_bytes(hostile_pickles.ATTACKS["nested pickle"](canary)[0])
    answer = run("convert", hostile, "out.safetensors")
    assert answer.code == 2 and "'posix.system'" in answer.err
    assert [path.name for path in tmp_path.iterdir()] == ["hostile.pkl"]


def test_the_place_is_checked_before_the_file_is_read(run, tmp_path):
    answer = run("convert", tmp_path / "absent.pkl", "out.pt")
    assert answer.code == 2 and ".safetensors" in answer.err and "absent" not in answer.err


def test_an_existing_file_is_replaced_only_on_demand(run, foreign, tmp_path):
    (tmp_path / "out.safetensors").write_bytes(b"precious")
    answer = run("convert", foreign, "out.safetensors")
    assert answer.code == 2 and "--overwrite" in answer.err
    assert (tmp_path / "out.safetensors").read_bytes() == b"precious"
    assert run("convert", foreign, "out.safetensors", "--overwrite").code == 0


def test_progress_is_shown_for_large_files(run, foreign, monkeypatch):
    assert "reading" not in run("convert", foreign, "out.safetensors").err
    monkeypatch.setattr(command, "_SHOWN_FROM", 0)
    assert "reading network.pkl" in run("convert", foreign, "other.safetensors").err
