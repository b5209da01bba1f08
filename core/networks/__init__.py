"""The networks of the method: StyleGAN2's G and D, the encoder, the mixer, the skip encoder."""

from .config import (
    PRESETS,
    DiscriminatorConfig,
    EncoderConfig,
    FamiliarityConfig,
    GeneratorConfig,
    MixerConfig,
    ModelConfig,
    SkipEncoderConfig,
)
from .discriminator import Discriminator
from .encoder import Encoder
from .familiarity import Familiarity
from .generator import Generator
from .mixing import Mixer
from .model import PARTS, DiverseInpaintingModel, Refinement
from .skip_encoder import SkipEncoder

__all__ = [
    "PARTS",
    "PRESETS",
    "Discriminator",
    "DiscriminatorConfig",
    "DiverseInpaintingModel",
    "Encoder",
    "EncoderConfig",
    "Familiarity",
    "FamiliarityConfig",
    "Generator",
    "GeneratorConfig",
    "Mixer",
    "MixerConfig",
    "ModelConfig",
    "Refinement",
    "SkipEncoder",
    "SkipEncoderConfig",
    "build",
]


def build(config: ModelConfig) -> DiverseInpaintingModel:
    """Return a freshly initialised model with the parts that the configuration names."""
    return DiverseInpaintingModel.from_config(config)
