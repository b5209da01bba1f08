"""DI_Inpaint: the whole method in one node."""

from typing import TYPE_CHECKING, ClassVar

from torch import Tensor

from . import declare, host
from .declare import CODES, DIRECTION, IMAGE, MASK, Inputs, Node, choice, socket

if TYPE_CHECKING:
    from ..core.directions import Direction
    from ..core.inpainter import Inpainter
    from ..core.latents import WPlus


class Inpaint(Node):
    """DI_Inpaint: encode, sample, mix, fit, edit, refine and composite."""

    DESCRIPTION = (
        "Fills the masked part of an image in many different ways at once, optionally edited along "
        "a direction. Gives the same results as the separate nodes."
    )
    SEARCH_ALIASES: ClassVar[list[str]] = [
        *("inpaint", "fill hole", "object removal", "variations", "generative fill"),
    ]
    RETURN_TYPES = (IMAGE, CODES, MASK)
    RETURN_NAMES = ("images", "codes", "pasted")
    OUTPUT_TOOLTIPS = (
        "The results at the original size: all variants of the first image, then of the next.",
        "Style codes of the completions, edit included, for Apply Edit and Synthesize.",
        "The opacity of the completion at each pixel, feather included; one mask per image.",
    )

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        """Declare the inputs."""
        from ..core.blending import BLENDS
        from ..core.crops import CROP_MODES
        from ..core.inpainter import SKIP_SOURCES

        return {
            "required": {
                "model": declare.model(),
                "image": declare.image(),
                "mask": declare.mask(),
                "num_variants": declare.num_variants(),
                "seed": declare.seed(),
                "truncation_psi": declare.truncation(),
                "gate_bias": declare.gate_bias(),
                "crop_mode": declare.crop_mode(CROP_MODES),
                "margin": declare.margin(),
                "feather_px": declare.feather(),
                "strength": declare.strength(),
                "skip_source": choice(
                    SKIP_SOURCES,
                    "What the skip encoder works from. edited: the edited completion. unedited: "
                    "the completion before the edit, to stay closer to the original. none: no skip "
                    "encoder (stage 1 only).",
                ),
            },
            "optional": {
                "direction": socket(DIRECTION, "The edit to apply; strength says how far."),
                "blend": declare.blend(BLENDS),
                "fit_steps": declare.fit_steps(
                    0,
                    "Steps of fitting the codes to this image, as Fit Codes does: colours and "
                    "patterns follow the visible part. 0 for none, or for as many as a model "
                    "without an encoder needs; 15 are usually enough.",
                ),
                "keep": declare.keep("codes of this node, picked"),
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
        blend: str | None = None,
        fit_steps: int = 0,
        keep: "WPlus | None" = None,
    ) -> tuple[Tensor, "WPlus", Tensor]:
        """Return the results, image-major, their codes, and the opacity of the completions."""
        from ..core.editor import Edit
        from ..core.progress import parts_of

        on_inpaint, on_paste = parts_of(host.step_bar(), 9, 1)
        host.make_room_for(model, num_variants)
        if fit_steps or not model.can_encode:
            host.make_room_for_fitting(model)
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
            blend=blend,
            fit_steps=fit_steps,
            on_step=on_inpaint,
            keep=keep,
        )
        outputs = (
            host.to_output(result.composites.all(on_paste)),
            host.codes_to_output(result.codes),
            host.to_output(result.weight),
        )
        return host.with_warnings(outputs, result.warnings)
