"""Edits as text, and a rehearsal that finds what no picture could be completed with."""

import dataclasses
import inspect
import json

import pytest
import torch

from diverse_inpainting.cli.batch import Settings, rehearse
from diverse_inpainting.cli.inpaint import parse_edit
from diverse_inpainting.core.directions import Direction, write_direction
from diverse_inpainting.core.errors import InputError
from diverse_inpainting.core.inpainter import Edit, Inpainter


@pytest.fixture(scope="module")
def model(tiny_checkpoint):
    return Inpainter.load(tiny_checkpoint, device="cpu")


def test_settings_are_the_arguments_of_inpaint_with_its_defaults():
    parameters = dict(inspect.signature(Inpainter.inpaint).parameters)
    for name in ("self", "image", "hole_mask"):
        del parameters[name]
    assert Settings().arguments() == {name: p.default for name, p in parameters.items()}


def test_settings_as_plain_data():
    settings = Settings(seed=4, edits=(Edit("a", 1.5), Edit("b", -1.0)))
    data = json.loads(json.dumps(settings.to_dict()))
    assert data["seed"] == 4 and data["edits"] == [["a", 1.5], ["b", -1.0]]
    assert set(data) == set(Settings().arguments())


def test_files_of_one_name_are_told_apart(tmp_path):
    """Results of another direction of the same name are not taken for those of this one."""
    path = tmp_path / "d.safetensors"
    recorded = []
    for last in (1, 2, 2):
        vector = torch.ones(4)
        write_direction(
            path,
            Direction(
                name="warm", vector=vector, generator_id="ab" * 32, first_layer=0, last_layer=last
            ),
        )
        settings = Settings(edits=(parse_edit(f"{path}=1.5"),))
        recorded.append(settings.to_dict()["edits"])
    assert recorded[0] != recorded[1] == recorded[2]
    assert recorded[0][0][0].startswith("warm (") and recorded[0][0][1] == 1.5


@pytest.mark.parametrize(
    ("text", "edit"),
    [
        ("colour=1.5", Edit("colour", 1.5)),
        ("sefa:3=-2", Edit("sefa:3", -2.0)),
        (" a=b = 1e-1", Edit("a=b", 0.1)),
    ],
)
def test_edits_are_parsed(text, edit):
    assert parse_edit(text) == edit


@pytest.mark.parametrize("text", ["", "colour", "colour=", "=1", "colour=much", "a=nan", "a=inf"])
def test_what_is_no_edit_is_refused(text):
    with pytest.raises(InputError, match="NAME=STRENGTH"):
        parse_edit(text)


def test_good_settings_pass(model):
    edits = (Edit("sefa:0", 1.0),)
    rehearse(model, Settings())
    rehearse(
        model,
        Settings(
            num_variants=2,
            seed=2**64 - 1,
            edits=edits,
            truncation_psi=0.5,
            gate_bias=2.0,
            crop_mode="hole",
            margin=0.0,
            feather_px=3,
            skip_source="none",
        ),
    )


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"num_variants": 0}, "num_variants"),
        ({"seed": -1}, "seed"),
        ({"seed": 2**64}, "seed"),
        ({"edits": (Edit("smile", 1.0),)}, "'smile'"),
        ({"truncation_psi": float("nan")}, "truncation_psi"),
        ({"gate_bias": float("inf")}, "gate_bias"),
        ({"crop_mode": "hat"}, "crop"),
        ({"crop_mode": "hole", "margin": -1.0}, "margin"),
        ({"feather_px": 100_000}, "feather"),
        ({"skip_source": "maybe"}, "skip_source"),
    ],
)
def test_each_bad_setting_is_found_before_the_first_picture(model, change, words):
    with pytest.raises(InputError, match=words):
        rehearse(model, dataclasses.replace(Settings(), **change))
