"""What a model can do, in words."""

import pytest

from diverse_inpainting.core.abilities import describe_abilities, lacking, way_to_complete

PARTS = ("generator", "discriminator", "encoder", "mixer", "skip_encoder", "familiarity")


def test_a_whole_model():
    line = describe_abilities("cats", 128, PARTS, ["warmth", "age"])
    assert line == (
        "cats: 128 px; completes with codes from its encoder, as in the paper; refines; "
        "directions age, warmth"
    )
    assert lacking(PARTS) == ()


def test_a_generator_alone():
    line = describe_abilities("", 64, ["generator"], [])
    assert line == (
        "untitled: 64 px; completes by fitting random codes to each image (no encoder); "
        "does not refine; no named directions, but SeFa and GANSpace find some"
    )
    assert [phrase.split()[0] for phrase in lacking(["generator"])] == [
        *("encode", "refine", "warn", "be")
    ]


@pytest.mark.parametrize("parts", [("discriminator",), ("generator", "encoder"), ("mixer",)])
def test_a_part_is_missing(parts):
    assert way_to_complete(parts).startswith("nothing")


def test_many_directions_are_counted():
    line = describe_abilities("", 64, PARTS, [f"d{k}" for k in range(10)])
    assert line.endswith("d6, d7 and 2 more")
