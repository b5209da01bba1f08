"""MMGeneration's networks."""

import re

from torch import Tensor

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

_BLOCK = re.compile(r"synthesis\.blocks\.(\d+)\.(conv0|conv1|to_rgb)\.(.+)")
_CONV = {
    "affine.weight": "conv.style_modulation.linear.weight_orig",
    "affine.bias": "conv.style_modulation.bias",
    "weight": "conv.weight_orig",
    "bias": "activate.bias",
    "noise_strength": "noise_injector.weight",
}


def _first_axis_reversed(values: Tensor) -> Tensor:
    return values.flip(0)


def _second_axis_reversed(weight: Tensor) -> Tensor:
    return weight.flip(1)


def is_bgr(source: Source) -> bool:
    """Return whether the network makes BGR: those that MMGeneration trained itself do.

    Its files of training say when they were written; converted official ones, which are RGB, have
    no such note.
    """
    meta = source.contents.settings("meta")
    text = str(meta.get("config", ""))
    return ("iter" in meta or "epoch" in meta) and "to_rgb=True" not in text


def _translate_generator(reverses: bool) -> Translate:
    def translate(key: str) -> tuple[str, Transform | None]:
        match = _BLOCK.fullmatch(key)
        if match:
            block, layer, end = int(match[1]), match[2], match[3]
            is_colour = layer == "to_rgb" and end in ("weight", "bias")
            transform = _first_axis_reversed if reverses and is_colour else None
            return _layer_name(block, layer, end), transform
        match = re.fullmatch(r"mapping\.layers\.(\d+)\.(weight|bias)", key)
        if match:
            end = "linear.weight_orig" if match[2] == "weight" else "bias"
            return f"style_mapping.{int(match[1]) + 1}.{end}", None
        return GENERATOR_MARK, None

    return translate


def _layer_name(block: int, layer: str, end: str) -> str:
    if layer == "to_rgb":
        name = f"to_rgbs.{block - 1}" if block else "to_rgb1"
        return f"{name}.{'bias' if end == 'bias' else _CONV[end]}"
    if end == "noise":
        return f"injected_noise_{2 * block - (layer == 'conv0')}"
    name = f"convs.{2 * block - 2 + (layer == 'conv1')}" if block else "conv1"
    return f"{name}.{_CONV[end]}"


def convert_generator(source: Source) -> Network:
    """Return the generator below a prefix, in RGB.

    Raises:
        RefusedFileError: it is no StyleGAN2, or a changed one.
    """
    network = build_generator(source, _translate_generator(is_bgr(source)))
    network.config["mapping_lr_multiplier"] = check_multiplier(network.tensors)
    return network


def _translate_discriminator(reverses: bool) -> Translate:
    def translate(key: str) -> tuple[str, Transform | None]:
        first, _, end = key.partition(".")
        match = re.fullmatch(r"blocks\.(\d+)\.(conv0|conv1|skip)\.(weight|bias)", key)
        if match:
            layer = {"conv0": "conv1", "conv1": "conv2", "skip": "skip"}[match[2]]
            number = (match[2] != "conv0") + (match[3] == "bias")  # a filter comes first
            return f"convs.{int(match[1]) + 1}.{layer}.{number}.{_weight(match[3])}", None
        if first in ("from_rgb", "conv"):
            name = "convs.0" if first == "from_rgb" else "final_conv"
            turns = reverses and (first, end) == ("from_rgb", "weight")
            return (
                f"{name}.{int(end == 'bias')}.{_weight(end)}",
                _second_axis_reversed if turns else None,
            )
        end = "linear.weight_orig" if end == "weight" else "bias"
        return f"final_linear.{int(first == 'out')}.{end}", None

    return translate


def _weight(end: str) -> str:
    return "conv.weight_orig" if end == "weight" else end


def convert_discriminator(source: Source) -> Network:
    """Return the discriminator below a prefix, for RGB.

    Raises:
        RefusedFileError: it is no residual StyleGAN2 discriminator.
    """
    translate = _translate_discriminator(is_bgr(source))
    blocks = count(source, translate, "blocks.{}.skip.weight")
    return build_discriminator(source, translate, blocks)
