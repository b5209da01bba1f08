"""DI_BlendW and DI_WalkW, and DI_ExamplePicture: declarations around what core tests."""

import dataclasses

import pytest
import torch


@pytest.fixture
def codes(part):
    return lambda V: part("core.latents").WPlus(torch.randn(1, V, 8, 16), "a" * 64)


def test_a_blend_keeps_to_its_layers(classes, codes):
    a, b = codes(1), codes(3)
    (found,) = classes["DI_BlendW"]().execute(a, b, 0.25, 2, -1)
    assert torch.equal(found.codes[:, :, :2], a.codes[:, :, :2].expand(1, 3, -1, -1))
    torch.testing.assert_close(found.codes[:, :, 2:], a.codes.lerp(b.codes, 0.25)[:, :, 2:])


def test_codes_of_another_generator_are_not_blended(classes, codes, part):
    a, b = codes(1), dataclasses.replace(codes(1), generator_id="b" * 64)
    with pytest.raises(part("core.errors").GeneratorMismatchError, match="same model"):
        classes["DI_BlendW"]().execute(a, b, 0.5, 0, -1)


def test_several_variants_are_blended_by_weights(classes, codes, part):
    a, b = codes(2), codes(3)
    (found,) = classes["DI_BlendW"]().execute(a, b, 1.0, 0, -1, "2, 1 1")
    expected = (2 * b.codes[:, :1] + b.codes[:, 1:2] + b.codes[:, 2:]) / 4
    torch.testing.assert_close(found.codes, expected.expand(1, 2, -1, -1))
    with pytest.raises(part("core.errors").InputError, match="weights as numbers"):
        classes["DI_BlendW"]().execute(a, b, 1.0, 0, -1, "2; one")


def test_a_walk_gives_frames_in_order(classes, codes):
    stops = codes(3)
    (frames,) = classes["DI_WalkW"]().execute(stops, 5, True)
    assert frames.num_variants == 15
    assert torch.equal(frames.codes[:, ::5], stops.codes)
    assert classes["DI_WalkW"]().execute(stops, 5, False)[0].num_variants == 11


def test_each_example_fits_its_mask(classes):
    node = classes["DI_ExamplePicture"]
    inputs = node.INPUT_TYPES()["required"]
    for picture in inputs["picture"][0]:
        for hole in inputs["hole"][0]:
            image, mask = node().execute(picture, hole)
            assert image.shape == (1, 256, 256, 3)
            assert mask.shape == image.shape[:3]
            assert 0 < mask.mean() <= 0.5
