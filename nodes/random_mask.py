"""DI_RandomMask: masks to test with."""

from typing import ClassVar

from torch import Tensor

from ..core.errors import InputError
from . import host
from .declare import MASK, Inputs, Node, choice, integer, real, seed

_MAX_SIDE_PX = 8192
_MAX_MASKS = 256
_MAX_ATTEMPTS = 100


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
        import torch

        if not min_ratio < max_ratio:
            raise InputError(
                "min_ratio below max_ratio",
                f"{min_ratio:g} and {max_ratio:g}",
                "Lower min_ratio or raise max_ratio.",
            )
        hole_range = (min_ratio, max_ratio)
        masks = [_draw(kind, width, height, seed, hole_range, first=i) for i in range(count)]
        return (host.to_output(torch.stack(masks)),)


def _draw(
    kind: str, width: int, height: int, seed: int, hole_range: tuple[float, float], *, first: int
) -> Tensor:
    """Return one mask, [height, width]; a square one with an empty middle is drawn again."""
    from ..core.masks import sample_hole_masks

    side = max(width, height)
    top, left = (side - height) // 2, (side - width) // 2
    for index in range(first, first + _MAX_ATTEMPTS * _MAX_MASKS, _MAX_MASKS):
        square = sample_hole_masks(kind, 1, side, seed, hole_range, first=index)[0, 0]
        mask = square[top : top + height, left : left + width]
        if mask.any():
            return mask.clone()
    raise InputError(
        f"a width and height that {kind!r} masks reach",
        f"{width} x {height}, whose middle {_MAX_ATTEMPTS} masks in a row missed",
        "Make the picture more nearly square, raise min_ratio or choose another kind of mask.",
    )
