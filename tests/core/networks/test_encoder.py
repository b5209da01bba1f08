"""E of both kinds: shapes, which layers read which level, and how it starts."""

import pytest
import torch
from torch import nn

from diverse_inpainting.core.networks import Encoder, EncoderConfig
from diverse_inpainting.core.networks.encoder import ImprovedResidualUnit, SqueezeExcite
from tolerances import assert_close

KINDS = ("psp", "small")


def config_of(kind, resolution=32):
    return EncoderConfig(
        kind=kind, resolution=resolution, w_dim=8, width=4, max_width=16, depths=(1, 1, 2, 1)
    )


def make(kind, device="cpu"):
    return Encoder(config_of(kind)).double().to(device)


@pytest.fixture
def erased(generator, device):
    """cat(M * I, M) of three images."""
    image = 2 * torch.rand(3, 3, 32, 32, generator=generator, dtype=torch.float64) - 1
    valid = torch.ones(3, 1, 32, 32, dtype=torch.float64)
    valid[:, :, 8:20, 10:30] = 0
    return torch.cat([valid * image, valid], dim=1).to(device)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("resolution", "layers"), [(32, 8), (64, 10), (256, 14), (1024, 18)])
def test_shapes_at_every_resolution(kind, resolution, layers):
    with torch.device("meta"):
        encoder = Encoder(config_of(kind, resolution))
        codes = encoder(torch.zeros(2, 4, resolution, resolution))
    assert codes.shape == (2, layers, 8)


@pytest.mark.parametrize("kind", KINDS)
def test_trunk_levels(kind, erased, device):
    """Stages end at R/2, R/4, R/8 and R/16 with 1, 2, 4 and 8 times the width, up to the limit."""
    encoder = make(kind, device)
    seen = []
    for stage in encoder.network.stages:
        stage.register_forward_hook(lambda _, __, x: seen.append(tuple(x.shape[1:])))
    encoder(erased)
    assert seen == [(4, 16, 16), (8, 8, 8), (16, 4, 4), (16, 2, 2)]
    assert [len(stage) for stage in encoder.network.stages] == [1, 1, 2, 1]


@pytest.mark.parametrize("kind", KINDS)
def test_samples_do_not_mix(kind, erased, device):
    encoder = make(kind, device)
    assert_close(torch.cat([encoder(one[None]) for one in erased]), encoder(erased))


def moved_layers(encoder, erased, module):
    """Return the style layers that change when the module's weights do."""
    before = encoder(erased)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(0.1)
    return ((encoder(erased) - before).abs().amax(dim=(0, 2)) > 1e-9).nonzero().flatten().tolist()


@pytest.mark.parametrize(
    ("kind", "part", "layers"),
    [
        ("psp", lambda e: e.lateral_fine, [7]),
        ("psp", lambda e: e.lateral_middle, [3, 4, 5, 6, 7]),
        ("psp", lambda e: e.stages[3], range(8)),
        ("psp", lambda e: e.heads[5], [5]),
        ("small", lambda e: e.stacks["4"], [7]),
        ("small", lambda e: e.stacks["8"], [3, 4, 5, 6, 7]),
        ("small", lambda e: e.stacks["16"], range(8)),
        ("small", lambda e: e.linears[2], [2]),
    ],
    ids=[
        *("psp_fine", "psp_middle", "psp_coarse", "psp_head"),
        *("small_fine", "small_middle", "small_coarse", "small_linear"),
    ],
)
def test_layers_read_their_level(kind, part, layers, erased, device):
    """Layers 0-2 read R/16, 3-6 R/8, the rest R/4; finer levels also hear the coarser ones."""
    encoder = make(kind, device)
    assert moved_layers(encoder, erased, part(encoder.network)) == list(layers)


@pytest.mark.parametrize("kind", KINDS)
def test_image_and_mask_both_matter(kind, erased, device):
    encoder = make(kind, device)
    codes = encoder(erased)
    for channels in (slice(0, 3), slice(3, 4)):
        other = erased.clone()
        other[:, channels] = 1 - other[:, channels]
        assert (encoder(other) - codes).abs().amax(dim=(1, 2)).min() > 1e-3


@pytest.mark.parametrize("kind", KINDS)
def test_no_normalisation_layers_hence_biases(kind):
    """The paper, Appendix A; in the small encoder only a shortcut may go without."""
    encoder = make(kind)
    norms = (nn.modules.batchnorm._NormBase, nn.GroupNorm, nn.LayerNorm)
    assert not [m for m in encoder.modules() if isinstance(m, norms)]
    bare = [
        name
        for name, module in encoder.named_modules()
        if isinstance(getattr(module, "weight", None), nn.Parameter)
        and module.weight.ndim == 4
        and module.bias is None
    ]
    assert all(kind == "small" and name.endswith(".skip") for name in bare)


@pytest.mark.parametrize(
    "config",
    [
        EncoderConfig(resolution=64, w_dim=64, width=16, max_width=64),
        EncoderConfig(
            kind="small", resolution=64, w_dim=64, width=16, max_width=64, depths=(1, 2, 2, 1)
        ),
    ],
    ids=KINDS,
)
def test_starts_alive(config, generator):
    """At full depth the codes are neither near zero nor blown up, and depend on the image."""
    image = 2 * torch.rand(2, 3, 64, 64, generator=generator) - 1
    with torch.no_grad():
        codes = Encoder(config)(torch.cat([image, torch.ones(2, 1, 64, 64)], dim=1))
    assert (codes.std(dim=(0, 2)) > 0.05).all()
    assert (codes.std(dim=(0, 2)) < 2).all()
    assert (codes[0] - codes[1]).std() > 0.005


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_reach_every_parameter(kind, erased, device):
    encoder = make(kind, device)
    with torch.no_grad():
        for name, parameter in encoder.named_parameters():
            if name.endswith("squeeze.bias"):
                parameter.fill_(1.0)  # so narrow, a rectifier may be closed for all three images
    encoder(erased).square().sum().backward()
    assert not [name for name, p in encoder.named_parameters() if not p.grad.any()]


def test_squeeze_and_excite_by_hand():
    block = SqueezeExcite(2, reduction=2).double()
    ones = {name: torch.ones_like(p) for name, p in block.named_parameters()}
    block.load_state_dict({k: 0 * v if k.endswith("bias") else v for k, v in ones.items()})
    x = torch.tensor([[1.0, 3.0], [0.0, -1.0]], dtype=torch.float64).reshape(1, 2, 1, 2)
    # Means 2 and -0.5; the hidden value 1.5 is the gate's argument for both channels.
    assert_close(block(x), x * torch.sigmoid(torch.tensor(1.5, dtype=torch.float64)))


def test_residual_unit_by_its_parts():
    unit = ImprovedResidualUnit(3, 3, 2).double()
    x = torch.randn(1, 3, 4, 4, dtype=torch.float64)
    branch = unit.scale(unit.conv1(unit.activation(unit.conv0(x))))
    assert_close(unit(x), x[:, :, ::2, ::2] + branch)
    wider = ImprovedResidualUnit(3, 5, 2).double()
    branch = wider.scale(wider.conv1(wider.activation(wider.conv0(x))))
    assert_close(wider(x), wider.shortcut(x) + branch)
