"""The chart of the gate: its colours mean what the text says."""

import pytest
import torch


@pytest.fixture
def module(part):
    return part("nodes.gate_chart")


def cells(module, chart, num_layers, w_dim):
    """The middle pixel of each cell, [N, L, D, 3]."""
    channel_px = -(-module._MIN_WIDTH_PX // w_dim)
    rows = module._TOP_PX + module._ROW_PX * torch.arange(num_layers) + module._ROW_PX // 2
    columns = module._LEFT_PX + channel_px * torch.arange(w_dim) + channel_px // 2
    return chart[:, rows][:, :, columns]


def test_each_channel_has_the_colour_of_its_value(module):
    gate = torch.zeros(2, 8, 16)
    gate[0, 2, 5] = 1.0
    gate[1] = 0.5
    chart = module.gate_chart(gate)
    colours = cells(module, chart, 8, 16)
    step = torch.tensor(1 / 255 + 1e-6)
    expected = torch.tensor(module._RANDOM).expand(8, 16, 3).clone()
    expected[2, 5] = torch.tensor(module._IMAGE)
    assert bool(((colours[0] - expected).abs() < step).all())
    assert bool(((colours[1] - torch.tensor(module._BOTH)).abs() < step).all())


def test_orange_grows_and_blue_shrinks_with_the_gate(module):
    gate = torch.linspace(0, 1, 16).expand(1, 8, 16)
    colours = cells(module, module.gate_chart(gate), 8, 16)[0, 0]
    redness = colours[:, 0] - colours[:, 2]
    assert bool((redness.diff() > 0).all())


@pytest.mark.parametrize(("num_layers", "w_dim"), [(8, 16), (14, 512), (18, 700)])
def test_any_model_fits(module, num_layers, w_dim):
    chart = module.gate_chart(torch.rand(1, num_layers, w_dim))
    assert chart.dtype == torch.float32
    assert chart.shape[1] == num_layers * module._ROW_PX + module._TOP_PX + module._BOTTOM_PX
    assert chart.shape[2] >= 512
    assert 0.0 <= float(chart.min()) <= float(chart.max()) <= 1.0


def test_the_means_are_written_out(module):
    low, high = module.gate_chart(torch.stack([torch.zeros(8, 16), torch.ones(8, 16)]))
    right = slice(-module._RIGHT_PX, None)
    assert not torch.equal(low[:, right], high[:, right])
    row = slice(module._TOP_PX, module._TOP_PX + module._ROW_PX)
    assert float(low[row, right].max()) > 0.6, "each row has its number"
