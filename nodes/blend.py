"""Nodes between several codes: blend two, walk from one to the next."""

from typing import TYPE_CHECKING, ClassVar

from ..core.errors import InputError
from .declare import CODES, OWN_LAYERS, Inputs, Node, boolean, integer, real, socket, text
from .edits import MAX_LAYER, chosen_layer

if TYPE_CHECKING:
    from ..core.latents import WPlus

_MAX_STEPS = 240


class BlendW(Node):
    """DI_BlendW: something between two codes."""

    DESCRIPTION = (
        "Blends two sets of style codes, wholly or on some layers only: early layers take over "
        "pose and shape, late ones colour. One image or variant is blended with all of the other "
        "set."
    )
    SEARCH_ALIASES: ClassVar[list[str]] = [
        *("mix latents", "interpolate", "style mixing", "morph", "merge codes"),
    ]
    RETURN_TYPES = (CODES,)
    RETURN_NAMES = ("codes",)
    OUTPUT_TOOLTIPS = ("The blended codes, for Refine with Skip Encoder or Synthesize.",)

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        """Declare the inputs."""
        return {
            "required": {
                "a": socket(CODES, "The codes to start from."),
                "b": socket(CODES, "Codes of the same model to move towards."),
                "amount": real(
                    0.5,
                    -1.0,
                    2.0,
                    0.05,
                    "0 gives a, 1 gives b, 0.5 the middle. Beyond, differences are exaggerated.",
                ),
                "first_layer": integer(0, 0, MAX_LAYER, "First style layer to blend (inclusive)."),
                "last_layer": integer(
                    OWN_LAYERS,
                    OWN_LAYERS,
                    MAX_LAYER,
                    "Last style layer to blend (inclusive); -1 is the model's last layer.",
                ),
            },
            "optional": {
                "weights": text(
                    "",
                    "To blend with several variants of b at once: a weight for each of them, such "
                    "as 2, 1, 1. Empty blends with each by itself.",
                ),
            },
        }

    def execute(
        self,
        a: "WPlus",
        b: "WPlus",
        amount: float,
        first_layer: int,
        last_layer: int,
        weights: str = "",
    ) -> tuple["WPlus"]:
        """Return the blended codes."""
        from ..core.variants import average

        if weights.strip():
            b = average(b, _parse_weights(weights))
        return (a.blend(b, amount, first_layer, chosen_layer(last_layer)),)


def _parse_weights(weights: str) -> list[float]:
    try:
        return [float(weight) for weight in weights.replace(",", " ").split()]
    except ValueError as error:
        raise InputError(
            "weights as numbers, such as 2, 1, 1", repr(weights[:100]), "Correct the text."
        ) from error


class WalkW(Node):
    """DI_WalkW: frames from each variant to the next."""

    DESCRIPTION = (
        "Walks from each variant to the next in small, equal steps, for an animation: the codes "
        "of its frames, in order."
    )
    SEARCH_ALIASES: ClassVar[list[str]] = [
        *("latent walk", "interpolation", "animate variants", "morph video", "loop"),
    ]
    RETURN_TYPES = (CODES,)
    RETURN_NAMES = ("codes",)
    OUTPUT_TOOLTIPS = (
        "Codes of the frames, for Refine with Skip Encoder or Synthesize and then a node that "
        "makes videos of a batch.",
    )

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        """Declare the inputs."""
        return {
            "required": {
                "codes": socket(CODES, "Two variants or more, in the order of the walk."),
                "steps": integer(
                    12, 1, _MAX_STEPS, "Frames from one variant to the next; more are slower."
                ),
                "loop": boolean(False, "Whether to walk back to the first variant at the end."),
            }
        }

    def execute(self, codes: "WPlus", steps: int, loop: bool) -> tuple["WPlus"]:
        """Return the codes of the frames, [B, N, L, D]."""
        from ..core.variants import walk

        return (walk(codes, steps, loop),)
