"""The model as a whole: Fig. 9 step by step, with parts that are there or not."""

import pytest
import torch

import tiny_model
from diverse_inpainting.core.compositing import composite
from diverse_inpainting.core.networks import PARTS, PRESETS, ModelConfig, build

N, L, D, R = 3, 8, 16, tiny_model.RESOLUTION


@pytest.fixture(scope="module")
def model():
    return tiny_model.build_lively().eval().requires_grad_(False)


@pytest.fixture
def inputs(generator):
    """Erased images, M, and codes."""
    valid = (torch.rand(N, 1, R, R, generator=generator) > 0.5).float()
    erased = torch.randn(N, 3, R, R, generator=generator) * valid
    return erased, valid, torch.randn(N, L, D, generator=generator)


def test_parts_are_attributes_in_the_order_of_training(model):
    assert (*model.parts, "familiarity") == PARTS
    assert all(getattr(model, name) is part for name, part in model.parts.items())
    alone = build(ModelConfig(generator=tiny_model.config().generator))
    assert tuple(alone.parts) == ("generator",) and alone.encoder is None


def test_codes_are_the_mean_code_plus_what_the_encoder_sees(model, inputs):
    erased, valid, _ = inputs
    seen = model.encoder(torch.cat([erased, valid], dim=1))
    assert torch.equal(model.encode(erased, valid), seen + model.generator.w_avg)


def test_mixing_is_equation_1(model, inputs):
    erased, valid, w_rand = inputs
    w_enc = model.encode(erased, valid)
    w_out, gate = model.mix(w_enc, w_rand)
    _, opened = model.mix(w_enc, w_rand, gate_bias=1000.0)
    assert opened.min() == 1
    w_comb, _ = model.mix(w_enc, w_rand, gate_bias=1000.0)
    torch.testing.assert_close(w_out, gate * w_comb + (1 - gate) * w_rand)


def test_refining_is_two_passes_with_a_composite_between(model, inputs):
    erased, valid, ws = inputs
    refined = model.refine(ws, erased, valid)
    stage1 = model.generator.synthesis(ws, memory_format=torch.channels_last)
    final = composite(stage1, erased, valid)
    skips = model.skip_encoder(final, erased, valid)
    assert torch.equal(refined.stage1, stage1)
    assert torch.equal(refined.final, final)
    assert torch.equal(refined.output, model.synthesize(ws, skips))
    assert not torch.allclose(refined.output, stage1, atol=1e-3)


def test_s_may_see_other_codes_than_it_refines(model, inputs, generator):
    erased, valid, ws = inputs
    other = torch.randn(N, L, D, generator=generator)
    refined = model.refine(ws, erased, valid, other)
    assert torch.equal(refined.stage1, model.synthesize(other))
    skips = model.skip_encoder(refined.final, erased, valid)
    assert torch.equal(refined.output, model.synthesize(ws, skips))


def test_both_passes_share_the_blocks_below_the_first_skip():
    model = build(PRESETS["demo64"]).eval().requires_grad_(False)
    calls = {block.side: 0 for block in model.generator.synthesis.blocks}

    def count(side):
        calls[side] += 1

    hooks = [
        block.register_forward_hook(lambda *_, side=block.side: count(side))
        for block in model.generator.synthesis.blocks
    ]
    model.refine(torch.randn(1, 10, 256), torch.zeros(1, 3, 64, 64), torch.zeros(1, 1, 64, 64))
    for hook in hooks:
        hook.remove()
    assert calls == {4: 1, 8: 2, 16: 2, 32: 2, 64: 2}, "S has maps for 8, 16 and 32"


@pytest.mark.parametrize("side", [4, 8, 16, 32])
def test_a_synthesis_continued_from_any_side_is_the_same(model, inputs, side):
    _, _, ws = inputs
    synthesis = model.generator.synthesis
    start = synthesis.start(ws, side)
    assert start.side == side and start.features.shape[-1] == max(side // 2, 4)
    assert torch.equal(synthesis(ws, start=start), synthesis(ws))


def test_gradients_reach_the_skip_encoder_alone(inputs):
    erased, valid, ws = inputs
    model = tiny_model.build_lively().requires_grad_(False)
    model.skip_encoder.requires_grad_(True)
    model.refine(ws, erased, valid).output.sum().backward()
    reached = {name.split(".")[0] for name, p in model.named_parameters() if p.grad is not None}
    assert reached == {"skip_encoder"}


def test_feature_maps_take_another_type(inputs):
    _, _, ws = inputs
    model = tiny_model.build_lively().requires_grad_(False)
    exact = model.synthesize(ws)
    model.feature_dtype = torch.bfloat16
    half = model.synthesize(ws)
    assert half.dtype == torch.float32 and not torch.equal(half, exact)
    assert (half - exact).abs().mean() < 0.1 * exact.std()
