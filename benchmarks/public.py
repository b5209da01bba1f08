"""Public implementations, imported from a checkout that the user names, with the weights of ours.

Nothing of them is in this repository. They run their own plain PyTorch code: their kernels would
be compiled when they are imported, which needs a compiler that few machines have.
"""

import importlib
import math
import sys
from argparse import Namespace
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import torch
import torch.nn.functional as F
from measuring import deviation
from torch import Tensor, nn

from diverse_inpainting.core.checkpoint.importers import nvidia, rosinality
from diverse_inpainting.core.checkpoint.importers.sources import Translate
from diverse_inpainting.core.networks import Encoder, Generator

TOLERANCE = 1e-3
"""Largest difference that two forms of one network may have in float32, in deviations."""
_WIDEST = 512


class Public(nn.Module):
    """A network of somebody else's, called as ours is."""

    def __init__(self, network: nn.Module, run: Callable[[Any, Tensor], Tensor]) -> None:
        super().__init__()
        self.network, self._run = network.eval().requires_grad_(False), run

    def forward(self, x: Tensor) -> Tensor:
        """Return what the network makes of the same input as ours."""
        return self._run(self.network, x)


def check_agreement(name: str, theirs: Tensor, ours: Tensor) -> None:
    """Print how far two results are apart, and stop if they are not the same."""
    worst = deviation(theirs.double(), ours.double())
    print(f"{name}: largest difference {worst:.1e} standard deviations")
    if not worst < TOLERANCE:  # NaN, too
        raise SystemExit(f"{name} computes something else than this project: it is not timed.")


def nvlabs_generator(path: str, generator: Generator) -> Public:
    """Return stylegan2-ada-pytorch's G with the weights of ours."""
    config = generator.config
    with checkout(path, "training", "torch_utils", "dnnlib"):
        networks = importlib.import_module("training.networks")
        for op in ("bias_act", "upfirdn2d"):
            module: Any = importlib.import_module(f"torch_utils.ops.{op}")
            module._init = lambda: False  # whether its kernel is there
        network = networks.Generator(
            config.z_dim,
            0,
            config.w_dim,
            config.resolution,
            3,
            mapping_kwargs={"num_layers": config.mapping_depth},
            synthesis_kwargs={
                "channel_base": config.channel_base,
                "channel_max": config.channel_max,
                "conv_clamp": config.conv_clamp,
            },
        )
    _give_weights(generator, network, nvidia.translate_generator)
    return Public(network.synthesis, lambda G, ws: G(ws, noise_mode="const"))


def rosinality_generator(path: str, generator: Generator) -> Public:
    """Return stylegan2-pytorch's G with the weights of ours."""
    config = generator.config
    multiplier = config.channel_base // 16384
    if config.channel_max != _WIDEST or config.channel_base != 16384 * max(multiplier, 1):
        raise SystemExit("rosinality has tables of channels of base 16384 or 32768, 512 at most.")
    with checkout(path, "op", "model"):
        _use_plain_ops(importlib.import_module("op"))
        model = importlib.import_module("model")
        network = model.Generator(
            config.resolution, config.w_dim, config.mapping_depth, channel_multiplier=multiplier
        )
    _give_weights(generator, network, rosinality.translate_generator)
    return Public(network, lambda G, ws: G([ws], input_is_latent=True, randomize_noise=False)[0])


def psp_encoder(path: str, encoder: Encoder) -> Public:
    """Return pixel2style2pixel's GradualStyleEncoder with the weights of ours.

    Where it has no bias, ours loses it; its batch norms, which ours has not, pass on what comes.
    """
    config = encoder.config
    if config.kind != "psp" or config.resolution != 256:
        raise SystemExit("pSp's encoder is that of the preset paper256.")
    with checkout(path, "models"):
        _use_plain_ops(importlib.import_module("models.stylegan2.op"))
        encoders = importlib.import_module("models.encoders.psp_encoders")
        options = Namespace(input_nc=4, n_styles=config.num_layers)
        network = encoders.GradualStyleEncoder(50, "ir_se", options)
    _copy_encoder(encoder.network, network)
    return Public(network, lambda E, x: E(x))


GENERATORS = {"nvlabs": nvlabs_generator, "rosinality": rosinality_generator}
ENCODERS = {"psp": psp_encoder}


