"""Networks prepared for inference give what the modules give, in every type of feature maps."""

import pytest
import torch

import tiny_model
from diverse_inpainting.core.checkpoint import read_checkpoint, resolve_source
from diverse_inpainting.core.networks import (
    EncoderConfig,
    GeneratorConfig,
    MixerConfig,
    ModelConfig,
    SkipEncoderConfig,
)

FLOAT32_LIMIT = 5e-5
"""Largest difference, in deviations of the output."""


def small(resolution, kind="small", channel_max=16, largest_side=None, **changes):
    """A narrow model; 128 channels are what Winograd's form takes."""
    generator = GeneratorConfig(
        resolution=resolution,
        z_dim=16,
        w_dim=16,
        channel_base=2048,
        channel_max=channel_max,
        mapping_depth=2,
        **changes,
    )
    return ModelConfig(
        generator=generator,
        encoder=EncoderConfig(
            kind=kind,
            resolution=resolution,
            w_dim=16,
            width=8,
            max_width=16,
            depths=(2, 1, 2, 1),
        ),
        mixer=MixerConfig(num_layers=generator.num_layers, w_dim=16),
        skip_encoder=SkipEncoderConfig(
            resolution=resolution,
            stem_width=8,
            widths=(8, 12, 8),
            layers_per_block=2,
            largest_side=largest_side,
        ),
    )


CONFIGS = {
    "32": small(32),
    "64 wide": small(64, channel_max=128),
    "64 psp": small(64, kind="psp"),
    "32 psp": small(32, kind="psp"),
    "64 clamp": small(64, conv_clamp=1.5),
    "64 small skips": small(64, largest_side=16),
}


def lively(config):
    """A model whose noise, biases, batch norms and skips are unlike their start."""
    model = tiny_model.build_lively(config).eval().requires_grad_(False)
    generator = torch.Generator().manual_seed(3)
    for name, buffer in model.named_buffers():
        if name.endswith("running_mean"):
            buffer.add_(torch.randn(buffer.shape, generator=generator), alpha=0.3)
        elif name.endswith("running_var"):
            buffer.mul_(torch.rand(buffer.shape, generator=generator) + 0.5)
    return model


@pytest.fixture(scope="module")
def models():
    return {name: lively(config) for name, config in CONFIGS.items()}


def inputs_of(model, num=3):
    generator = torch.Generator().manual_seed(1)
    config = model.generator.config
    R = config.resolution
    valid = (torch.rand(num, 1, R, R, generator=generator) > 0.4).float()
    erased = (torch.rand(num, 3, R, R, generator=generator) * 2 - 1) * valid
    return erased, valid, torch.randn(num, config.num_layers, config.w_dim, generator=generator)


@torch.no_grad()
def results(model, erased, valid, ws):
    refined = model.refine(ws, erased, valid)
    other = model.refine(ws, erased, valid, ws.flip(0))
    return {
        "encode": model.encode(erased, valid) - model.generator.w_avg,
        "synthesize": model.synthesize(ws),
        "stage 1": refined.stage1,
        "stage 2": refined.output,
        "stage 2, other codes for S": other.output,
    }


def prepared(model, dtype=torch.float32):
    model = model.with_parts({}).prepare()
    model.feature_dtype = dtype
    return model


@pytest.mark.parametrize("num", [1, 3])
@pytest.mark.parametrize("name", CONFIGS)
def test_float32_is_equal_but_for_rounding(models, name, num):
    model = models[name]
    given = inputs_of(model, num)
    expected, got = results(model, *given), results(prepared(model), *given)
    for what, value in expected.items():
        error = (got[what] - value).abs().max() / value.std()
        assert error <= FLOAT32_LIMIT, f"{what}: {error:.1e} deviations"
        assert got[what].dtype == torch.float32
    assert any(not torch.equal(got[what], expected[what]) for what in got), "nothing was prepared"


@pytest.mark.parametrize("with_skips", [False, True])
@pytest.mark.parametrize("name", ["32", "64 wide", "64 clamp"])
def test_gradients_of_codes(models, name, with_skips):
    """Roughly: one rectifier near zero that takes the other side changes them by 0.3 %."""
    model = models[name]
    erased, valid, ws = inputs_of(model)
    with torch.no_grad():
        skips = model.skip_encoder(erased, erased, valid) if with_skips else None
        weight = torch.randn(erased.shape, generator=torch.Generator().manual_seed(2))

    def gradient(model):
        codes = ws.clone().requires_grad_()
        image = model.synthesize(codes, skips)
        return torch.autograd.grad((image * weight).sum(), codes)[0]

    expected, got = gradient(model), gradient(prepared(model))
    assert _rms(got - expected) <= 5e-3 * expected.std()
    assert not torch.equal(got, expected), "nothing was prepared"


@pytest.mark.parametrize(
    ("name", "dtype"),
    [(name, torch.bfloat16) for name in CONFIGS]
    + [(name, torch.float16) for name in ("32", "32 psp")],  # slow on a CPU
    ids=str,
)
def test_half_precision_errs_no_more_than_the_plain_generator(models, name, dtype):
    """By its root mean square; E has no plain form in half precision, so its bound is a number."""
    model = models[name]
    given = inputs_of(model)
    exact = results(model, *given)
    got = results(prepared(model, dtype), *given)
    plain_model = model.with_parts({})
    plain_model.feature_dtype = dtype
    plain = results(plain_model, *given)
    for what, value in exact.items():
        error = _rms(got[what] - value) / value.std()
        allowed = 8 * torch.finfo(dtype).eps
        if what != "encode":
            allowed = 2 * _rms(plain[what] - value) / value.std()
        assert 0 < error <= allowed, f"{what}: {error:.1e}, allowed {allowed:.1e}"


