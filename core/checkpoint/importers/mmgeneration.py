"""MMGeneration's networks: rosinality's layers under other names, in BGR where trained there."""

import re

from . import rosinality
from .sources import (
    Network,
    Source,
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


def channels(source: Source) -> str:
    """Return "bgr" for networks that MMGeneration trained itself, else "rgb".

    Its files of training say when they were written; converted official ones, which are RGB, have
    no such note.
    """
    meta = source.contents.settings("meta")
    is_trained = "iter" in meta or "epoch" in meta
    return "bgr" if is_trained and "to_rgb=True" not in str(meta.get("config", "")) else "rgb"


def _translator(translate: Translate) -> Translate:
    """Return rosinality's translation under MMGeneration's names."""

    def renamed(key: str) -> tuple[str, None]:
        name, _ = translate(key)
        for pattern, replacement in _NAMES:
            if re.fullmatch(pattern, name):
                return re.sub(pattern, replacement, name), None
        return name, None

    return renamed


def convert_generator(source: Source) -> Network:
    """Return the generator below a prefix, in the file's order of colours.

    Raises:
        RefusedFileError: it is no StyleGAN2, or a changed one.
    """
    translate = _translator(rosinality.translate_generator)
    network = build_generator(source, translate)
    network.config["mapping_lr_multiplier"] = check_multiplier(network.tensors)
    return network


def convert_discriminator(source: Source) -> Network:
    """Return the discriminator below a prefix, for the file's order of colours.

    Raises:
        RefusedFileError: it is no residual StyleGAN2 discriminator.
    """
    translate = _translator(rosinality.translate_discriminator)
    blocks = count(source, translate, "blocks.{}.skip.weight")
    return build_discriminator(source, translate, blocks)
