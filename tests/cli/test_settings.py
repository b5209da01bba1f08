"""Settings as arguments, as plain data, and as they are checked before a run."""

import dataclasses
import inspect
import json

import pytest

from diverse_inpainting.cli.settings import Settings, describe_run, rehearse
from diverse_inpainting.core.editor import Edit
from diverse_inpainting.core.errors import InputError
from diverse_inpainting.core.inpainter import Inpainter


@pytest.fixture(scope="module")
def model(tiny_checkpoint):
    return Inpainter.load(tiny_checkpoint, device="cpu", precision="float32")


def test_settings_are_the_arguments_of_inpaint_with_its_defaults():
    parameters = dict(inspect.signature(Inpainter.inpaint).parameters)
    for name in ("self", "image", "hole_mask", "alpha", "keep"):
        del parameters[name]
    assert Settings().arguments() == {name: p.default for name, p in parameters.items()}


def test_settings_as_plain_data():
    settings = Settings(seed=4, edits=(Edit("a", 1.5), Edit("b", -1.0)))
    data = json.loads(json.dumps(settings.to_dict()))
    assert data["seed"] == 4 and data["edits"] == [["a", 1.5], ["b", -1.0]]
    assert set(data) == set(Settings().arguments()) - {"on_step", "fit_steps"}
    assert Settings(fit_steps=4).to_dict()["fit_steps"] == 4


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
            blend="feather",
        ),
    )


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"seed": -1}, "seed"),
        ({"seed": 2**64}, "seed"),
        ({"edits": (Edit("smile", 1.0),)}, "'smile'"),
        ({"truncation_psi": float("nan")}, "truncation_psi"),
        ({"gate_bias": float("inf")}, "gate_bias"),
        ({"crop_mode": "hat"}, "crop"),
        ({"crop_mode": "hole", "margin": -1.0}, "margin"),
        ({"feather_px": 100_000}, "feather"),
        ({"skip_source": "maybe"}, "skip_source"),
        ({"blend": "poisson"}, "blend"),
    ],
)
def test_each_bad_setting_is_found_before_the_first_image(model, change, words):
    with pytest.raises(InputError, match=words):
        rehearse(model, dataclasses.replace(Settings(), **change))


def test_a_record_names_directions_as_the_model_does(model, monkeypatch):
    white_chin = dataclasses.replace(model.direction("sefa:0"), name="white chin")
    monkeypatch.setattr(model, "directions", {"white chin": white_chin})
    for name in ("white chin", "White-Chin"):
        edits = (Edit(name, 1.0), Edit("SEFA:1", 2.0), Edit(white_chin, 3.0))
        recorded = describe_run(model, Settings(edits=edits), "m")["edits"]
        assert recorded[:2] == [["white chin", 1.0], ["sefa:1", 2.0]]
        assert recorded[2][0].startswith("white chin (")


@pytest.mark.parametrize("number", [0, -1, 10_001, 10**12])
def test_numbers_of_variants_that_nobody_can_hold_are_refused(number):
    with pytest.raises(InputError, match="num_variants to be a whole number from 1 to 10000"):
        Settings(num_variants=number)
