"""Configurations of the networks and the named presets.

Every field carries its meaning below it; `ModelConfig` is what a checkpoint stores as JSON.
"""

import dataclasses
import math
from dataclasses import dataclass, field
from typing import Any, Literal, Self

from ..config_fields import check_fields, from_mapping, require_positive
from ..errors import ConfigError

_NEWER = "Correct the name, or update diverse-inpainting if the file is newer than it."


def _require(holds: bool, expected: str, got: object, remedy: str) -> None:
    if not holds:
        raise ConfigError(expected, repr(got), remedy)


def _require_resolution(resolution: int) -> None:
    _require(
        resolution in (32, 64, 128, 256, 512, 1024),
        "a resolution of 32, 64, 128, 256, 512 or 1024 pixels",
        resolution,
        "StyleGAN2 grows in powers of two; choose the nearest one.",
    )


def _require_channels(config: "GeneratorConfig | DiscriminatorConfig") -> None:
    require_positive(config, "channel_base", "channel_max")
    _require(
        config.channel_base >= config.resolution,
        f"a {type(config).__name__}.channel_base of at least {config.resolution}, the resolution",
        config.channel_base,
        "A smaller one leaves no channel at the full resolution.",
    )


def _require_clamp(config: "GeneratorConfig | DiscriminatorConfig") -> None:
    if config.conv_clamp is not None:
        require_positive(config, "conv_clamp")


def num_layers(resolution: int) -> int:
    """Return L, the number of style layers of a generator: 2 log2(R) - 2.

    Source: Karras et al. 2020, arXiv:1912.04958; 14 at 256 pixels as in the paper, Appendix A.
    """
    return 2 * int(math.log2(resolution)) - 2