def _rms(x):
    return x.square().mean().sqrt()


@pytest.mark.parametrize("name", ["32", "32 psp"])
def test_large_weights_do_not_overflow_float16(name):
    """Values of some 100 000 inside E and S, whose last layers make them small again."""
    model = lively(CONFIGS[name])
    with torch.no_grad():
        for part in ("encoder", "skip_encoder"):
            network = getattr(model, part)
            network_stem = network.network.stem if part == "encoder" else network.stem
            network_stem.weight.mul_(3e4)
        for head in model.skip_encoder.heads:
            for branch in (head.add, head.mult):
                branch[0].weight.mul_(1e-2)
                branch[-1].weight.mul_(1e-3)  # both: one alone would be too small for float16
        if name == "32 psp":
            for head in model.encoder.network.heads:
                head.linear.weight.mul_(3e-5)
        for block in model.generator.synthesis.blocks:
            block.conv1.weight.mul_(1e6)
    given = inputs_of(model)
    exact = results(model, *given)
    got = results(prepared(model, torch.float16), *given)
    for what, value in exact.items():
        error = _rms(got[what] - value) / value.std()
        assert error < 0.02, f"{what}: {error:.1e}"


@pytest.mark.parametrize("name", ["32", "32 psp"])
def test_values_beyond_float16_stay_finite(name):
    model = lively(CONFIGS[name])
    with torch.no_grad():
        model.encoder.network.stem.weight.mul_(1e9)
        model.skip_encoder.stem.weight.mul_(1e9)
    got = results(prepared(model, torch.float16), *inputs_of(model))
    assert all(value.isfinite().all() for value in got.values())


@pytest.mark.parametrize("has_matrix_units", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_both_forms_of_upsampling_agree(models, monkeypatch, dtype, has_matrix_units):
    from diverse_inpainting.core.networks.prepared import upsampling

    monkeypatch.setattr(upsampling, "has_matrix_units", lambda *_: has_matrix_units)
    model = models["64 wide"]
    given = inputs_of(model)
    with torch.no_grad():
        got = prepared(model, dtype).synthesize(given[2])
        exact = model.synthesize(given[2])
    limit = FLOAT32_LIMIT if dtype == torch.float32 else 8 * torch.finfo(dtype).eps
    assert (got - exact).abs().max() <= limit * 8 * exact.std()


@pytest.mark.parametrize("can_pack", [False, True])
def test_results_do_not_depend_on_private_operations(models, monkeypatch, can_pack):
    from diverse_inpainting.core.networks.prepared import convolution

    if can_pack and not convolution.can_pack(torch.float32):
        pytest.skip("oneDNN's operations are not there")
    monkeypatch.setattr(convolution, "can_pack", lambda _: can_pack)
    model = models["64 psp"]
    given = inputs_of(model)
    expected, got = results(model, *given), results(prepared(model), *given)
    for what, value in expected.items():
        assert (got[what] - value).abs().max() <= FLOAT32_LIMIT * value.std()


@pytest.fixture(scope="module")
def cats():
    return read_checkpoint(resolve_source("cats")).model().requires_grad_(False)


def test_bundled_model_in_float32(cats):
    given = inputs_of(cats, 1)
    expected, got = results(cats, *given), results(prepared(cats), *given)
    for what, value in expected.items():
        assert (got[what] - value).abs().max() <= FLOAT32_LIMIT * value.std(), what


@pytest.mark.parametrize(
    ("dtype", "within_one", "within_two"), [(torch.bfloat16, 0.78, 0.95)], ids=["bfloat16"]
)
def test_bundled_model_in_half_precision(cats, dtype, within_one, within_two):
    """The share of values within one and two steps of 255 of float32's."""
    z = torch.randn(2, cats.generator.config.z_dim, generator=torch.Generator().manual_seed(1))
    erased, valid, _ = inputs_of(cats, 2)
    with torch.no_grad():
        ws = cats.generator.broadcast(cats.generator.mapping(z)).contiguous()
    exact = results(cats, erased, valid, ws)
    got = results(prepared(cats, dtype), erased, valid, ws)
    for what in ("synthesize", "stage 2"):
        steps = (got[what].clamp(-1, 1) - exact[what].clamp(-1, 1)).abs() * 127.5
        assert (steps <= 1).float().mean() >= within_one, what
        assert (steps <= 2).float().mean() >= within_two, what


def test_configurations_differ_in_what_they_prepare():
    """A guard for the tests above: Winograd's form and the direct one both occur in them."""
    from diverse_inpainting.core.networks.prepared import PreparedSynthesis

    network = lively(CONFIGS["64 wide"]).generator.synthesis
    with torch.no_grad():
        blocks = PreparedSynthesis(network, torch.float32).blocks
    forms = {block.side: block.conv1.convolution.winograd is not None for block in blocks}
    assert forms == {4: False, 8: False, 16: True, 32: False, 64: False}
