"""DI_PickVariant: what is chosen, in which order, and what is refused."""

import dataclasses

import pytest
import torch


@pytest.fixture
def errors(part):
    return part("core.errors")


@pytest.fixture
def batch(model):
    """Codes of 2 images with 5 variants each, and images whose first pixel counts from 0."""
    codes = model.sample_w(7, 5)
    codes = dataclasses.replace(
        codes,
        codes=torch.cat([codes.codes, codes.codes + 1]),
        labels=tuple(f"{b}/{v}" for b in "ab" for v in range(5)),
    )
    images = torch.arange(10.0)[:, None, None, None].expand(10, 4, 6, 3) / 16
    return codes, images


def run(classes, codes, images, text):
    return classes["DI_PickVariant"]().execute(codes, images, text)["result"]


def numbers(images):
    return (images[:, 0, 0, 0] * 16).tolist()


@pytest.mark.parametrize(
    ("text", "variants", "indices"),
    [
        ("0,2-4", [0, 2, 3, 4], "0,2-4"),
        ("4, 1", [4, 1], "4,1"),
        (" 2 - 3 ,2", [2, 3], "2,3"),
        ("", [0, 1, 2, 3, 4], "0-4"),
        ("3;3", [3], "3"),
    ],
)
def test_a_choice_keeps_images_codes_and_labels_together(classes, batch, text, variants, indices):
    codes, images = batch
    kept, shown, told = run(classes, codes, images, text)
    assert torch.equal(kept.codes, codes.codes[:, variants])
    assert numbers(shown) == variants + [5 + v for v in variants]
    assert kept.labels == tuple(f"{b}/{v}" for b in "ab" for v in variants)
    assert told == indices
    again = run(classes, codes, images, told)
    assert torch.equal(again[0].codes, kept.codes), "indices are a pick"


def test_each_image_has_its_own_choice(classes, batch):
    codes, images = batch
    kept, shown, told = run(classes, codes, images, "0,2; 4,1")
    assert torch.equal(kept.codes[0], codes.codes[0, [0, 2]])
    assert torch.equal(kept.codes[1], codes.codes[1, [4, 1]])
    assert numbers(shown) == [0, 2, 9, 6]
    assert kept.labels == ("a/0", "a/2", "b/4", "b/1")
    assert told == "0,2; 4,1"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0,5", r"picks from 0 to 4, got '5'\. Correct the text, or make more variants\."),
        ("2-99999", r"picks from 0 to 4"),
        ("four", r"numbers and ranges in pick, such as 0,2-4, got 'four'"),
        ("-1", "numbers and ranges"),
        ("3-1", "numbers and ranges"),
        ("\u0663", "numbers and ranges"),
        ("0;1;2", "one for each of the 2 images, got 3 choices"),
        ("0,1;2", "the same number of picks for each image, got 1 and 2"),
        ("0;", "the same number of picks for each image, got 1 and 5"),
    ],
)
def test_a_choice_that_cannot_be_met_is_one_sentence(classes, batch, errors, text, message):
    with pytest.raises(errors.InputError, match=message):
        run(classes, *batch, text)


def test_codes_and_images_of_different_batches_are_refused(classes, batch, errors):
    with pytest.raises(errors.InputError, match=r"10 images, one for each of the codes, got 9"):
        run(classes, batch[0], batch[1][:9], "")


def test_one_image_may_have_codes_for_several_squares(classes, batch):
    codes, images = batch
    kept, shown, _ = run(classes, codes, images[:5], "3,0")
    assert torch.equal(kept.codes, codes.codes[:, [3, 0]])
    assert numbers(shown) == [3, 0]


def test_images_with_several_squares_share_a_choice(classes, batch, errors):
    codes = dataclasses.replace(batch[0], codes=batch[0].codes.repeat(2, 1, 1, 1)[:3], labels=())
    kept, shown, told = run(classes, codes, batch[1], "3,0")
    assert torch.equal(kept.codes, codes.codes[:, [3, 0]])
    assert (numbers(shown), told) == ([3, 0, 8, 5], "3,0")
    with pytest.raises(errors.InputError, match="the same picks for all images"):
        run(classes, codes, batch[1], "3;0")


def test_the_grid_has_a_labelled_thumbnail_of_every_variant(classes, batch, part, monkeypatch):
    told = [{"filename": f"{k}.jpg"} for k in range(10)]
    monkeypatch.setattr(part("nodes.host"), "save_previews", lambda images, px: told[: len(images)])
    codes, images = batch
    ui = classes["DI_PickVariant"]().execute(codes, images, "1")["ui"]
    assert ui["num_variants"] == [5]
    assert ui["variants"][6] == {"filename": "6.jpg", "label": "b/1"}
    plain = dataclasses.replace(codes, labels=())
    ui = classes["DI_PickVariant"]().execute(plain, images, "1")["ui"]
    assert [variant["label"] for variant in ui["variants"]] == ["#0", "#1", "#2", "#3", "#4"] * 2
