"""The synthesis network: shapes, which layer hears which style, noise, and where Eq. 7 enters."""

import dataclasses

import pytest
import torch

from diverse_inpainting.core.errors import InputError
from diverse_inpainting.core.networks import GeneratorConfig
from diverse_inpainting.core.networks.synthesis import (
    SynthesisNetwork,
    ToRGB,
    modulate_features,
)
from diverse_inpainting.core.ops import upsample2d
from tolerances import assert_close

CONFIG = GeneratorConfig(resolution=32, z_dim=6, w_dim=10, channel_base=128, channel_max=8)
L, D = 8, 10


@pytest.fixture
def network(generator, device):
    """In float64, with noise and biases that are not zero as they are at the start."""
    network = SynthesisNetwork(CONFIG)
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if name.endswith("noise_strength"):
                parameter.fill_(0.3)
            elif name.endswith("bias"):
                parameter.add_(0.2 * torch.randn(parameter.shape, generator=generator))
    return network.double().to(device)


@pytest.fixture
def ws(generator, device):
    return torch.randn(3, L, D, generator=generator, dtype=torch.float64).to(device)


def make_skips(generator, sides, num=3):
    def draw(side):
        shape = (num, CONFIG.channels(side), side, side)
        return torch.randn(shape, generator=generator, dtype=torch.float64)

    return {side: (draw(side), draw(side).sigmoid()) for side in sides}


def on_device(skips, device):
    return {side: tuple(t.to(device) for t in pair) for side, pair in skips.items()}


@pytest.mark.parametrize("resolution", [32, 64, 128, 256, 512, 1024])
def test_shapes_at_every_resolution(resolution):
    config = GeneratorConfig(resolution=resolution, w_dim=4, channel_base=2048, channel_max=16)
    with torch.device("meta"):
        network = SynthesisNetwork(config)
        seen = []
        for block in network.blocks:
            block.register_forward_hook(lambda _, __, x: seen.append(tuple(x.shape)))
        image = network(torch.zeros(2, config.num_layers, 4))
    assert image.shape == (2, 3, resolution, resolution)
    assert seen == [(2, config.channels(s), s, s) for s in config.block_resolutions]


def test_samples_do_not_mix(network, ws):
    skips = make_skips(torch.Generator().manual_seed(1), (16, 8))
    skips = on_device(skips, ws.device)
    together = network(ws, skips=skips)
    for i in range(3):
        own = {side: (add[i : i + 1], mult[i : i + 1]) for side, (add, mult) in skips.items()}
        assert_close(network(ws[i : i + 1], skips=own), together[i : i + 1])


def test_every_style_layer_matters(network, ws):
    image = network(ws)
    for layer in range(L):
        other = ws.clone()
        other[:, layer] += 1
        assert (network(other) - image).abs().amax(dim=(1, 2, 3)).min() > 1e-6


def test_style_affines_name_the_layer_that_feeds_them(network, ws):
    """With all other affine maps silenced, only that layer has a gradient."""
    affines = network.style_affines()
    # One at 4x4 besides to-RGB, then conv0, conv1 and to-RGB at 8, 16 and 32.
    assert [layer for layer, _ in affines] == [0, 1, 1, 2, 3, 3, 4, 5, 5, 6, 7]
    ws.requires_grad_()
    kept = [weight.detach().clone() for _, weight in affines]
    for index, (layer, _) in enumerate(affines):
        with torch.no_grad():
            for i, (_, weight) in enumerate(affines):
                weight.copy_(kept[i] if i == index else torch.zeros_like(weight))
        (gradient,) = torch.autograd.grad(network(ws).sum(), ws)
        heard = gradient.abs().amax(dim=(0, 2)) > 0
        assert heard.nonzero().flatten().tolist() == [layer]


def test_the_image_is_the_sum_of_upsampled_rgb(network, ws):
    """Karras et al. 2020, Fig. 7 (b)."""
    parts = []
    for block in network.blocks:
        block.to_rgb.register_forward_hook(lambda _, __, rgb: parts.append(rgb))
    image = network(ws)
    expected = parts[0]
    for rgb in parts[1:]:
        expected = upsample2d(expected, network.taps) + rgb
    assert_close(image, expected)


def test_to_rgb_by_hand(device):
    layer = ToRGB(4, 2).double().to(device)
    x = torch.randn(2, 4, 3, 3, dtype=torch.float64, device=device)
    w = torch.randn(2, 2, dtype=torch.float64, device=device)
    with torch.no_grad():
        layer.bias.copy_(torch.tensor([0.1, 0.2, 0.3]))
    styles = w @ layer.affine.weight.T / 2**0.5 + layer.affine.bias
    weights = layer.weight[None, :, :, 0, 0] * styles[:, None, :] / 4**0.5
    expected = torch.einsum("nci,nihw->nchw", weights, x) + layer.bias[:, None, None]
    assert_close(layer(x, w), expected)


def test_constant_noise(network, ws):
    image = network(ws, "const")
    assert_close(network(ws), image)  # the default
    assert_close(network(ws, "const"), image)
    with torch.no_grad():
        network.blocks[1].conv0.noise.add_(1.0)
    assert (network(ws, "const") - image).abs().max() > 1e-3


