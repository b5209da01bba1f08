"""Parts of what a method made, and the values of a metric."""

import torch

from diverse_inpainting.evaluation.images import Images
from diverse_inpainting.evaluation.types import ImageValues, Method
from evaluation_samples import noise, pairs
from tolerances import assert_close


def test_a_subset_keeps_images_and_all_that_belongs_to_them():
    each = torch.arange(3, dtype=torch.uint8)[:, None, None, None]
    holes = torch.zeros(3, 1, 2, 2, dtype=torch.bool)
    holes[2, :, 0] = True
    whole = Method(
        method="m",
        names=("a", "b", "c"),
        originals=Images.of(each.expand(3, 3, 2, 2)),
        holes=Images.of(holes),
        results=Images.of(each[:, None].expand(3, 2, 3, 2, 2) + 10),
        raw=Images.of(each[:, None].expand(3, 2, 3, 2, 2) + 20),
    )
    later = whole.at(torch.tensor([2, 0]))
    assert later.names == ("c", "a") and later.ratios.tolist() == [0.5, 0.0]
    assert later.first_results[:][:, 0, 0, 0].tolist() == [12, 10]
    part = whole.at(torch.tensor([1, 0, 2])).read(torch.tensor([2, 1]))
    assert (part.method, part.names, part.num_variants) == ("m", ("c", "a"), 2)
    assert part.originals[:, 0, 0, 0].tolist() == [2, 0]
    assert part.results[:, 1, 0, 0, 0].tolist() == [12, 10]
    assert part.raw[:, 1, 0, 0, 0].tolist() == [22, 20]
    assert part.independent is None


def test_a_fill_goes_into_the_hole_alone():
    """Whatever part is read, and whether or not it is read twice."""
    given = pairs(5, 16)
    fills = noise(5, 2, 3, 16, 16, seed=1)
    made = given.completed("m", Images.of(fills))
    expected = torch.where(given.holes[:][:, None], fills, given.originals[:][:, None])
    assert torch.equal(made.results[:], expected)
    assert torch.equal(made.at(torch.tensor([3, 1])).results[:], expected[[3, 1]])
    assert torch.equal(made.first_results[2:4], expected[2:4, 0])


def test_values_are_quotients():
    ratio = ImageValues(torch.tensor([1.0, 3.0]), torch.tensor([2.0, 4.0]))
    assert_close(ratio.values, torch.tensor([0.5, 0.75]))
    assert_close(ImageValues.of(torch.tensor([1.0, 3.0])).values, torch.tensor([1.0, 3.0]))


def test_values_of_chunks_are_joined_in_their_order():
    parts = [ImageValues.of(torch.tensor([1.0, 3.0])), ImageValues.of(torch.tensor([2.0]))]
    assert ImageValues.joined(parts).values.tolist() == [1, 3, 2]
