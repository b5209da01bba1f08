"""Subsets of what a method made, and the values of a metric."""

import torch

from diverse_inpainting.evaluation.types import ImageValues, MethodOutput
from tolerances import assert_close


def test_a_subset_keeps_images_and_all_that_belongs_to_them():
    each = torch.arange(3, dtype=torch.uint8)[:, None, None, None]
    holes = torch.zeros(3, 1, 2, 2, dtype=torch.bool)
    holes[2, :, 0] = True
    whole = MethodOutput(
        method="m",
        names=("a", "b", "c"),
        originals=each.expand(3, 3, 2, 2),
        holes=holes,
        results=each[:, None].expand(3, 2, 3, 2, 2) + 10,
        raw=each[:, None].expand(3, 2, 3, 2, 2) + 20,
    )
    part = whole.subset(torch.tensor([2, 0]))
    assert (part.method, part.names, part.num_variants) == ("m", ("c", "a"), 2)
    assert part.ratios.tolist() == [0.5, 0.0]
    assert part.originals[:, 0, 0, 0].tolist() == [2, 0]
    assert part.results[:, 1, 0, 0, 0].tolist() == [12, 10]
    assert part.raw[:, 1, 0, 0, 0].tolist() == [22, 20]
    assert part.independent is None


def test_values_are_quotients():
    ratio = ImageValues(torch.tensor([1.0, 3.0]), torch.tensor([2.0, 4.0]))
    assert_close(ratio.values, torch.tensor([0.5, 0.75]))
    assert_close(ImageValues.of(torch.tensor([1.0, 3.0])).values, torch.tensor([1.0, 3.0]))