@contextmanager
def checkout(path: str, *packages: str) -> Iterator[None]:
    """Import from a checkout, without compiling; its modules are forgotten afterwards."""
    folder = Path(path).resolve()
    if not any((folder / name).is_dir() for name in packages):
        raise SystemExit(f"Expected a checkout with the folder {packages[0]}, got {folder}.")
    before = set(sys.modules)
    sys.path.insert(0, str(folder))
    try:
        with mock.patch("torch.utils.cpp_extension.load", lambda *args, **kwargs: None):
            yield
    finally:
        sys.path.remove(str(folder))
        for name in set(sys.modules) - before:
            if name.split(".")[0] in packages:
                del sys.modules[name]


def _use_plain_ops(ops: Any) -> None:  # noqa: ANN401 - a module has no attributes of its own
    """Give rosinality's package `op`, and pSp's copy of it, the code that it has for a CPU."""
    plain = importlib.import_module(f"{ops.__name__}.upfirdn2d").upfirdn2d_native

    def upfirdn2d(
        x: Tensor, kernel: Tensor, up: int = 1, down: int = 1, pad: tuple[int, int] = (0, 0)
    ) -> Tensor:
        return plain(x, kernel, up, up, down, down, *pad, *pad)

    def fused_leaky_relu(
        x: Tensor, bias: Tensor, negative_slope: float = 0.2, scale: float = 2**0.5
    ) -> Tensor:
        bias = bias.view(1, -1, *[1] * (x.ndim - 2))
        return F.leaky_relu(x + bias, negative_slope) * scale

    activation: Any = importlib.import_module(f"{ops.__name__}.fused_act")
    for module in (ops, activation):
        module.fused_leaky_relu = fused_leaky_relu
    ops.upfirdn2d = upfirdn2d


@torch.no_grad()
def _give_weights(generator: Generator, network: nn.Module, translate: Translate) -> None:
    """Copy our weights to the names that the importers know; the shapes differ in ones."""
    theirs = network.state_dict()
    for key, value in generator.state_dict().items():
        name, _ = translate(key)
        if key != "mapping.w_avg":
            theirs[name].copy_(value.reshape(theirs[name].shape))


@torch.no_grad()
def _copy_encoder(ours: Any, theirs: Any) -> None:  # noqa: ANN401 - theirs has no types
    """Copy our weights and, in batch norms, biases."""
    _copy_conv(ours.stem, theirs.input_layer[0], theirs.input_layer[1])
    theirs.input_layer[2].load_state_dict(ours.stem_activation.state_dict())
    units = [unit for stage in ours.stages for unit in stage]
    for unit, block in zip(units, theirs.body, strict=True):
        first_norm, conv0, activation, conv1, last_norm, squeeze = block.res_layer
        _pass_on(first_norm)
        _copy_conv(unit.conv0, conv0)
        activation.load_state_dict(unit.activation.state_dict())
        _copy_conv(unit.conv1, conv1, last_norm)
        _copy_conv(unit.scale.squeeze, squeeze.fc1)
        _copy_conv(unit.scale.excite, squeeze.fc2)
        if unit.shortcut is not None:
            _copy_conv(unit.shortcut, *block.shortcut_layer)
    theirs.latlayer1.load_state_dict(ours.lateral_middle.state_dict())
    theirs.latlayer2.load_state_dict(ours.lateral_fine.state_dict())
    for head, style in zip(ours.heads, theirs.styles, strict=True):
        style.convs.load_state_dict(head.convs.state_dict())
        style.linear.load_state_dict(head.linear.state_dict())


def _copy_conv(ours: nn.Conv2d, theirs: nn.Conv2d, norm: nn.BatchNorm2d | None = None) -> None:
    theirs.weight.copy_(ours.weight)
    assert ours.bias is not None
    if norm is None:
        ours.bias.zero_()
    else:
        _pass_on(norm)
        ours.bias.normal_(std=0.1)
        norm.bias.copy_(ours.bias)


def _pass_on(norm: nn.BatchNorm2d) -> None:
    """Make a batch norm in eval mode the identity."""
    norm.weight.fill_(math.sqrt(1 + norm.eps))
