"""Nodes that make style codes: encode, sample, mix."""

from typing import TYPE_CHECKING, ClassVar

from torch import Tensor

from . import host
from .declare import (
    CODES,
    ERASED,
    IMAGE,
    MASK,
    MODEL,
    Inputs,
    Node,
    crop_mode,
    gate_bias,
    margin,
    num_variants,
    seed,
    socket,
    truncation,
)

if TYPE_CHECKING:
    from ..core.geometry import Erased
    from ..core.inpainter import Inpainter
    from ..core.latents import WPlus


class EncodeErased(Node):
    """DI_EncodeErased: erase the hole, encode what is left."""

    DESCRIPTION = (
        "Erases the masked part of a picture and lets the encoder describe what is left as style "
        "codes. The first of the single steps; Diverse Inpaint does all of them in one."
    )
    SEARCH_ALIASES: ClassVar[list[str]] = ["gan inversion", "encode inpaint", "invert image"]
    RETURN_TYPES = (ERASED, CODES, IMAGE)
    RETURN_NAMES = ("erased", "encoded", "seen")
    OUTPUT_TOOLTIPS = (
        "The erased picture and the way back to its own size.",
        "The codes of the visible part, W_enc: one set for each picture.",
        "What the encoder saw: the square at the model's resolution, erased pixels grey.",
    )

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        """Declare the inputs."""
        from ..core.geometry import CROP_MODES

        return {
            "required": {
                "model": socket(MODEL, "The model, from Load Model."),
                "image": socket(IMAGE, "The picture to complete, of any size; or several."),
                "mask": socket(
                    MASK, "White (1) where the picture is to be filled, as the mask editor paints."
                ),
                "crop_mode": crop_mode(CROP_MODES),
                "margin": margin(),
            }
        }

    def execute(
        self, model: "Inpainter", image: Tensor, mask: Tensor, crop_mode: str, margin: float
    ) -> tuple["Erased", "WPlus", Tensor]:
        """Return the erased pictures, W_enc and what the encoder saw."""
        from ..core.image import image_to_bhwc

        erased, encoded = model.encode(image, mask, crop_mode, margin)
        seen = host.to_output(image_to_bhwc(erased.erased))
        return host.erased_to_output(erased), host.codes_to_output(encoded), seen


class SampleW(Node):
    """DI_SampleW: random codes of numbered variants."""

    DESCRIPTION = (
        "Draws random style codes: the source of the differences between completions. Variant k "
        "depends on the seed and k alone."
    )
    SEARCH_ALIASES: ClassVar[list[str]] = ["random latent", "stylegan sample", "seed"]
    RETURN_TYPES = (CODES,)
    RETURN_NAMES = ("random",)
    OUTPUT_TOOLTIPS = ("Random codes, W_rand: one set for each variant.",)

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        """Declare the inputs."""
        return {
            "required": {
                "model": socket(MODEL, "The model, from Load Model."),
                "seed": seed(),
                "num_variants": num_variants(),
                "truncation_psi": truncation(),
            }
        }

    def execute(
        self, model: "Inpainter", seed: int, num_variants: int, truncation_psi: float
    ) -> tuple["WPlus"]:
        """Return W_rand."""
        return (host.codes_to_output(model.sample_w(seed, num_variants, truncation_psi)),)


class GatedMix(Node):
    """DI_GatedMix: join the picture's codes with random ones."""

    DESCRIPTION = (
        "Joins the codes of the visible part with random codes: a learned gate decides for each "
        "style layer and channel how much comes from the picture."
    )
    SEARCH_ALIASES: ClassVar[list[str]] = ["mix codes", "style mixing", "combine latents"]
    RETURN_TYPES = (CODES, IMAGE)
    RETURN_NAMES = ("codes", "gate")
    OUTPUT_TOOLTIPS = (
        "Codes of every completion, W_out: each picture with each variant.",
        "A chart of the gate for each completion: a row for each style layer, a column for each "
        "channel; orange comes from the picture, blue from the random codes.",
    )

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        """Declare the inputs."""
        return {
            "required": {
                "model": socket(MODEL, "The model, from Load Model."),
                "encoded": socket(CODES, "Codes of the visible part, from Encode Erased."),
                "random": socket(CODES, "Random codes, from Sample W."),
                "gate_bias": gate_bias(),
            }
        }

    def execute(
        self, model: "Inpainter", encoded: "WPlus", random: "WPlus", gate_bias: float
    ) -> tuple["WPlus", Tensor]:
        """Return W_out and the chart of the gate."""
        from .gate_chart import gate_chart

        codes, gate = model.mix(encoded, random, gate_bias)
        chart = gate_chart(gate.flatten(0, 1))
        return host.codes_to_output(codes), host.to_output(chart)
