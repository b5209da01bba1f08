"""The chart of the gate: its colours mean what the text says."""

import pytest
import torch


@pytest.fixture
def module(part):
    return part("nodes.gate_chart")


def corner_of_cells(module, chart, num_columns, num_layers):
    """A pixel near the corner of each cell, away from its number: [L, N, 3]."""
    cell_px = module._CELL_PX if num_columns <= module._MANY else module._NARROW_PX
    rows = module._TOP_PX + module._ROW_PX * torch.arange(num_layers) + 2
    columns = module._LEFT_PX + cell_px * torch.arange(num_columns) + 2
    return chart[0][rows][:, columns]


def test_each_layer_and_variant_has_the_colour_of_its_mean(module):
    gate = torch.zeros(2, 2, 8, 16)
    gate[0, 1, 2] = 1.0
    gate[1, 0, :, :8] = 1.0
    chart = module.gate_chart(gate)
    assert chart.shape[0] == 1
    found = corner_of_cells(module, chart, 4, 8)
    expected = torch.tensor(module._RANDOM).expand(8, 4, 3).clone()
    expected[2, 1] = torch.tensor(module._IMAGE)
    expected[:, 2] = torch.tensor(module._BOTH)
    assert (found - expected).abs().max() < 1 / 255


def test_orange_grows_and_blue_shrinks_with_the_gate(module):
    gate = torch.linspace(0, 1, 16)[None, :, None, None].expand(1, 16, 8, 4)
    colours = corner_of_cells(module, module.gate_chart(gate), 16, 8)[0]
    redness = colours[:, 0] - colours[:, 2]
    assert bool((redness.diff() > 0).all())


@pytest.mark.parametrize(
    ("B", "V", "L", "D"), [(1, 1, 8, 16), (1, 8, 12, 512), (3, 4, 14, 8), (2, 64, 18, 8)]
)
def test_one_picture_for_any_number_of_variants(module, B, V, L, D):
    chart = module.gate_chart(torch.rand(B, V, L, D))
    assert chart.dtype == torch.float32
    assert chart.shape[0] == 1 and chart.shape[3] == 3
    assert chart.shape[2] >= 640
    assert 0.0 <= float(chart.min()) <= float(chart.max()) <= 1.0


def test_the_means_over_variants_are_written_out(module):
    right = module._LEFT_PX + module._CELL_PX * 8
    low, high = (
        module.gate_chart(torch.full((1, 8, 8, 4), value))[0, :, right:] for value in (0.1, 0.9)
    )
    assert not torch.equal(low, high)
