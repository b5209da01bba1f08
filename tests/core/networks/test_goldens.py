"""Generator and discriminator against two published StyleGAN2 implementations.

goldens/README.md tells how the numbers were made and what the two implementations differ in.
"""

import dataclasses
import json
from pathlib import Path

import pytest
import torch
from safetensors import safe_open

from diverse_inpainting.core.networks import (
    Discriminator,
    DiscriminatorConfig,
    Generator,
    GeneratorConfig,
)

GOLDENS = Path(__file__).parent / "goldens"
CASES = ("nvlabs_32", "nvlabs_64_labels", "rosinality_32")
DTYPES = (torch.float64, torch.float32)

TOLERANCE = {torch.float64: 1e-9, torch.float32: 5e-5}
"""Largest difference over the standard deviation of the expected tensor."""

EPSILON_TOLERANCE = 2e-7
"""For float64 images of rosinality, whose demodulation adds 1e-8 to the power of the scaled
weights: Cin * 3 * 3 times as much, relatively, as NVlabs's code and ours; measured up to 5e-8."""


@dataclasses.dataclass
class Golden:
    """One file: configuration, parameters under our names, inputs and float64 outputs."""

    config: dict
    stride: int
    tensors: dict[str, torch.Tensor]

    def part(self, name, device, dtype=torch.float64):
        """Return the tensors of one part (parameters, inputs, outputs)."""
        prefix = f"{name}."
        return {
            key.removeprefix(prefix): value.to(device, dtype)
            for key, value in self.tensors.items()
            if key.startswith(prefix)
        }


def read(part, case):
    with safe_open(GOLDENS / f"{part}_{case}.safetensors", framework="pt") as file:
        about = file.metadata()
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 - no iterator
    return Golden(json.loads(about["config"]), int(about["stride"]), tensors)


@dataclasses.dataclass
class Setup:
    """A network with the golden's parameters, its inputs, and what has to come out."""

    net: torch.nn.Module
    inputs: dict[str, torch.Tensor]
    expected: dict[str, torch.Tensor]
    stride: int
    tolerance: float

    def check(self, name, actual, tolerance=None):
        expected = self.expected[name]
        if expected.ndim == 4:
            actual = actual[..., :: self.stride, :: self.stride]
        assert actual.shape == expected.shape
        error = (actual.detach().double() - expected).abs().max() / expected.std()
        assert error <= (tolerance or self.tolerance), f"{name}: {error:.3g} standard deviations"


def setup(kind, case, dtype, device):
    golden = read(kind, case)
    if kind == "generator":
        net = Generator(GeneratorConfig(**golden.config))
    else:
        net = Discriminator(DiscriminatorConfig(**golden.config))
    net = net.to(device, dtype).eval()
    net.load_state_dict(golden.part("parameters", device, dtype))
    inputs = golden.part("inputs", device, dtype)
    if "image" in inputs:
        inputs["image"] = (inputs["image"] / 128).requires_grad_()  # stored as 8-bit numbers
    expected = golden.part("outputs", device)
    return Setup(net, inputs, expected, golden.stride, TOLERANCE[dtype])


def image_tolerance(case, dtype):
    if case == "rosinality_32" and dtype == torch.float64:
        return EPSILON_TOLERANCE
    return TOLERANCE[dtype]


def probe_weights(tensor):
    """0.5 + cos(i) for the i-th element: its product with a gradient depends on every element."""
    index = torch.arange(tensor.numel(), dtype=tensor.dtype, device=tensor.device)
    return (0.5 + torch.cos(index)).reshape(tensor.shape)


def probed(tensor):
    return (tensor * probe_weights(tensor)).sum()


def gradient_probes(loss, net):
    """Probe the loss's gradient with respect to every parameter, sorted by name."""
    parameters = [tensor for _, tensor in sorted(net.named_parameters())]
    gradients = torch.autograd.grad(loss, parameters, materialize_grads=True)
    return torch.stack([probed(gradient) for gradient in gradients])


