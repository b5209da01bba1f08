"""Nodes that turn style codes into images, and those into results."""

from typing import TYPE_CHECKING, ClassVar

from torch import Tensor

from . import declare, host
from .declare import CODES, ERASED, IMAGE, MASK, Inputs, Node, socket

if TYPE_CHECKING:
    from ..core.geometry import Erased
    from ..core.inpainter import Inpainter
    from ..core.latents import WPlus


class Synthesize(Node):
    """DI_Synthesize: images from codes, stage 1."""

    DESCRIPTION = (
        "Generates whole images from style codes (stage 1). This is fast, but the visible part "
        "only resembles the original; Refine with Skip Encoder keeps it."
    )
    SEARCH_ALIASES: ClassVar[list[str]] = ["stylegan generate", "decode codes", "stage 1"]
    RETURN_TYPES = (IMAGE,)
    RETURN_NAMES = ("images",)
    OUTPUT_TOOLTIPS = ("Square images at the model's resolution, all variants in one batch.",)

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        """Declare the inputs."""
        return {
            "required": {
                "model": declare.model(),
                "codes": socket(CODES, "Codes from Gated Mix, Apply Edit or Sample Style Codes."),
            }
        }

    def execute(self, model: "Inpainter", codes: "WPlus") -> tuple[Tensor]:
        """Return the images, image-major."""
        host.make_room_for(model, len(codes.flat()))
        return (host.to_output(model.synthesize(codes, host.step_bar())),)


class SkipRefine(Node):
    """DI_SkipRefine: images from codes, true to the visible part, stage 2."""

    DESCRIPTION = (
        "Generates images from style codes and corrects the generator's features with the skip "
        "encoder (stage 2), so that the completion blends in with the visible part."
    )
    SEARCH_ALIASES: ClassVar[list[str]] = ["skip refine", "refine inpaint", "stage 2"]
    RETURN_TYPES = (IMAGE,)
    RETURN_NAMES = ("images",)
    OUTPUT_TOOLTIPS = (
        "Refined square images at the model's resolution, for Composite Completions.",
    )

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        """Declare the inputs."""
        return {
            "required": {
                "model": declare.model(),
                "erased": socket(ERASED, "The erased image, from Encode Erased Image."),
                "codes": socket(CODES, "Codes from Gated Mix or Apply Edit."),
            },
            "optional": {
                "skip_codes": socket(
                    CODES,
                    "Codes that the skip encoder works from. Connect the codes from before an edit "
                    "to stay closer to the original; unconnected, it works from codes.",
                ),
            },
        }

    def execute(
        self,
        model: "Inpainter",
        erased: "Erased",
        codes: "WPlus",
        skip_codes: "WPlus | None" = None,
    ) -> tuple[Tensor]:
        """Return the refined images, image-major."""
        host.make_room_for(model, len(codes.flat()))
        here = erased.to(model.device)
        return (host.to_output(model.refine(here, codes, skip_codes, host.step_bar())),)


class Composite(Node):
    """DI_Composite: completions back into their images."""

    DESCRIPTION = (
        "Pastes completions into the original images at their own size. Pixels outside the mask "
        "(and its feather) stay exactly as they were."
    )
    SEARCH_ALIASES: ClassVar[list[str]] = ["paste back", "stitch inpaint", "blend inpaint"]
    RETURN_TYPES = (IMAGE, MASK)
    RETURN_NAMES = ("images", "mask")
    OUTPUT_TOOLTIPS = (
        "The results at the original size: all variants of the first image, then of the next.",
        "The opacity of the completion at each pixel, feather included; one mask per image.",
    )

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        """Declare the inputs."""
        from ..core.blending import BLENDS

        return {
            "required": {
                "erased": socket(ERASED, "The erased image, from Encode Erased Image."),
                "images": socket(
                    IMAGE,
                    "Square completions from Refine with Skip Encoder or Synthesize, processed by "
                    "other nodes if you like.",
                ),
                "feather_px": declare.feather(),
            },
            "optional": {
                "blend_mask": socket(
                    MASK, "Where to show the completion (1), in place of the mask of the hole."
                ),
                "blend": declare.blend(BLENDS),
            },
        }

    def execute(
        self,
        erased: "Erased",
        images: Tensor,
        feather_px: int,
        blend_mask: Tensor | None = None,
        blend: str | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Return the results, image-major, and the opacity of the completions."""
        from ..core.compositing import paste_completions

        erased = erased.to(host.compute_device() or erased.original.device)
        results, opacity = paste_completions(
            erased, images, feather_px, blend_mask, blend, on_step=host.step_bar()
        )
        return host.to_output(results), host.to_output(opacity)
