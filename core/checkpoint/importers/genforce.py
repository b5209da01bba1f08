"""GenForce's networks, also those of huggan/stylegan_* on the Hugging Face hub."""

import re

from torch import Tensor

from .errors import RefusedFileError
from .layouts import BLOCK
from .sources import (
    Network,
    Source,
    Transform,
    Translate,
    add_one,
    build_discriminator,
    build_generator,
    check_multiplier,
    count,
)

GENERATOR_MARK = "synthesis.early_layer.const"
DISCRIMINATOR_MARK = "input0.weight"


def _flip(weight: Tensor) -> Tensor:
    """The kernel that upsamples is stored the other way round, as in TensorFlow."""
    return weight.flip(2, 3)


def _translate_generator(key: str) -> tuple[str, Transform | None]:
    match = BLOCK.fullmatch(key)
    if match:
        block, layer, end = int(match[1]), match[2], match[3]
        number = block if layer == "to_rgb" else 2 * block - (layer == "conv0")
        name = f"synthesis.{'output' if layer == 'to_rgb' else 'layer'}{number}"
        transform = add_one if end == "affine.bias" else None
        if (layer, end) == ("conv0", "weight"):
            transform = _flip
        return f"{name}.{end.replace('affine', 'style')}", transform
    key = key.replace("mapping.embed.", "mapping.LabelEmbed.")
    return re.sub(r"mapping\.layers\.", "mapping.dense", key).replace(
        "synthesis.const", GENERATOR_MARK
    ), None


def convert_generator(source: Source) -> Network:
    """Return the generator below a prefix.

    Raises:
        RefusedFileError: it is StyleGAN1 or a changed StyleGAN2.
    """
    if source.has("mapping.label_weight"):
        raise RefusedFileError(
            "Its labels are joined before the latent is normalised, as in the first StyleGAN2.",
            "Only generators without labels can be converted from this version.",
        )
    network = build_generator(
        source,
        _translate_generator,
        labels="mapping.LabelEmbed.weight",
        w_avg="truncation.w_avg",
    )
    network.config["mapping_lr_multiplier"] = check_multiplier(network.tensors)
    return network


def _translate_discriminator(blocks: int) -> Translate:
    def translate(key: str) -> tuple[str, Transform | None]:
        first, _, end = key.partition(".")
        match = re.fullmatch(r"blocks\.(\d+)\.(conv0|conv1|skip)\.(.+)", key)
        if match:
            number = int(match[1])
            if match[2] == "skip":
                return f"skip_layer{number}.{match[3]}", None
            return f"layer{2 * number + (match[2] == 'conv1')}.{match[3]}", None
        numbers = {"conv": 2 * blocks, "dense": 2 * blocks + 1, "out": 2 * blocks + 2}
        name = "input0" if first == "from_rgb" else f"layer{numbers[first]}"
        return f"{name}.{end}", None

    return translate


def convert_discriminator(source: Source) -> Network:
    """Return the discriminator below a prefix.

    Raises:
        RefusedFileError: it is no residual StyleGAN2 discriminator, or has labels.
    """
    blocks = count(source, _translate_discriminator(0), "blocks.{}.skip.weight")
    return build_discriminator(source, _translate_discriminator(blocks), blocks)
