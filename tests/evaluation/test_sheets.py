"""Which images the contact sheets show."""

import dataclasses

import torch
from PIL import Image

from diverse_inpainting.evaluation import sheets
from diverse_inpainting.evaluation.images import Images
from diverse_inpainting.evaluation.plan import Evaluation
from diverse_inpainting.evaluation.types import ImageValues
from evaluation_samples import method, noise, output


def test_images_with_equal_values_are_sorted_by_the_seam():
    values = torch.tensor([0.5, 0.0, 0.5, torch.nan])
    ranked = sheets._ranked(values, ties=torch.tensor([3.0, 9.0, 1.0, 0.0]))
    assert ranked["best"].tolist() == [1, 2, 0]
    assert ranked["worst"].tolist() == [0, 2, 1]


def test_a_seam_of_one_is_best_and_a_blur_is_not(tmp_path, monkeypatch):
    """A fill that is smoother across the edge than the photograph has a seam far below 1."""
    made = method(
        output(
            noise(3, 3, 16, 16), torch.ones(3, 1, 16, 16, dtype=torch.bool), noise(3, 1, 3, 16, 16)
        )
    )
    seams = ImageValues.of(torch.tensor([0.1, 1.1, 1.5], dtype=torch.float64))
    found = Evaluation(methods={"m": made}, per_image={"m": {"seam": seams}}, buckets={}, facts={})
    shown = {}

    def draw(rows, labels, *, title, row_titles):
        shown[title] = [text.partition(":")[0] for text in row_titles]
        return Image.new("RGB", (4, 4))

    monkeypatch.setattr(sheets, "contact_sheet", draw)
    sheets.write_sheets(found, tmp_path)
    assert shown["m: best by seam"] == ["image1", "image2", "image0"]
    assert shown["m: worst by seam"] == ["image0", "image2", "image1"]


def test_the_nearest_fills_come_first_beside_their_training_images(tmp_path, monkeypatch):
    """Of three fills, number 1 is a mirrored training image, and number 2 has too thin a hole."""
    originals, training = noise(3, 3, 16, 16), noise(4, 3, 16, 16, seed=1)
    holes = torch.ones(3, 1, 16, 16, dtype=torch.bool)
    results = noise(3, 1, 3, 16, 16, seed=2)
    results[1, 0] = training[3].flip(2)
    made = method(output(originals, holes, results))
    values = torch.tensor([0.9, 0.0, torch.nan], dtype=torch.float64)
    found = Evaluation(
        methods={"m": made, "original": made},
        per_image={
            method: {"neighbour_ratio": ImageValues.of(values)} for method in ("m", "original")
        },
        buckets={},
        facts={},
        training=Images.of(training),
    )
    drawn = []

    def draw(rows, labels, *, title, row_titles):
        drawn.extend(rows)
        assert list(row_titles) == [
            "image1: neighbour_ratio 0.00",
            "image0: neighbour_ratio 0.90",
        ]
        return Image.new("RGB", (4, 4))

    monkeypatch.setattr(sheets, "contact_sheet", draw)
    sheets.write_sheets(found, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["m-near-training.png"]
    original, result, nearest = drawn[0]
    assert torch.equal(original, originals[1].movedim(0, -1))
    assert torch.equal(result, nearest)


def test_named_images_side_by_side(tmp_path, monkeypatch):
    """One row an image, one column a method under test; each method's first result."""
    originals, holes = noise(3, 3, 16, 16), torch.ones(3, 1, 16, 16, dtype=torch.bool)
    made = {
        name: dataclasses.replace(
            method(output(originals, holes, noise(3, 2, 3, 16, 16, seed=k))), method=name
        )
        for k, name in enumerate(["ours", "MAT", "mean-colour"])
    }
    found = Evaluation(methods=made, per_image={}, buckets={}, facts={}, shown=("image2", "image0"))
    drawn = {}

    def draw(rows, labels, **texts):
        drawn.update(texts, rows=rows, labels=labels)
        return Image.new("RGB", (4, 4))

    monkeypatch.setattr(sheets, "contact_sheet", draw)
    sheets.write_sheets(found, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["side-by-side.png"]
    assert drawn["labels"] == [["original", "erased", "ours", "MAT"]] * 2
    assert drawn["row_titles"] == ("image2", "image0")
    assert torch.equal(drawn["rows"][0][0], originals[2].movedim(0, -1))
    first = noise(3, 2, 3, 16, 16, seed=1)[2, 0]
    assert torch.equal(drawn["rows"][0][3], first.movedim(0, -1))
