"""DI_Inpaint: the whole method in one node."""

import logging
from typing import TYPE_CHECKING, ClassVar

from torch import Tensor

from . import host
from .declare import (
    CODES,
    DIRECTION,
    IMAGE,
    MASK,
    MODEL,
    Inputs,
    Node,
    choice,
    crop_mode,
    feather,
    gate_bias,
    margin,
    num_variants,
    seed,
    socket,
    strength,
    truncation,
)

if TYPE_CHECKING:
    from ..core.directions import Direction
    from ..core.inpainter import Inpainter
    from ..core.latents import WPlus

logger = logging.getLogger(__name__)


class Inpaint(Node):
    """DI_Inpaint: encode, sample, mix, edit, refine and composite."""

    DESCRIPTION = (
        "Fills the masked part of a picture in many different ways at once, and edits the result "
        "along a direction. The same as the single nodes one after the other."
    )
    SEARCH_ALIASES: ClassVar[list[str]] = ["inpaint", "fill hole", "object removal", "variations"]
    RETURN_TYPES = (IMAGE, CODES)
    RETURN_NAMES = ("images", "codes")
    OUTPUT_TOOLTIPS = (
        "The finished pictures at the original size: all variants of the first picture, then of "
        "the next.",
        "Their codes, with the edit: to edit further, blend or save.",
    )

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        """Declare the inputs."""
        from ..core.geometry import CROP_MODES
        from ..core.inpainter import SKIP_SOURCES

        return {
            "required": {
                "model": socket(MODEL, "The model, from Load Model."),
                "image": socket(IMAGE, "The picture to complete, of any size; or several."),
                "mask": socket(
                    MASK, "White (1) where the picture is to be filled, as the mask editor paints."
                ),
                "num_variants": num_variants(),
                "seed": seed(),
                "truncation_psi": truncation(),
                "gate_bias": gate_bias(),
                "crop_mode": crop_mode(CROP_MODES),
                "margin": margin(),
                "feather_px": feather(),
                "strength": strength(),
                "skip_source": choice(
                    SKIP_SOURCES,
                    "What the skip encoder looks at when there is an edit: the edited completion, "
                    "the unedited one (holds on to the original), or nothing (stage 1 only).",
                ),
            },
            "optional": {
                "direction": socket(DIRECTION, "What to edit; strength says how far."),
            },
        }

    def execute(
        self,
        model: "Inpainter",
        image: Tensor,
        mask: Tensor,
        num_variants: int,
        seed: int,
        truncation_psi: float,
        gate_bias: float,
        crop_mode: str,
        margin: float,
        feather_px: int,
        strength: float,
        skip_source: str,
        direction: "Direction | None" = None,
    ) -> tuple[Tensor, "WPlus"]:
        """Return the finished pictures, image-major, and their codes."""
        from ..core.inpainter import Edit

        host.make_room_for(model, num_variants)
        result = model.inpaint(
            image,
            mask,
            num_variants,
            seed,
            edits=[] if direction is None else [Edit(direction, strength)],
            truncation_psi=truncation_psi,
            gate_bias=gate_bias,
            crop_mode=crop_mode,
            margin=margin,
            feather_px=feather_px,
            skip_source=skip_source,
        )
        for warning in result.warnings:
            logger.warning(warning)
        images = host.to_output(result.images.flatten(0, 1))
        return images, host.codes_to_output(result.codes)