@dataclass(frozen=True, kw_only=True)
class GeneratorConfig:
    """A StyleGAN2 generator of the config F family: mapping network and skip synthesis network."""

    resolution: int = 256
    """Side of the image in pixels, a power of two from 32 to 1024."""
    z_dim: int = 512
    """Width of the random latent z."""
    w_dim: int = 512
    """D, width of one style code w."""
    channel_base: int = 16384
    """Feature maps at side r have min(channel_base / r, channel_max) channels."""
    channel_max: int = 512
    """Upper limit of the channels at any resolution."""
    mapping_depth: int = 8
    """Fully connected layers in the mapping network."""
    mapping_lr_multiplier: float = 0.01
    """Learning-rate multiplier of the mapping network's layers."""
    num_classes: int = 0
    """Class labels the generator is conditioned on; 0 for none."""
    conv_clamp: float | None = None
    """Limit of what a convolution or to-RGB layer gives, in either direction; None for no limit.
    Generators that NVIDIA trained in half precision have 256, and it acts in float32 as well."""

    def __post_init__(self) -> None:
        check_fields(self)
        _require_resolution(self.resolution)
        require_positive(self, "z_dim", "w_dim", "mapping_depth", "mapping_lr_multiplier")
        _require_clamp(self)
        _require_channels(self)

    @property
    def num_layers(self) -> int:
        """L, style layers; the last is that of the final to-RGB layer."""
        return num_layers(self.resolution)

    @property
    def block_resolutions(self) -> tuple[int, ...]:
        """Sides of the synthesis blocks, 4 first."""
        return tuple(2**i for i in range(2, int(math.log2(self.resolution)) + 1))

    def channels(self, side: int) -> int:
        """Return the number of channels of the feature maps with the given side."""
        return min(self.channel_base // side, self.channel_max)


@dataclass(frozen=True, kw_only=True)
class DiscriminatorConfig:
    """The residual StyleGAN2 discriminator."""

    resolution: int = 256
    """Side of the image in pixels."""
    channel_base: int = 16384
    """As in the generator."""
    channel_max: int = 512
    """As in the generator."""
    num_classes: int = 0
    """Class labels (projection discriminator); 0 for none."""
    stddev_group_size: int = 4
    """Samples per minibatch-standard-deviation group."""
    stddev_channels: int = 1
    """Feature channels that the minibatch standard deviation adds."""
    mapping_depth: int = 8
    """Fully connected layers that map a label after its embedding, 0 or more; unused without
    labels."""
    conv_clamp: float | None = None
    """As in the generator; the residual sums are not limited."""

    def __post_init__(self) -> None:
        check_fields(self)
        _require_resolution(self.resolution)
        require_positive(self, "stddev_group_size", "stddev_channels")
        _require_clamp(self)
        _require_channels(self)
        _require(
            self.channels(4) % self.stddev_channels == 0,
            f"stddev_channels that divide the {self.channels(4)} channels at 4x4",
            self.stddev_channels,
            "StyleGAN2's is 1.",
        )

    def channels(self, side: int) -> int:
        """Return the number of channels of the feature maps with the given side."""
        return min(self.channel_base // side, self.channel_max)


@dataclass(frozen=True, kw_only=True)
class EncoderConfig:
    """E: erased image and mask to W+ codes."""

    kind: Literal["psp", "small"] = "psp"
    """`psp`: GradualStyleEncoder over IR-SE-50, as the paper; `small`: a light residual trunk."""
    resolution: int = 256
    """Side of the image in pixels."""
    w_dim: int = 512
    """D, width of one style code."""
    width: int = 64
    """Channels of the first stage; later stages have 2x, 4x and 8x (limited by max_width)."""
    max_width: int = 512
    """Upper limit of the channels."""
    depths: tuple[int, int, int, int] = (3, 4, 14, 3)
    """Residual units per stage; (3, 4, 14, 3) is IR-SE-50."""

    def __post_init__(self) -> None:
        check_fields(self)
        _require_resolution(self.resolution)
        require_positive(self, "w_dim", "width", "max_width", "depths")

    @property
    def num_layers(self) -> int:
        """L, style layers."""
        return num_layers(self.resolution)


@dataclass(frozen=True, kw_only=True)
class MixerConfig:
    """Mi (Eq. 1): joins encoded and random codes."""

    kind: Literal["gated", "fc", "none"] = "gated"
    """`gated`: Eq. 1; `fc`: W_out = W_comb (model 3 of Table 3); `none`: W_out = W_enc (pSp)."""
    num_layers: int = 14
    """L, style layers."""
    w_dim: int = 512
    """D, width of one style code."""

    def __post_init__(self) -> None:
        check_fields(self)
        require_positive(self, "num_layers", "w_dim")


@dataclass(frozen=True, kw_only=True)
class SkipEncoderConfig:
    """S (Appendix A): stage-1 composite, erased image and mask to maps for Eq. 7."""

    resolution: int = 256
    """Side of the image in pixels."""
    stem_width: int = 32
    """Channels after the first convolution."""
    widths: tuple[int, int, int] = (48, 64, 96)
    """Channels of the three maps, the largest first."""
    layers_per_block: int = 3
    """Residual layers in each residual block."""
    largest_side: int | None = None
    """Side of the largest map in pixels, a power of two from 16 to R/2; None for R/2. The others
    have a half and a quarter of it: 128, 64 and 32 in the paper."""

    def __post_init__(self) -> None:
        check_fields(self)
        _require_resolution(self.resolution)
        require_positive(self, "stem_width", "layers_per_block", "widths")
        allowed = [2**k for k in range(4, int(math.log2(self.resolution)))]
        _require(
            self.largest_side is None or self.largest_side in allowed,
            f"a largest_side among {', '.join(map(str, allowed))}",
            self.largest_side,
            "Omit it for half the resolution.",
        )

    @property
    def sides(self) -> tuple[int, int, int]:
        """Sides of the three maps, the largest first."""
        largest = self.largest_side or self.resolution // 2
        return largest, largest // 2, largest // 4


@dataclass(frozen=True, kw_only=True)
class FamiliarityConfig:
    """The classifier of images that the model does not know."""

    side: int = 32
    """Side at which it sees images, in pixels; at most that of the generator."""
    widths: tuple[int, int, int] = (32, 64, 128)
    """Channels at a half, a quarter and an eighth of the side."""
    features: int = 64
    """Width of the hidden layer."""

    def __post_init__(self) -> None:
        check_fields(self)
        _require_resolution(self.side)
        require_positive(self, "widths", "features")


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """All networks of the method; parts that a checkpoint does not hold are None."""

    generator: GeneratorConfig = field(default_factory=GeneratorConfig)
    discriminator: DiscriminatorConfig | None = None
    encoder: EncoderConfig | None = None
    mixer: MixerConfig | None = None
    skip_encoder: SkipEncoderConfig | None = None
    familiarity: FamiliarityConfig | None = None

    def __post_init__(self) -> None:
        for part in (self.discriminator, self.encoder, self.skip_encoder):
            if part is not None:
                _require(
                    part.resolution == self.generator.resolution,
                    f"{type(part).__name__}.resolution = {self.generator.resolution}, "
                    "that of the generator",
                    part.resolution,
                    "Give all networks one resolution.",
                )
        if self.familiarity is not None:
            _require(
                self.familiarity.side <= self.generator.resolution,
                f"FamiliarityConfig.side of at most {self.generator.resolution}, the resolution",
                self.familiarity.side,
                "Let it see images at the generator's resolution or smaller.",
            )
        if self.discriminator is not None:
            _require(
                self.discriminator.num_classes in (0, self.generator.num_classes),
                f"DiscriminatorConfig.num_classes of 0 or {self.generator.num_classes}, as many as "
                "the generator has",
                self.discriminator.num_classes,
                "Give both networks the same classes.",
            )
        for part in (self.encoder, self.mixer):
            if part is not None:
                wanted = (self.generator.num_layers, self.generator.w_dim)
                _require(
                    (part.num_layers, part.w_dim) == wanted,
                    f"{type(part).__name__} with (style layers, w_dim) = {wanted}",
                    (part.num_layers, part.w_dim),
                    "Give encoder and mixer the generator's number of layers and w_dim.",
                )

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON; absent parts and limits are left out.

        A file without a limit is then what versions wrote that knew of none, and they can read it.
        """
        return {
            name: {field: value for field, value in part.items() if value is not None}
            for name, part in dataclasses.asdict(self).items()
            if part is not None
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """Build the configuration from plain data.

        Raises:
            ConfigError: a part or field is unknown, is missing or has a wrong value.
        """
        _require(
            isinstance(data, dict) and "generator" in data,
            "a model configuration with a generator",
            sorted(data) if isinstance(data, dict) else data,
            "Write the file again with this project's tools.",
        )
        _require(
            set(data) <= set(_PARTS),
            f"parts among {sorted(_PARTS)}",
            sorted(data),
            "Update diverse-inpainting if the file is newer than it.",
        )
        parts: dict[str, Any] = {
            name: from_mapping(_PARTS[name], part, _PARTS[name].__name__, _NEWER)
            for name, part in data.items()
        }
        return cls(**parts)


_PARTS: dict[str, type] = {
    "generator": GeneratorConfig,
    "discriminator": DiscriminatorConfig,
    "encoder": EncoderConfig,
    "mixer": MixerConfig,
    "skip_encoder": SkipEncoderConfig,
    "familiarity": FamiliarityConfig,
}


def _preset(
    generator: GeneratorConfig, encoder: EncoderConfig, skip_encoder: SkipEncoderConfig
) -> ModelConfig:
    return ModelConfig(
        generator=generator,
        discriminator=DiscriminatorConfig(
            resolution=generator.resolution,
            channel_base=generator.channel_base,
            channel_max=generator.channel_max,
        ),
        encoder=encoder,
        mixer=MixerConfig(num_layers=generator.num_layers, w_dim=generator.w_dim),
        skip_encoder=skip_encoder,
    )


def _demo(
    resolution: int, channel_base: int, mapping_depth: int, skip_widths: tuple[int, int, int]
) -> ModelConfig:
    """Narrower skip encoders than the paper's, so that the bundled file stays under 26 MB."""
    return _preset(
        GeneratorConfig(
            resolution=resolution,
            z_dim=256,
            w_dim=256,
            channel_base=channel_base,
            channel_max=256,
            mapping_depth=mapping_depth,
        ),
        EncoderConfig(
            kind="small",
            resolution=resolution,
            w_dim=256,
            width=32,
            max_width=80,
            depths=(1, 2, 2, 1),
        ),
        SkipEncoderConfig(resolution=resolution, stem_width=skip_widths[0], widths=skip_widths),
    )


PRESETS: dict[str, ModelConfig] = {
    "paper256": _preset(GeneratorConfig(), EncoderConfig(), SkipEncoderConfig()),
    "demo128": _demo(128, 8192, mapping_depth=2, skip_widths=(32, 40, 48)),
    "demo64": _demo(64, 1024, mapping_depth=8, skip_widths=(16, 24, 32)),
}
"""Named configurations: the paper's FFHQ-256 setting and the two demo sizes."""
