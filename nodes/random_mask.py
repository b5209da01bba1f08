"""DI_RandomMask: random hole masks for tests."""

from typing import ClassVar

from torch import Tensor

from ..core.errors import InputError
from . import host
from .declare import MASK, Inputs, Node, choice, integer, real, seed

_MAX_SIDE_PX = 8192
_MAX_MASKS = 256
_MAX_ATTEMPTS = 100


class RandomMask(Node):
    """DI_RandomMask: seeded hole masks as used in training and evaluation."""

    DESCRIPTION = (
        "Draws random masks as used in training and evaluation: free-form strokes and boxes, one "
        "box, half of the image, or everything outside a window."
    )
    SEARCH_ALIASES: ClassVar[list[str]] = ["free-form mask", "irregular mask", "test mask"]
    RETURN_TYPES = (MASK,)
    RETURN_NAMES = ("mask",)
    OUTPUT_TOOLTIPS = ("Masks that are 1 where the image is to be filled.",)

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        """Declare the inputs."""
        from ..core.masks import KINDS

        side = "of the image that the mask is for, in pixels."
        return {
            "required": {
                "kind": choice(
                    KINDS,
                    "paper: as in this method's training. comodgan, mat-large, mat-small: as in "
                    "those papers. box: one box. half: one half. outpaint: all but a window.",
                ),
                "width": integer(512, 8, _MAX_SIDE_PX, f"Width {side}"),
                "height": integer(512, 8, _MAX_SIDE_PX, f"Height {side}"),
                "seed": seed(),
                "count": integer(1, 1, _MAX_MASKS, "How many different masks to draw."),
                "min_ratio": real(
                    0.0, 0.0, 1.0, 0.01, "Redraw until at least this fraction is erased."
                ),
                "max_ratio": real(
                    1.0, 0.0, 1.0, 0.01, "Redraw until less than this fraction is erased."
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
        """Return [count, height, width] masks, cropped from square ones to keep their shapes."""
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
    """Return one mask, [height, width]: the middle of a square one, redrawn if it is empty."""
    from ..core.masks import sample_hole_masks

    side = max(width, height)
    top, left = (side - height) // 2, (side - width) // 2
    for index in range(first, first + _MAX_ATTEMPTS * _MAX_MASKS, _MAX_MASKS):
        square = sample_hole_masks(kind, 1, side, seed, hole_range, first=index)[0, 0]
        mask = square[top : top + height, left : left + width]
        if mask.any():
            return mask.clone()
    raise InputError(
        f"a size that {kind!r} masks can cover",
        f"{width} x {height}",
        "Use a size closer to a square, raise min_ratio or choose another kind.",
        problem=f"{_MAX_ATTEMPTS} {kind!r} masks in a row left {width} x {height} pixels empty.",
    )
