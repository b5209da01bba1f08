"""`info`: what a model says about itself."""

import json

import pytest

from answers import refused


def test_info_for_people_and_for_programs(run, tiny_checkpoint):
    text = run("info", tiny_checkpoint).out
    for fact in ("nothing, 32x32", "CC0", "skip_encoder", "3,000", "reference", "0.25 (ok)"):
        assert fact in text
    card = json.loads(run("info", tiny_checkpoint, "--json").out)
    assert card["backends"]["reference"] == "available"
    assert card["training"]["alarms"]["stage1"]["rho"] == 0.25 and card["generator_id"] in text


@pytest.mark.parametrize("name", ["dogs", "absent.safetensors", "foreign.safetensors"])
def test_info_on_no_model_is_one_sentence(run, tmp_path, name):
    (tmp_path / "foreign.safetensors").write_bytes(b"\x08\0\0\0\0\0\0\0{}      ")
    assert refused(run("info", name))


def test_info_measures_whether_both_inputs_are_used(run, tiny_checkpoint):
    assert "diagnostics now" in run("info", tiny_checkpoint, "--measure").out
    measured = json.loads(run("info", tiny_checkpoint, "--measure", "--json").out)["measured"]
    assert 0 < measured["rho"] < 5 and 0 < measured["swap_ratio"] < 5
