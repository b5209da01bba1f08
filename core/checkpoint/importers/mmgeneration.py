"""MMGeneration's networks: rosinality's layers under other names, in BGR where trained there."""

import re

from torch import Tensor

from . import rosinality
from .sources import (
    Network,
    Source,
    Transform,
    Translate,
    build_discriminator,
    build_generator,
    check_multiplier,
    count,
)

GENERATOR_MARK = "constant_input.input"
DISCRIMINATOR_MARK = "final_linear.1.linear.weight_orig"

_NAMES: tuple[tuple[str, str], ...] = (
    (r"input\.input", GENERATOR_MARK),
    (r"style\.(\d+)\.weight", r"style_mapping.\1.linear.weight_orig"),
    (r"style\.(\d+)\.bias", r"style_mapping.\1.bias"),
    (r"noises\.noise_(\d+)", r"injected_noise_\1"),
    (r"(.+)\.conv\.modulation\.weight", r"\1.conv.style_modulation.linear.weight_orig"),
    (r"(.+)\.conv\.modulation\.bias", r"\1.conv.style_modulation.bias"),
    (r"(.+)\.conv\.weight", r"\1.conv.weight_orig"),
    (r"(.+)\.noise\.weight", r"\1.noise_injector.weight"),
    (r"final_linear\.(\d)\.weight", r"final_linear.\1.linear.weight_orig"),
    (r"((?:convs|final_conv)\..*\d)\.weight", r"\1.conv.weight_orig"),
)
"""rosinality's names, and what MMGeneration calls the same; all others are equal."""


def _reverse_outputs(values: Tensor) -> Tensor:
    return values.flip(0)


def _reverse_inputs(weight: Tensor) -> Tensor:
    return weight.flip(1)


def is_bgr(source: Source) -> bool:
    """Return whether the network makes BGR: those that MMGeneration trained itself do.

    Its files of training say when they were written; converted official ones, which are RGB, have
    no such note.
    """
    meta = source.contents.settings("meta")
    text = str(meta.get("config", ""))
    return ("iter" in meta or "epoch" in meta) and "to_rgb=True" not in text


def _translator(translate: Translate, reverses: bool) -> Translate:
    """Return rosinality's translation under MMGeneration's names, colours reversed if wanted."""

    def renamed(key: str) -> tuple[str, Transform | None]:
        name, _ = translate(key)
        for pattern, replacement in _NAMES:
            if re.fullmatch(pattern, name):
                name = re.sub(pattern, replacement, name)
                break
        if reverses and key.endswith(("to_rgb.weight", "to_rgb.bias")):
            return name, _reverse_outputs
        return name, _reverse_inputs if reverses and key == "from_rgb.weight" else None

    return renamed


def convert_generator(source: Source) -> Network:
    """Return the generator below a prefix, in RGB.

    Raises:
        RefusedFileError: it is no StyleGAN2, or a changed one.
    """
    translate = _translator(rosinality.translate_generator, is_bgr(source))
    network = build_generator(source, translate)
    network.config["mapping_lr_multiplier"] = check_multiplier(network.tensors)
    return network


def convert_discriminator(source: Source) -> Network:
    """Return the discriminator below a prefix, for RGB.

    Raises:
        RefusedFileError: it is no residual StyleGAN2 discriminator.
    """
    translate = _translator(rosinality.translate_discriminator, is_bgr(source))
    blocks = count(source, translate, "blocks.{}.skip.weight")
    return build_discriminator(source, translate, blocks)
