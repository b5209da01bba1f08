"""NVIDIA's PyTorch networks: stylegan2-ada-pytorch, the stylegan3 repository's StyleGAN2, StyleRes.

Their pickles hold modules; state dicts with the same names come as .pt and .safetensors.
"""

import re
from typing import Any

from .errors import RefusedFileError
from .layouts import BLOCK, LABEL_MULTIPLIER, REMEDY, WHOLE_BATCH
from .sources import (
    Network,
    Source,
    Translate,
    build_discriminator,
    build_generator,
    check_multiplier,
)

GENERATOR_MARK = "synthesis.b4.const"
DISCRIMINATOR_MARK = "b4.fc.weight"

_SIDES = tuple(2**i for i in range(2, 11))
_EXTRA = re.compile(r"synthesis\.b\d+\.modify_feature_\w+\.")
"""StyleRes edits features with these, beside the generator's own layers."""
_STYLERES_CLAMP = 256.0
"""The default of StyleRes's code; its files hold tensors only."""


def translate_generator(key: str) -> tuple[str, None]:
    """Return NVIDIA's name of one of our keys; the tensors are the same."""
    match = BLOCK.fullmatch(key)
    if match:
        layer = match[2].replace("to_rgb", "torgb")
        name = {"noise": "noise_const"}.get(match[3], match[3])
        return f"synthesis.b{4 * 2 ** int(match[1])}.{layer}.{name}", None
    return key.replace("synthesis.const", GENERATOR_MARK).replace(
        "mapping.layers.", "mapping.fc"
    ), None


def convert_generator(source: Source) -> Network:
    """Return the generator below a prefix.

    Raises:
        RefusedFileError: it is no StyleGAN2 of config E or F.
    """
    sides = [side for side in _SIDES if source.has(f"synthesis.b{side}.conv1.weight")]
    _check_generator(source, sides)
    network = build_generator(
        source,
        translate_generator,
        labels="mapping.embed.weight",
        w_avg="mapping.w_avg",
        is_extra=lambda name: bool(_EXTRA.match(name)),
    )
    multiplier = source.settings("mapping.fc0").get("bias_gain")
    network.config["mapping_lr_multiplier"] = (
        float(multiplier)
        if isinstance(multiplier, int | float)
        else check_multiplier(network.tensors)
    )
    layers = [f"synthesis.b{side}.{name}" for side in sides for name in ("conv0", "conv1", "torgb")]
    default = _STYLERES_CLAMP if source.rest() else None
    network.config["conv_clamp"] = _clamp(source, layers, default)
    told = source.contents.settings("")
    if multiplier is None and default is None and "init_kwargs" not in told:
        source.notes.append(_assumption(network.config))
    return network


def _assumption(config: dict[str, Any]) -> str:
    """Return a sentence about what tensors alone do not tell."""
    return (
        f"The file has tensors only. Assumed: a learning-rate multiplier of "
        f"{config['mapping_lr_multiplier']:g} for its {config['mapping_depth']} mapping layers, "
        "and no limit on features (generators that NVIDIA trained in half precision have 256)."
    )


def _check_generator(source: Source, sides: list[int]) -> None:
    for side in sides:
        block = f"synthesis.b{side}"
        if source.has(f"{block}.skip.weight") or not source.has(f"{block}.torgb.weight"):
            raise RefusedFileError(
                "Its generator has no to-RGB layer at every resolution: it is of the residual or "
                "original architecture.",
                REMEDY,
            )
    _check_activations(source)


def _check_activations(source: Source) -> None:
    for name, settings in source.contents.attributes.items():
        if name.startswith(source.prefix) and settings.get("activation") not in (
            *(None, "lrelu", "linear"),
        ):
            raise RefusedFileError(
                f"Its layer {name} has the activation {settings['activation']!r:.40}.", REMEDY
            )


def _clamp(source: Source, layers: list[str], default: float | None) -> float | None:
    """Return the limit of the layers, from themselves or from the file's own notes."""
    known = [settings for layer in layers if (settings := source.settings(layer))]
    if not known:
        noted: Any = source.contents.settings("").get("conv_clamp", default)
        return float(noted) if isinstance(noted, int | float) else default
    limit = known[0].get("conv_clamp")
    if any(settings.get("conv_clamp") != limit for settings in known):
        raise RefusedFileError("Its layers are clamped at different limits.", REMEDY)
    return float(limit) if isinstance(limit, int | float) else None


def _translate_discriminator(sides: list[int]) -> Translate:
    def translate(key: str) -> tuple[str, None]:
        match = re.fullmatch(r"blocks\.(\d+)\.(.+)", key)
        if match:
            return f"b{sides[int(match[1])]}.{match[2]}", None
        first, _, end = key.partition(".")
        if first == "from_rgb":
            return f"b{sides[0]}.fromrgb.{end}", None
        if first == "label_layers":
            return f"mapping.fc{end}", None
        return {"embed": f"mapping.embed.{end}", "dense": f"b4.fc.{end}"}.get(
            first, f"b4.{key}"
        ), None

    return translate


def convert_discriminator(source: Source) -> Network:
    """Return the discriminator below a prefix.

    Raises:
        RefusedFileError: it is no residual StyleGAN2 discriminator.
    """
    sides = [side for side in reversed(_SIDES) if source.has(f"b{side}.conv0.weight")]
    if not sides or not source.has(f"b{sides[0]}.skip.weight"):
        raise RefusedFileError("Its discriminator is not the residual one.", REMEDY)
    _check_activations(source)
    translate = _translate_discriminator(sides)
    multiplier = source.settings("mapping.fc0").get("bias_gain")
    if multiplier not in (None, LABEL_MULTIPLIER):
        raise RefusedFileError("Its labels are mapped with another learning rate.", REMEDY)
    network = build_discriminator(source, translate, len(sides), "mapping.embed.weight")
    group_size = source.settings("b4.mbstd").get("group_size", 4)
    is_number = isinstance(group_size, int | float) and group_size >= 1
    network.config["stddev_group_size"] = int(group_size) if is_number else WHOLE_BATCH
    layers = [f"b{side}.{conv}" for side in sides for conv in ("conv0", "conv1")]
    network.config["conv_clamp"] = _clamp(
        source, [*layers, f"b{sides[0]}.fromrgb", "b4.conv"], None
    )
    return network