def check_probes(state, name, loss, tolerance):
    """Compare the probes; the norms of the expected gradients are the scale of the errors."""
    actual = gradient_probes(loss, state.net)
    norms = state.expected[f"{name}_norms"]
    error = (actual - state.expected[f"{name}_probes"]).abs()
    worst = (error / norms.clamp_min(1e-300)).max()
    assert (error <= tolerance * norms).all(), f"{name}: {worst:.3g} of the gradient's norm"


@pytest.fixture(autouse=True)
def exact_float32(monkeypatch):
    """Keep GPUs from rounding float32 convolutions to TF32."""
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)


@pytest.fixture(
    params=[(case, dtype) for case in CASES for dtype in DTYPES],
    ids=lambda choice: f"{choice[0]}-{choice[1]}".replace("torch.", ""),
)
def choice(request):
    return request.param


def test_mapping_gives_the_published_codes(choice, device):
    state = setup("generator", *choice, device)
    state.check("w", state.net.mapping(state.inputs["z"], state.inputs.get("labels")))


@pytest.mark.parametrize("noise", ["const", "none"])
def test_synthesis_gives_the_published_image(choice, noise, device):
    state = setup("generator", *choice, device)
    image = state.net.synthesis(state.inputs["ws"], noise)
    state.check(f"image_{noise}", image, image_tolerance(*choice))


def test_one_code_for_all_layers_gives_the_published_image(choice, device):
    state = setup("generator", *choice, device)
    w = state.net.mapping(state.inputs["z"], state.inputs.get("labels"))
    image = state.net.synthesis(state.net.broadcast(w), "const")
    state.check("image_end_to_end", image, image_tolerance(*choice))


def test_codes_have_the_published_gradient(choice, device):
    state = setup("generator", *choice, device)
    ws = state.inputs["ws"].requires_grad_()
    loss = probed(state.net.synthesis(ws, "const"))
    (gradient,) = torch.autograd.grad(loss, ws)
    state.check("ws_grad", gradient, image_tolerance(*choice))


@pytest.mark.parametrize("case", CASES)
def test_generator_parameters_have_the_published_gradients(case, device):
    state = setup("generator", case, torch.float64, device)
    w = state.net.mapping(state.inputs["z"], state.inputs.get("labels"))
    image = state.net.synthesis(state.inputs["ws"], "const")
    loss = probed(w) + probed(image)
    check_probes(state, "gradient", loss, image_tolerance(case, torch.float64))


def test_discriminator_gives_the_published_logits(choice, device):
    state = setup("discriminator", *choice, device)
    state.check("logits", state.net(state.inputs["image"], state.inputs.get("labels")))


def test_discriminator_has_the_published_gradient_and_r1_penalty(choice, device):
    state = setup("discriminator", *choice, device)
    image = state.inputs["image"]
    logits = state.net(image, state.inputs.get("labels"))
    (gradient,) = torch.autograd.grad(logits.sum(), image)
    state.check("image_grad", gradient)
    state.check("r1", gradient.square().sum(dim=(1, 2, 3)))


@pytest.mark.parametrize("case", CASES)
def test_discriminator_parameters_have_the_published_gradients(case, device):
    state = setup("discriminator", case, torch.float64, device)
    logits = state.net(state.inputs["image"], state.inputs.get("labels"))
    check_probes(state, "gradient", probed(logits), state.tolerance)


@pytest.mark.parametrize("case", CASES)
def test_r1_penalty_has_the_published_second_order_gradients(case, device):
    state = setup("discriminator", case, torch.float64, device)
    image = state.inputs["image"]
    logits = state.net(image, state.inputs.get("labels"))
    (gradient,) = torch.autograd.grad(logits.sum(), image, create_graph=True)
    penalty = gradient.square().sum(dim=(1, 2, 3)).mean()
    check_probes(state, "r1_gradient", penalty, state.tolerance)
