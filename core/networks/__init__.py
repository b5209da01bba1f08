"""The networks of the method: StyleGAN2's G and D, the encoder, the mixer, the skip encoder."""

from torch import nn

from .config import (
    PRESETS,
    DiscriminatorConfig,
    EncoderConfig,
    GeneratorConfig,
    MixerConfig,
    ModelConfig,
    SkipEncoderConfig,
)
from .discriminator import Discriminator
from .encoder import Encoder
from .generator import Generator
from .mixing import Mixer
from .skip_encoder import SkipEncoder

__all__ = [
    "PRESETS",
    "Discriminator",
    "DiscriminatorConfig",
    "Encoder",
    "EncoderConfig",
    "Generator",
    "GeneratorConfig",
    "Mixer",
    "MixerConfig",
    "ModelConfig",
    "SkipEncoder",
    "SkipEncoderConfig",
    "build",
]


def build(config: ModelConfig) -> dict[str, nn.Module]:
    """Return the parts that the configuration names, by name, freshly initialised."""
    modules: dict[str, nn.Module] = {"generator": Generator(config.generator)}
    if config.discriminator is not None:
        modules["discriminator"] = Discriminator(config.discriminator)
    if config.encoder is not None:
        modules["encoder"] = Encoder(config.encoder)
    if config.mixer is not None:
        modules["mixer"] = Mixer(config.mixer)
    if config.skip_encoder is not None:
        modules["skip_encoder"] = SkipEncoder(config.skip_encoder, config.generator)
    return modules
