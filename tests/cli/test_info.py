"""`info`: the facts about a model, for programs and for people."""

import dataclasses
import json
import math

import pytest
import torch

from answers import refused
from diverse_inpainting.cli.info import describe_card, model_card
from diverse_inpainting.core.checkpoint import read_checkpoint, write_checkpoint
from diverse_inpainting.core.errors import CheckpointError
from diverse_inpainting.training.diagnostics import Limit
from tiny_model import RESOLUTION, TRAINING

LIMITS = {"rho": Limit(0.15, math.inf, "under 0.15 it is ignored")}


def test_the_card_agrees_with_the_networks(tiny_checkpoint):
    card = model_card(tiny_checkpoint)
    checkpoint = read_checkpoint(tiny_checkpoint)
    counts = {
        part: sum(p.numel() for p in network.parameters())
        for part, network in checkpoint.model().parts.items()
    }
    assert card["parts"] == counts and card["parameters"] == sum(counts.values())
    assert card["resolution"] == RESOLUTION and card["style_layers"] == 8
    assert card["generator_id"] == checkpoint.generator_id
    assert card["bytes"] == tiny_checkpoint.stat().st_size
    assert card["training"] == TRAINING
    assert json.loads(json.dumps(card)) == card


@pytest.mark.parametrize(
    ("parts", "way"),
    [
        (("generator", "encoder", "mixer"), "with codes from its encoder"),
        (("generator",), "by fitting random codes"),
        (("generator", "encoder"), "nothing: a part is missing"),
        (("discriminator",), "nothing: a part is missing"),
    ],
)
def test_the_card_says_how_images_are_completed(tiny_checkpoint, tmp_path, parts, way):
    path = tmp_path / "parts.safetensors"
    write_checkpoint(path, read_checkpoint(tiny_checkpoint, parts))
    card = model_card(path)
    assert card["completes"].startswith(way)
    assert f"  completes          {card['completes']}" in describe_card(card, {}, {})


def test_what_a_generator_alone_cannot_do(run, tiny_checkpoint, tmp_path):
    path = tmp_path / "alone.safetensors"
    write_checkpoint(path, read_checkpoint(tiny_checkpoint, ("generator",)))
    told = run("info", path).out
    assert "  cannot             refine (no skip encoder)\n" in told
    assert "  cannot             be trained further by itself (no discriminator)\n" in told
    assert refused(run("info", path, "--measure"))


def test_half_precision_and_missing_parts_show(tiny_checkpoint, tmp_path):
    path = tmp_path / "half.safetensors"
    checkpoint = read_checkpoint(tiny_checkpoint, ("generator", "encoder"))
    write_checkpoint(path, dataclasses.replace(checkpoint, training={}), dtype=torch.float16)
    card = model_card(path)
    assert "float16" in card["stored_as"] and set(card["parts"]) == {"generator", "encoder"}
    lines = list(describe_card(card, {}, {}))
    assert "images trained on" not in lines and "training" not in lines


def test_people_get_every_fact(tiny_checkpoint):
    card = model_card(tiny_checkpoint)
    card["directions"] = {"colour": "from grey to ginger"}
    lines = describe_card(card, {"reference": "available"}, LIMITS)
    text = "\n".join(lines)
    for fact in ("CC0", "nothing, 32x32", card["generator_id"], "3,000", f"{card['bytes']:,}"):
        assert fact in text
    assert "0.25 (ok)" in text
    assert "from grey to ginger" in text and "available" in text
    assert f"{card['parameters']:,}" in text


@pytest.mark.parametrize("key", ["alarms", "diagnostics"])
@pytest.mark.parametrize(
    ("value", "shown"),
    [(0.15, "0.15 (ok)"), (0.1499, "0.1499 (WARNING: under 0.15 it is ignored)")],
)
def test_values_outside_their_limits_are_marked(tiny_checkpoint, tmp_path, key, value, shown):
    """Checkpoints of version 0.1 call diagnostics alarms."""
    path, training = tmp_path / "model.safetensors", {key: {"stage2": {"rho": value}}}
    write_checkpoint(path, dataclasses.replace(read_checkpoint(tiny_checkpoint), training=training))
    card = model_card(path)
    lines = list(describe_card(card, {}, LIMITS))
    assert lines[lines.index("diagnostics after stage2") + 1].split(maxsplit=1) == ["rho", shown]
    card["measured"] = {"rho": value, "valid_l1_p99": 7.0}
    lines = list(describe_card(card, {}, LIMITS))
    rows = lines[lines.index("diagnostics now") + 1 :][:2]
    assert [row.split(maxsplit=1) for row in rows] == [["rho", shown], ["valid_l1_p99", "7"]]


def test_the_bundled_model_says_what_is_wrong_with_it(run):
    assert "1.022 (WARNING: over 1 " in run("info", "cats").out


def test_a_foreign_file_is_an_error(tmp_path):
    path = tmp_path / "x.safetensors"
    path.write_bytes(b"not a model")
    with pytest.raises(CheckpointError):
        model_card(path)


def test_info_for_people_and_for_programs(run, tiny_checkpoint):
    text = run("info", tiny_checkpoint).out
    for fact in ("nothing, 32x32", "CC0", "skip_encoder", "3,000", "reference", "0.25 (ok)"):
        assert fact in text
    card = json.loads(run("info", tiny_checkpoint, "--json").out)
    assert card["backends"]["reference"] == "available"
    assert card["training"]["diagnostics"]["stage1"]["rho"] == 0.25 and card["generator_id"] in text


@pytest.mark.parametrize("name", ["dogs", "absent.safetensors", "foreign.safetensors"])
def test_info_on_no_model_is_one_sentence(run, tmp_path, name):
    (tmp_path / "foreign.safetensors").write_bytes(b"\x08\0\0\0\0\0\0\0{}      ")
    assert refused(run("info", name))


def test_info_measures_whether_both_inputs_are_used(run, tiny_checkpoint):
    measured = json.loads(run("info", tiny_checkpoint, "--measure", "--json").out)["measured"]
    assert 0 < measured["rho"] < 5 and 0 < measured["swap_ratio"] < 5
