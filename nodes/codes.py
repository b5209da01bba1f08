"""Nodes that make style codes: encode, sample, mix."""

from typing import TYPE_CHECKING, ClassVar

from torch import Tensor

from . import declare, host
from .declare import CODES, ERASED, IMAGE, Inputs, Node, socket

if TYPE_CHECKING:
    from ..core.geometry import Erased
    from ..core.inpainter import Inpainter
    from ..core.latents import WPlus


class EncodeErased(Node):
    """DI_EncodeErased: erase the hole and encode the rest."""

    DESCRIPTION = (
        "Erases the masked part of an image and encodes the rest as style codes. This is the first "
        "step of Diverse Inpaint, which does all of them in one node."
    )
    SEARCH_ALIASES: ClassVar[list[str]] = ["gan inversion", "encode inpaint", "invert image"]
    RETURN_TYPES = (ERASED, CODES, IMAGE)
    RETURN_NAMES = ("erased", "encoded", "seen")
    OUTPUT_TOOLTIPS = (
        "The erased image and where it came from, for Refine with Skip Encoder and Composite "
        "Completions.",
        "Style codes of the visible part (W_enc), one set per image.",
        "What the encoder saw: a square at the model's resolution, erased pixels in grey.",
    )

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        """Declare the inputs."""
        from ..core.crops import CROP_MODES

        return {
            "required": {
                "model": declare.model(),
                "image": declare.image(),
                "mask": declare.mask(),
                "crop_mode": declare.crop_mode(CROP_MODES),
                "margin": declare.margin(),
            }
        }

    def execute(
        self, model: "Inpainter", image: Tensor, mask: Tensor, crop_mode: str, margin: float
    ) -> tuple["Erased", "WPlus", Tensor]:
        """Return the erased images, W_enc and what the encoder saw."""
        from ..core.image import image_to_bhwc

        host.make_room_for(model, len(image))
        # Of another size, an empty mask is what Load Image gives for an image without alpha.
        is_meant = mask.shape[-2:] == image.shape[1:3]
        erased, encoded = model.encode(
            image, mask, crop_mode, margin, may_be_empty=is_meant, on_step=host.step_bar()
        )
        seen = host.to_output(image_to_bhwc(erased.erased))
        outputs = host.erased_to_output(erased), host.codes_to_output(encoded), seen
        return host.with_warnings(outputs, model.warnings(erased))


class SampleW(Node):
    """DI_SampleW: random codes of numbered variants."""

    DESCRIPTION = (
        "Samples random style codes, which make the completions differ from each other. Variant k "
        "depends only on the seed and k."
    )
    SEARCH_ALIASES: ClassVar[list[str]] = ["sample w", "random latent", "stylegan sample"]
    RETURN_TYPES = (CODES,)
    RETURN_NAMES = ("random",)
    OUTPUT_TOOLTIPS = ("Random style codes (W_rand), one set per variant.",)

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        """Declare the inputs."""
        return {
            "required": {
                "model": declare.model(),
                "seed": declare.seed(),
                "num_variants": declare.num_variants(),
                "truncation_psi": declare.truncation(),
            },
            "optional": {"keep": declare.keep("random codes of this node, picked")},
        }

    def execute(
        self,
        model: "Inpainter",
        seed: int,
        num_variants: int,
        truncation_psi: float,
        keep: "WPlus | None" = None,
    ) -> tuple["WPlus"]:
        """Return W_rand, kept variants first."""
        from ..core.variants import kept_first

        host.make_room_for(model)
        codes = model.sample_w(seed, num_variants, truncation_psi)
        if keep is not None:
            codes = kept_first(keep, codes, num_variants)
        return (host.codes_to_output(codes),)


class GatedMix(Node):
    """DI_GatedMix: mix the image's codes with random codes."""

    DESCRIPTION = (
        "Mixes the codes of the visible part with random codes. A learned gate decides how much "
        "each style layer and channel takes from the image."
    )
    SEARCH_ALIASES: ClassVar[list[str]] = ["mix codes", "style mixing", "combine latents"]
    RETURN_TYPES = (CODES, IMAGE)
    RETURN_NAMES = ("codes", "gate")
    OUTPUT_TOOLTIPS = (
        "Style codes of every completion (W_out): every variant of every image.",
        "A chart of the gate: a row per style layer, a column per variant. Orange comes from the "
        "image, blue from the random codes.",
    )

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        """Declare the inputs."""
        return {
            "required": {
                "model": declare.model(),
                "encoded": socket(CODES, "Codes of the visible part, from Encode Erased Image."),
                "random": socket(CODES, "Random codes, from Sample Style Codes."),
                "gate_bias": declare.gate_bias(),
            }
        }

    def execute(
        self, model: "Inpainter", encoded: "WPlus", random: "WPlus", gate_bias: float
    ) -> tuple["WPlus", Tensor]:
        """Return W_out and the chart of the gate."""
        from .gate_chart import gate_chart

        host.make_room_for(model)
        codes, gate = model.mix(encoded, random, gate_bias)
        chart = gate_chart(gate)
        return host.codes_to_output(codes), host.to_output(chart)


class FitCodes(Node):
    """DI_FitCodes: codes that match the colours around the hole."""

    DESCRIPTION = (
        "Fits style codes to this image, step by step, so that colours and patterns of the "
        "completions follow the visible part. Much slower than the other nodes; variants stay "
        "different, but less so. Place it between Gated Mix and Apply Edit."
    )
    SEARCH_ALIASES: ClassVar[list[str]] = [
        *("optimize latents", "latent optimization", "gan inversion", "pivotal tuning"),
        "match colours",
    ]
    RETURN_TYPES = (CODES,)
    RETURN_NAMES = ("codes",)
    OUTPUT_TOOLTIPS = ("The fitted style codes: every variant of every image.",)

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        """Declare the inputs."""
        from ..core.fitting import FIT_STEPS

        return {
            "required": {
                "model": declare.model(),
                "erased": socket(ERASED, "The erased image, from Encode Erased Image."),
                "codes": socket(CODES, "Codes from Gated Mix."),
                "steps": declare.fit_steps(
                    FIT_STEPS,
                    "How long to fit. 0 leaves the codes as they are; more than the default "
                    "follows the image more closely and makes variants more alike.",
                ),
            }
        }

    def execute(
        self, model: "Inpainter", erased: "Erased", codes: "WPlus", steps: int
    ) -> tuple["WPlus"]:
        """Return the fitted codes."""
        host.make_room_for_fitting(model)
        fitted = model.fit(erased.to(model.device), codes, steps, host.step_bar())
        return (host.codes_to_output(fitted),)
