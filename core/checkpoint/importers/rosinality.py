"""rosinality's networks, and those built on them: the decoders of pSp, e4e and HFGI."""

import re

from .errors import RefusedFileError
from .layouts import BLOCK
from .sources import (
    Network,
    Source,
    Transform,
    build_discriminator,
    build_generator,
    check_multiplier,
    count,
)

GENERATOR_MARK = "input.input"
DISCRIMINATOR_MARK = "final_linear.1.weight"

_CONV = {
    "affine.weight": "conv.modulation.weight",
    "affine.bias": "conv.modulation.bias",
    "weight": "conv.weight",
    "bias": "activate.bias",
    "noise_strength": "noise.weight",
}


def translate_generator(key: str) -> tuple[str, Transform | None]:
    """Return rosinality's name of one of our keys; the tensors are the same."""
    match = BLOCK.fullmatch(key)
    if match:
        return _layer_name(int(match[1]), match[2], match[3]), None
    match = re.fullmatch(r"mapping\.layers\.(\d+)\.(weight|bias)", key)
    if match:
        return f"style.{int(match[1]) + 1}.{match[2]}", None  # number 0 normalises the latent
    return GENERATOR_MARK, None


def _layer_name(block: int, layer: str, end: str) -> str:
    if layer == "to_rgb":
        name = f"to_rgbs.{block - 1}" if block else "to_rgb1"
        return f"{name}.{'bias' if end == 'bias' else _CONV[end]}"
    if end == "noise":
        return f"noises.noise_{2 * block - (layer == 'conv0')}"
    name = f"convs.{2 * block - 2 + (layer == 'conv1')}" if block else "conv1"
    return f"{name}.{_CONV[end]}"


def convert_generator(source: Source) -> Network:
    """Return the generator below a prefix; its noise is drawn where the file has none.

    Raises:
        RefusedFileError: it is no StyleGAN2, or a changed one.
    """
    if any(".iwt." in name or ".dwt." in name for name in source.rest()):
        raise RefusedFileError(
            "It is SWAGAN, which makes wavelets instead of colours.",
            "Only StyleGAN2 itself can be converted.",
        )
    network = build_generator(source, translate_generator)
    network.config["mapping_lr_multiplier"] = check_multiplier(network.tensors)
    return network


def translate_discriminator(key: str) -> tuple[str, Transform | None]:
    """Return rosinality's name of one of our keys; the tensors are the same."""
    first, _, end = key.partition(".")
    match = re.fullmatch(r"blocks\.(\d+)\.(conv0|conv1|skip)\.(weight|bias)", key)
    if match:
        layer = {"conv0": "conv1", "conv1": "conv2", "skip": "skip"}[match[2]]
        number = (match[2] != "conv0") + (match[3] == "bias")  # a filter comes first
        return f"convs.{int(match[1]) + 1}.{layer}.{number}.{match[3]}", None
    if first in ("from_rgb", "conv"):
        name = "convs.0" if first == "from_rgb" else "final_conv"
        return f"{name}.{int(end == 'bias')}.{end}", None
    return f"final_linear.{int(first == 'out')}.{end}", None


def convert_discriminator(source: Source) -> Network:
    """Return the discriminator below a prefix.

    Raises:
        RefusedFileError: it is no residual StyleGAN2 discriminator.
    """
    blocks = count(source, translate_discriminator, "blocks.{}.skip.weight")
    return build_discriminator(source, translate_discriminator, blocks)
