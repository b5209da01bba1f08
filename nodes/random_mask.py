"""DI_RandomMask: masks to test with."""

from typing import ClassVar

from torch import Tensor

from . import host
from .declare import MASK, Inputs, Node, choice, integer, real, seed

_MAX_SIDE_PX = 8192
_MAX_MASKS = 256


class RandomMask(Node):
    """DI_RandomMask: seeded hole masks of the kinds that models are trained and measured on."""

    DESCRIPTION = (
        "Draws random masks of the kinds that models are trained and measured on: free-form "
        "strokes and boxes, one box, half of the picture, or all but a window."
    )
    SEARCH_ALIASES: ClassVar[list[str]] = ["free-form mask", "irregular mask", "test mask"]
    RETURN_TYPES = (MASK,)
    RETURN_NAMES = ("mask",)
    OUTPUT_TOOLTIPS = ("Masks, 1 where the picture is to be filled.",)

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        """Declare the inputs."""
        from ..core.masks import KINDS

        side = "of the picture the mask is for, in pixels."
        return {
            "required": {
                "kind": choice(
                    KINDS,
                    "paper: as this method was trained. comodgan, mat-large, mat-small: as those "
                    "papers measure. box: one box. half: one half. outpaint: all but a window.",
                ),
                "width": integer(512, 8, _MAX_SIDE_PX, f"Width {side}"),
                "height": integer(512, 8, _MAX_SIDE_PX, f"Height {side}"),
                "seed": seed(),
                "count": integer(1, 1, _MAX_MASKS, "How many different masks to draw."),
                "min_ratio": real(
                    0.0, 0.0, 1.0, 0.01, "Draw again until at least this share is erased."
                ),
                "max_ratio": real(
                    1.0, 0.0, 1.0, 0.01, "Draw again until less than this share is erased."
                ),
            }
        }

    def execute(
        self,
        kind: str,
        width: int,
        height: int,
        seed: int,
        count: int,
        min_ratio: float,
        max_ratio: float,
    ) -> tuple[Tensor]:
        """Return [count, height, width] masks: the middle of square ones, so shapes stay true."""
        from ..core.masks import sample_hole_masks

        side = max(width, height)
        masks = sample_hole_masks(kind, count, side, seed, (min_ratio, max_ratio))[:, 0]
        top, left = (side - height) // 2, (side - width) // 2
        return (host.to_output(masks[:, top : top + height, left : left + width].contiguous()),)
