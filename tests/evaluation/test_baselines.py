"""Fills of known quality, and their order."""

import pytest
import torch

from diverse_inpainting.evaluation.baselines import NAMES, baselines
from diverse_inpainting.evaluation.images import Images
from diverse_inpainting.evaluation.pixel_metrics import fidelity, seam
from diverse_inpainting.evaluation.types import Pairs
from evaluation_samples import noise, pairs, whole


def by_name(given, training=None, seed=0):
    """All images of each baseline."""
    training = None if training is None else Images.of(training)
    return {made.method: whole(made) for made in baselines(given, seed, training)}


def test_names():
    given = pairs()
    with_training = by_name(given, noise(9, 3, 16, 16))
    assert tuple(with_training) == NAMES[:4]
    assert tuple(by_name(given)) == (*NAMES[:3], NAMES[4])


def test_mean_colour_of_the_valid_pixels():
    originals = torch.zeros(1, 3, 2, 2, dtype=torch.uint8).expand(3, 3, 2, 2).clone()
    originals[:, 0] = torch.tensor([[10, 20], [40, 200]])
    holes = torch.tensor([[False, False], [False, True]]).expand(3, 1, 2, 2)
    given = Pairs(("a", "b", "c"), Images.of(originals), Images.of(holes))
    made = by_name(given)["mean-colour"]
    assert made.results[0, 0, 0].tolist() == [[10, 20], [40, 23]]
    assert made.results[0, 0, 1].tolist() == [[0, 0], [0, 0]]
    assert made.raw is None and made.num_variants == 1


@pytest.mark.parametrize("n", [3, 4, 7])
def test_two_other_photos_in_the_hole(n):
    found = by_name(pairs(n))
    given, made = found["original"], found["other-photo"]
    for i in range(n):
        hole = given.holes[i].expand(3, -1, -1)
        inside = [result[hole].tolist() for result in made.results[i]]
        sources = [
            [j for j in range(n) if given.originals[j][hole].tolist() == pixels]
            for pixels in inside
        ]
        assert all(len(source) == 1 and source != [i] for source in sources)
        assert sources[0] != sources[1]
        assert (made.results[i][:, ~hole] == given.originals[i][~hole]).all()


def test_whole_photographs():
    given, training = pairs(5), noise(9, 3, 16, 16, seed=1)
    made = by_name(given, training)["training-photos"]
    assert made.names == given.names
    unpaired = [m.method for m in baselines(given, 0, Images.of(training)) if not m.is_paired]
    assert unpaired == ["training-photos"]
    matches = (made.results == training[None]).flatten(2).all(dim=2)
    assert matches.sum(dim=1).tolist() == [1] * 5 and matches.sum(dim=0).max() == 1
    few = by_name(given, training[:2])["training-photos"]
    assert len(few.names) == len(few.originals) == len(few.results) == 2
    half = by_name(given)["other-half"]
    assert not baselines(given, 0, None)[-1].is_paired and len(half.names) == 2
    assert not (half.results == half.originals[None]).flatten(2).all(dim=2).any()
    other = by_name(given, training, seed=1)["training-photos"]
    assert not torch.equal(made.results, other.results)


def test_the_original_is_the_best_of_them():
    found = {
        name: {**fidelity(made), **seam(made)}
        for name, made in by_name(pairs(6)).items()
        if name != "other-half"
    }
    best = found.pop("original")
    for values in found.values():
        for name in ("erased_psnr", "erased_ssim"):
            assert (best[name].values > values[name].values).all()
        for name in ("erased_l1", "rim_colour"):
            assert (best[name].values < values[name].values).all()
