"""Mi, Eq. 1 of the paper: by hand, how it starts, and both ends of the gate."""

import pytest
import torch

from diverse_inpainting.core.networks import Mixer, MixerConfig
from tolerances import assert_close

L, D, N = 3, 16, 5


def make(kind="gated", device="cpu"):
    return Mixer(MixerConfig(kind=kind, num_layers=L, w_dim=D)).double().to(device)


@pytest.fixture
def trained(generator, device):
    """A mixer whose every weight differs from the start."""
    mixer = make(device=device)
    with torch.no_grad():
        for parameter in mixer.parameters():
            parameter.add_(0.3 * torch.randn(parameter.shape, generator=generator).to(device))
    return mixer


@pytest.fixture
def codes(generator, device):
    """(w_enc, w_rand)."""
    return torch.randn(2, N, L, D, generator=generator, dtype=torch.float64).to(device).unbind()


def by_hand(mixer, w_enc, w_rand, gate_bias=0.0):
    """Return (w_comb, gate) with one loop step per sample and style layer."""
    w_comb, gate = torch.empty_like(w_enc), torch.empty_like(w_enc)
    for n in range(N):
        for layer in range(L):
            pair = torch.cat([w_enc[n, layer], w_rand[n, layer]])
            joined = mixer.weight[layer] @ pair + mixer.bias[layer]
            w_comb[n, layer] = joined[:D]
            gate[n, layer] = 1 / (1 + torch.exp(-(joined[D:] + gate_bias)))
    return w_comb, gate


@torch.no_grad()
@pytest.mark.parametrize("gate_bias", [0.0, 0.7, -2.0])
def test_eq_1(trained, codes, gate_bias):
    w_comb, gate = by_hand(trained, *codes, gate_bias)
    w_out, actual_gate = trained(*codes, gate_bias)
    assert_close(actual_gate, gate)
    assert_close(w_out, gate * w_comb + (1 - gate) * codes[1])


def test_starts_at_w_enc_with_an_open_gate(codes):
    """W_comb = W_enc and a gate of one half, within 2 % of a standard deviation."""
    mixer = make(device=codes[0].device)
    w_out, gate = mixer(*codes)
    w_comb, _ = mixer(*codes, gate_bias=float("inf"))
    assert (w_comb - codes[0]).std() < 0.02 * codes[0].std()
    assert (gate - 0.5).abs().max() < 0.02 * 0.5 * 2
    assert (w_out - (codes[0] + codes[1]) / 2).std() < 0.02


def test_gate_bias_limits_are_exact(trained, codes):
    """A gate of one is W_comb bit for bit, a gate of zero W_rand."""
    with torch.no_grad():
        w_comb, _ = by_hand(trained, *codes)
        w_out, gate = trained(*codes, gate_bias=float("-inf"))
        assert torch.equal(w_out, codes[1])
        assert not gate.any()
        w_out, gate = trained(*codes, gate_bias=float("inf"))
        assert_close(w_out, w_comb)
        assert torch.equal(gate, torch.ones_like(gate))
        # Far out but finite, as a slider gives it.
        assert torch.equal(trained(*codes, gate_bias=-1000.0)[0], codes[1])
        assert_close(trained(*codes, gate_bias=1000.0)[0], w_comb)


def test_layers_and_samples_do_not_mix(trained, codes):
    w_enc, w_rand = codes
    w_out, _ = trained(w_enc, w_rand)
    changed = w_enc.clone()
    changed[1, 2] += 1
    moved = (trained(changed, w_rand)[0] - w_out).abs().amax(dim=2) > 0
    assert moved.nonzero().tolist() == [[1, 2]]
    alone = torch.cat([trained(w_enc[i : i + 1], w_rand[i : i + 1])[0] for i in range(N)])
    assert_close(alone, w_out)


def test_fc_is_w_comb(codes):
    """Model 3 of Table 3: no gate."""
    mixer = make("fc", codes[0].device)
    assert mixer.weight.shape == (L, D, 2 * D)
    w_out, gate = mixer(*codes, gate_bias=-5.0)
    expected = torch.einsum("loi,nli->nlo", mixer.weight, torch.cat(codes, dim=2)) + mixer.bias
    assert_close(w_out.detach(), expected.detach())
    assert torch.equal(gate, torch.ones_like(w_out))
    assert (w_out - codes[0]).std() < 0.02 * codes[0].std()
    assert not torch.equal(mixer(codes[0], -codes[1])[0], w_out), "w_rand has no say"


def test_none_is_w_enc(codes):
    """The deterministic pSp baseline."""
    mixer = make("none", codes[0].device)
    assert not list(mixer.parameters())
    w_out, gate = mixer(*codes, gate_bias=-5.0)
    assert torch.equal(w_out, codes[0])
    assert torch.equal(gate, torch.ones_like(w_out))


def test_gradients_reach_everything(trained, codes):
    w_enc, w_rand = (w.requires_grad_() for w in codes)
    w_out, _ = trained(w_enc, w_rand)
    w_out.square().sum().backward()
    for tensor in (w_enc, w_rand, trained.weight, trained.bias):
        assert tensor.grad.any()


def test_paper_size():
    """Per layer a map from 2 x 512 to 2 x 512, at 14 layers: 14.7 M parameters."""
    with torch.device("meta"):
        mixer = Mixer(MixerConfig())
    assert sum(p.numel() for p in mixer.parameters()) == 14 * (1024 * 1024 + 1024)
