"""The sheet of near fills shows the training picture that was found."""

import torch
from PIL import Image

from diverse_inpainting.evaluation import neighbour_sheets
from diverse_inpainting.evaluation.evaluate import Evaluation
from diverse_inpainting.evaluation.types import PictureValues
from evaluation_samples import evaluated, noise


def test_the_nearest_fills_come_first_beside_their_training_pictures(tmp_path, monkeypatch):
    """Of three fills, number 1 is a mirrored training picture, and number 2 has too thin a hole."""
    originals, training = noise(3, 3, 16, 16), noise(4, 3, 16, 16, seed=1)
    holes = torch.ones(3, 1, 16, 16, dtype=torch.bool)
    results = noise(3, 1, 3, 16, 16, seed=2)
    results[1, 0] = training[3].flip(2)
    made = evaluated(originals, holes, results)
    values = torch.tensor([0.9, 0.0, torch.nan], dtype=torch.float64)
    found = Evaluation(
        pairs=None,
        methods={"m": made, "original": made},
        pictures={
            method: {"neighbour_ratio": PictureValues.of(values)} for method in ("m", "original")
        },
        buckets={},
        facts={},
        training=training,
    )
    drawn = []

    def draw(rows, labels, *, title, row_titles):
        drawn.extend(rows)
        assert list(row_titles) == [
            "picture1: neighbour_ratio 0.00",
            "picture0: neighbour_ratio 0.90",
        ]
        return Image.new("RGB", (4, 4))

    monkeypatch.setattr(neighbour_sheets, "contact_sheet", draw)
    neighbour_sheets.write_neighbour_sheets(found, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["m-near-training.png"]
    original, result, nearest = drawn[0]
    assert torch.equal(original, originals[1].movedim(0, -1))
    assert torch.equal(result, nearest)
