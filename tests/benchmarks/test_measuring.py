"""What is counted and compared."""

import pytest
import torch
import torch.nn.functional as F

from diverse_inpainting.core.networks import PRESETS, Generator, GeneratorConfig
from diverse_inpainting.core.ops import bias_act


def test_operations_are_two_for_each_product(script):
    count = script("measuring").gflop
    x, weight = torch.ones(2, 3, 8, 8), torch.ones(5, 3, 3, 3)
    assert count(lambda: torch.ones(4, 6) @ torch.ones(6, 5)) == pytest.approx(2 * 4 * 6 * 5 / 1e9)
    products = 2 * 5 * 3 * 9 * 8 * 8
    assert count(lambda: F.conv2d(x, weight, padding=1)) == pytest.approx(2 * products / 1e9)
    # A transposed convolution multiplies each of its inputs with the whole kernel.
    up = lambda: F.conv_transpose2d(x, weight.transpose(0, 1), stride=2)  # noqa: E731
    assert count(up) == pytest.approx(2 * products / 1e9)


def test_operations_of_a_generator(script):
    """By hand: 3x3 and to-RGB convolutions, filters of 4x4 taps, affine layers."""
    config = GeneratorConfig(
        resolution=32, z_dim=8, w_dim=16, channel_base=256, channel_max=16, mapping_depth=1
    )
    generator = Generator(config).requires_grad_(False)
    products, before = 0, config.channels(4)
    for side in config.block_resolutions:
        width, pixels = config.channels(side), side**2
        products += 9 * width**2 * pixels + 3 * width * pixels  # conv1 and to-RGB
        products += 16 * 2 * width + width**2  # their affine layers, and demodulation
        if side > 4:
            products += 9 * before * width * pixels // 4  # conv0, on the smaller map
            products += 16 * width * pixels  # its filter of 4x4 taps
            products += 16 * 3 * pixels // 4  # the image's, on the smaller one
            products += 16 * before + width * before  # conv0's affine layer and demodulation
        before = width
    ws = torch.randn(1, config.num_layers, 16)
    with torch.no_grad():
        counted = script("measuring").gflop(lambda: generator.synthesis(ws))
    assert counted == pytest.approx(2 * products / 1e9, rel=1e-6)


def test_launches_are_operations_that_write(script):
    launches, device = script("measuring").launches, torch.device("cpu")
    x = torch.ones(2, 16, 8, 8)

    def work():
        y = x.permute(0, 2, 3, 1).reshape(2, -1)[:, :4]  # a copy between views
        return bias_act(x, torch.ones(16), "lrelu").sum() + y.sum()

    assert launches(work, device) == 6, "a clone, ones, our op, two sums and their sum"


def test_ratios_are_to_the_reference_of_the_same_dtype(script):
    measuring = script("measuring")
    clock = measuring.Clock(torch.device("cpu"))
    x = {dtype: torch.randn(64, 64).to(dtype) for dtype in (torch.float32, torch.bfloat16)}
    candidates = [
        measuring.Candidate(name, dtype, lambda m=m: m @ m)
        for dtype, m in x.items()
        for name in ("reference", "other")
    ]
    rows = measuring.compare(candidates, "64", clock, rounds=3, floors=dict.fromkeys(x, 1.0))
    for reference, other in (rows[:2], rows[2:]):
        assert reference.ratio == 1
        assert other.ratio == pytest.approx(reference.lowest_ms / other.lowest_ms)


@pytest.mark.slow
def test_a_prepared_generator_is_not_slower_than_its_modules(script, set_threads):
    """By processor time, the lowest of several rounds: other work on the machine hardly matters."""
    measuring, generator = script("measuring"), script("generator").random_generator("demo128")
    clock = measuring.Clock(torch.device("cpu"), "process")
    config = PRESETS["demo128"].generator
    ws = torch.randn(1, config.num_layers, config.w_dim)
    networks = {}
    for name in ("reference", "prepared"):
        model = script("generator").DiverseInpaintingModel(generator)
        networks[name] = model.prepare() if name == "prepared" else model
    candidates = [
        measuring.Candidate(name, torch.float32, lambda m=model: m.synthesize(ws))
        for name, model in networks.items()
    ]
    set_threads(1)
    rows = measuring.compare(candidates, "1", clock, rounds=7, floors={torch.float32: 1.0})
    # 1.3 to 1.5 when it was written.
    assert rows[1].ratio > 0.9, f"{rows[1].lowest_ms:.0f} instead of {rows[0].lowest_ms:.0f} ms"