def test_no_noise_equals_zero_strength(network, ws):
    plain = network(ws, "none")
    assert (plain - network(ws)).abs().max() > 1e-3
    with torch.no_grad():
        for block in network.blocks:
            for conv in (block.conv1, *([block.conv0] if block.side > 4 else [])):
                conv.noise_strength.zero_()
    assert_close(network(ws), plain)


def test_given_noise_takes_the_place_of_the_stored(network, ws):
    """Whatever the function returns for features [N, C, H, W]; here the stored noise itself."""
    convs = [conv for block in network.blocks for conv in (block.conv0, block.conv1) if conv]
    stored = iter(convs)
    seen = []

    def noise(features):
        seen.append(tuple(features.shape))
        return next(stored).noise.expand(len(features), 1, -1, -1)

    def zeros(features):
        return torch.zeros_like(features[:, :1])

    assert_close(network(ws, noise), network(ws, "const"))
    assert seen == [(len(ws), conv.weight.shape[0], *conv.noise.shape) for conv in convs]
    assert (network(ws, zeros) - network(ws, "const")).abs().max() > 1e-3
    assert_close(network(ws, zeros), network(ws, "none"))


@pytest.mark.parametrize("noise", ["random", "Const", None, 3])
def test_unknown_noise_is_refused(network, ws, noise):
    with pytest.raises(InputError):
        network(ws, noise)


@pytest.mark.parametrize("shape", [(3, L - 1, D), (3, L + 1, D), (3, D)], ids=str)
def test_a_wrong_number_of_codes_is_refused(network, ws, shape):
    with pytest.raises(InputError, match="codes"):
        network(ws.new_zeros(shape))


def test_eq_7_by_hand():
    features = torch.tensor([1.0, -2.0, 3.0, 0.0]).reshape(1, 1, 2, 2)
    add = torch.tensor([0.5, 0.0, -1.0, 2.0]).reshape(1, 1, 2, 2)
    mult = torch.tensor([0.0, 0.5, 1.0, 0.25]).reshape(1, 1, 2, 2)
    expected = torch.tensor([1.5, -3.0, 5.0, 2.0]).reshape(1, 1, 2, 2)
    assert torch.equal(modulate_features(features, add, mult), expected)


def test_skips_enter_between_the_two_convolutions(network, ws, generator):
    """Eq. 7 is applied to what leaves conv0 (the constant at 4x4), at its sides and no other."""
    skips = on_device(make_skips(generator, (16, 4)), ws.device)
    left, entered, inputs = {}, {}, {}
    for block in network.blocks:
        side = block.side
        block.register_forward_pre_hook(lambda _, args, s=side: inputs.update({s: args[0]}))
        if side > 4:
            block.conv0.register_forward_hook(lambda _, __, x, s=side: left.update({s: x}))
        block.conv1.register_forward_pre_hook(lambda _, args, s=side: entered.update({s: args[0]}))
    image = network(ws, skips=skips)
    left[4] = inputs[4]
    for side in (4, 16):
        add, mult = skips[side]
        assert_close(entered[side], left[side] + left[side] * mult + add)
    for side in (8, 32):
        assert torch.equal(entered[side], left[side])
    assert (image - network(ws)).abs().max() > 1e-3


def test_neutral_skips_change_nothing(network, ws):
    def zeros(side):
        return ws.new_zeros(3, CONFIG.channels(side), side, side)

    skips = {side: (zeros(side), zeros(side)) for side in (16, 8, 4)}
    assert_close(network(ws, skips=skips), network(ws))
    assert_close(network(ws, skips={}), network(ws))


@pytest.mark.parametrize("format_", [torch.contiguous_format, torch.channels_last])
def test_memory_format_does_not_change_the_image(network, ws, format_):
    assert_close(network(ws, memory_format=format_), network(ws))


def test_half_precision_features_give_a_image_in_the_codes_dtype(network, ws):
    network.float()
    ws = ws.float()
    exact = network(ws)
    image = network(ws, dtype=torch.bfloat16)
    assert image.dtype == torch.float32
    assert not torch.equal(image, exact)
    # 8 bits of mantissa, rounded some 25 times on the way.
    assert (image - exact).square().mean().sqrt() < 0.05 * exact.std()


def test_gradients_reach_every_parameter_and_code(network, ws):
    ws.requires_grad_()
    network(ws).square().sum().backward()
    assert (ws.grad.abs().amax(dim=2) > 0).all()
    silent = [name for name, p in network.named_parameters() if not p.grad.any()]
    assert not silent


def test_features_and_images_are_limited_where_a_generator_asks_for_it(network, ws):
    """Every block's features and to-RGB outputs; the sum of the latter may exceed the limit."""
    limited = SynthesisNetwork(dataclasses.replace(CONFIG, conv_clamp=0.5)).to(ws)
    limited.load_state_dict(network.state_dict())
    seen = {"free": [], "limited": []}
    for name, net in (("free", network), ("limited", limited)):
        for block in net.blocks:
            for layer in (block.conv0, block.conv1, block.to_rgb):
                if layer is not None:
                    layer.register_forward_hook(lambda _, __, x, name=name: seen[name].append(x))
    assert not torch.allclose(network(ws), limited(ws))
    assert min(x.abs().max() for x in seen["free"]) > 0.5
    assert all(x.abs().max() == 0.5 for x in seen["limited"])
    first = seen["free"][0].clamp(-0.5, 0.5)
    assert torch.equal(seen["limited"][0], first)
