"""Nodes that turn style codes into pictures, and pictures into results."""

from typing import TYPE_CHECKING, ClassVar

from torch import Tensor

from . import host
from .declare import CODES, ERASED, IMAGE, MASK, MODEL, Inputs, Node, feather, socket

if TYPE_CHECKING:
    from ..core.geometry import Erased
    from ..core.inpainter import Inpainter
    from ..core.latents import WPlus


class Synthesize(Node):
    """DI_Synthesize: pictures from codes, stage 1."""

    DESCRIPTION = (
        "Generates whole pictures from style codes (stage 1): fast, but the visible part is only "
        "approximately that of the original. Skip Refine is faithful to it."
    )
    SEARCH_ALIASES: ClassVar[list[str]] = ["stylegan generate", "decode codes", "stage 1"]
    RETURN_TYPES = (IMAGE,)
    RETURN_NAMES = ("images",)
    OUTPUT_TOOLTIPS = ("Generated squares at the model's resolution: all variants in one batch.",)

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        """Declare the inputs."""
        return {
            "required": {
                "model": socket(MODEL, "The model, from Load Model."),
                "codes": socket(CODES, "Codes from Gated Mix, Apply Edit or Sample W."),
            }
        }

    def execute(self, model: "Inpainter", codes: "WPlus") -> tuple[Tensor]:
        """Return the pictures, image-major."""
        host.make_room_for(model, len(codes.flat()))
        return (host.to_output(model.synthesize(codes)),)


class SkipRefine(Node):
    """DI_SkipRefine: pictures from codes, faithful to the visible part, stage 2."""

    DESCRIPTION = (
        "Generates pictures whose features the skip encoder corrects (stage 2), so that the hole "
        "fits the visible part without a seam."
    )
    SEARCH_ALIASES: ClassVar[list[str]] = ["refine inpaint", "stage 2", "skip connections"]
    RETURN_TYPES = (IMAGE,)
    RETURN_NAMES = ("images",)
    OUTPUT_TOOLTIPS = ("Refined squares at the model's resolution, for Composite.",)

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        """Declare the inputs."""
        return {
            "required": {
                "model": socket(MODEL, "The model, from Load Model."),
                "erased": socket(ERASED, "The erased picture, from Encode Erased."),
                "codes": socket(CODES, "Codes from Gated Mix or Apply Edit."),
            },
            "optional": {
                "skip_codes": socket(
                    CODES,
                    "What the skip encoder looks at when the codes were edited: connect the codes "
                    "from before the edit to hold on to the original, or nothing for the edited "
                    "codes themselves.",
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
        """Return the refined pictures, image-major."""
        host.make_room_for(model, len(codes.flat()))
        near = erased.to(model.device)
        return (host.to_output(model.refine(near, codes, skip_codes)),)


class Composite(Node):
    """DI_Composite: completions back into their pictures."""

    DESCRIPTION = (
        "Puts completed squares back into the original pictures at their own size. Pixels outside "
        "the mask (and its feather) stay exactly as they were."
    )
    SEARCH_ALIASES: ClassVar[list[str]] = ["paste back", "stitch inpaint", "blend inpaint"]
    RETURN_TYPES = (IMAGE, MASK)
    RETURN_NAMES = ("images", "mask")
    OUTPUT_TOOLTIPS = (
        "The finished pictures at the original size: all variants of the first picture, then of "
        "the next.",
        "The share of the completion in each pixel, feather included: one mask for each original.",
    )

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        """Declare the inputs."""
        return {
            "required": {
                "erased": socket(ERASED, "The erased picture, from Encode Erased."),
                "images": socket(
                    IMAGE, "Completed squares, from Skip Refine, Synthesize or your own."
                ),
                "feather_px": feather(),
            },
            "optional": {
                "blend_mask": socket(
                    MASK, "Where the completion shows (1), if not where the picture was erased."
                ),
            },
        }

    def execute(
        self,
        erased: "Erased",
        images: Tensor,
        feather_px: int,
        blend_mask: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Return the finished pictures, image-major, and the blend masks."""
        from ..core.compositing import composite

        near = erased.to(host.compute_device() or erased.original.device)
        pictures, weight = composite(near, images, feather_px, blend_mask)
        return host.to_output(pictures), host.to_output(weight)
