"""NVIDIA's TensorFlow networks: StyleGAN2, StyleGAN2-ADA, DiffAugment; TensorFlow is not needed."""

import math
import re

from torch import Tensor

from .errors import RefusedFileError
from .layouts import BLOCK, LABEL_MULTIPLIER, REMEDY, WHOLE_BATCH
from .sources import (
    Network,
    Source,
    Transform,
    Translate,
    add_one,
    build_discriminator,
    build_generator,
    count,
)

GENERATOR_MARK = "synthesis.4x4/Const/const"
DISCRIMINATOR_MARK = "4x4/Dense0/weight"

_NAMES = {"affine.weight": "mod_weight", "affine.bias": "mod_bias"}
_ADA_VERSION = 5
"""Of tflib's networks: 4 is StyleGAN2's, 5 StyleGAN2-ADA's."""


def _dense(weight: Tensor) -> Tensor:
    return weight.t()


def _correlation(weight: Tensor) -> Tensor:
    """[K, K, in, out] to [out, in, K, K]."""
    return weight.permute(3, 2, 0, 1)


def _upsampling(weight: Tensor) -> Tensor:
    """The same for the kernel that upsamples, which is stored the other way round."""
    return _correlation(weight.flip(0, 1))


def _translate_generator(key: str) -> tuple[str, Transform | None]:
    match = BLOCK.fullmatch(key)
    if match:
        return _translate_layer(int(match[1]), match[2], match[3])
    match = re.fullmatch(r"mapping\.layers\.(\d+)\.(weight|bias)", key)
    if match:
        return f"mapping.Dense{match[1]}/{match[2]}", _dense if match[2] == "weight" else None
    if key.startswith("mapping.embed."):
        end = key.rpartition(".")[2]
        return f"mapping.LabelEmbed/{end}", _dense if end == "weight" else None
    return GENERATOR_MARK, None


def _translate_layer(block: int, layer: str, end: str) -> tuple[str, Transform | None]:
    side = 4 * 2**block
    if end == "noise":
        return f"synthesis.noise{2 * block - (layer == 'conv0')}", None
    names = {"conv0": "Conv0_up", "conv1": "Conv1" if block else "Conv", "to_rgb": "ToRGB"}
    transforms = {
        "affine.weight": _dense,
        "affine.bias": add_one,
        "weight": _upsampling if layer == "conv0" else _correlation,
    }
    name = f"synthesis.{side}x{side}/{names[layer]}/{_NAMES.get(end, end)}"
    return name, transforms.get(end)


def convert_generator(source: Source) -> Network:
    """Return the generator below a prefix.

    Raises:
        RefusedFileError: it is no StyleGAN2 of config E or F.
    """
    settings = source.settings()
    _check_settings(settings)
    if source.has("mapping.LabelConcat/weight"):
        raise RefusedFileError(
            "Its labels are joined before the latent is normalised, as in the first StyleGAN2; "
            "later networks normalise both by themselves.",
            "Only generators without labels can be converted from this version.",
        )
    has_rgb = [source.has(f"synthesis.{s}x{s}/ToRGB/weight") for s in (4, 8)]
    if not all(has_rgb):
        raise RefusedFileError(
            "Its generator has no to-RGB layer at every resolution: it is of config A to D or "
            "residual.",
            REMEDY,
        )
    network = build_generator(
        source,
        _translate_generator,
        labels="mapping.LabelEmbed/weight",
        w_avg="dlatent_avg",
        is_extra=lambda name: name in ("lod", "synthesis.lod"),
    )
    multiplier = settings.get("mapping_lrmul")
    is_number = isinstance(multiplier, int | float)
    network.config["mapping_lr_multiplier"] = float(multiplier) if is_number else 0.01
    network.config["conv_clamp"] = _clamp(settings)
    return network


def _check_settings(settings: dict[str, object]) -> None:
    wanted = {
        "resample_kernel": (None, [1, 3, 3, 1]),
        "nonlinearity": (None, "lrelu"),
        "mapping_nonlinearity": (None, "lrelu"),
        "normalize_latents": (None, True),
        "use_noise": (None, True),
        "use_spectral_norm": (None, False),
        "use_pagan": (None, False),
        "adaptive_dropout": (None, 0),
    }
    for name, values in wanted.items():
        if settings.get(name) not in values:
            raise RefusedFileError(f"It was made with {name} = {settings[name]!r:.40}.", REMEDY)


def _clamp(settings: dict[str, object]) -> float | None:
    limit = settings.get("conv_clamp")
    return float(limit) if isinstance(limit, int | float) else None


def _translate_discriminator(resolution: int) -> Translate:
    def translate(key: str) -> tuple[str, Transform | None]:
        first, _, end = key.partition(".")
        match = re.fullmatch(r"blocks\.(\d+)\.(conv0|conv1|skip)\.(.+)", key)
        transform = _correlation if end.endswith("weight") else None
        if match:
            side = resolution // 2 ** int(match[1])
            layer = {"conv0": "Conv0", "conv1": "Conv1_down", "skip": "Skip"}[match[2]]
            return f"{side}x{side}/{layer}/{match[3]}", transform
        if first in ("from_rgb", "conv"):
            layer = "4x4/Conv" if first == "conv" else f"{resolution}x{resolution}/FromRGB"
            return f"{layer}/{end}", transform
        transform = _dense if end.endswith("weight") else None
        if first == "label_layers":
            return "Mapping" + end.replace(".", "/"), transform
        layer = {"embed": "LabelEmbed", "dense": "4x4/Dense0", "out": "Output"}[first]
        return f"{layer}/{end}", transform

    return translate


def convert_discriminator(source: Source) -> Network:
    """Return the discriminator below a prefix.

    Raises:
        RefusedFileError: it is no residual StyleGAN2 discriminator.
    """
    settings = source.settings()
    _check_settings(settings)
    sides = [s for s in (1024, 512, 256, 128, 64, 32) if source.has(f"{s}x{s}/FromRGB/weight")]
    if not sides or not source.has(f"{sides[0]}x{sides[0]}/Skip/weight"):
        raise RefusedFileError("Its discriminator is not the residual one.", REMEDY)
    translate = _translate_discriminator(sides[0])
    depth = count(source, translate, "label_layers.{}.weight")
    if depth and settings.get("mapping_lrmul", 0.1) != LABEL_MULTIPLIER:
        raise RefusedFileError("Its labels are mapped with another learning rate.", REMEDY)
    blocks = int(math.log2(sides[0])) - 2
    network = build_discriminator(source, translate, blocks, "LabelEmbed/weight")
    network.config["stddev_group_size"] = _group_size(settings)
    network.config["conv_clamp"] = _clamp(settings)
    return network


def _group_size(settings: dict[str, object]) -> int:
    """StyleGAN2's default is 4; StyleGAN2-ADA's is None, the whole batch."""
    version = settings.get("version")
    is_ada = isinstance(version, int) and version >= _ADA_VERSION
    size = settings.get("mbstd_group_size", None if is_ada else 4)
    return size if isinstance(size, int) and size > 0 else WHOLE_BATCH
