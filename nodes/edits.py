"""Nodes that edit style codes along directions."""

from typing import TYPE_CHECKING, ClassVar

from .declare import (
    CODES,
    DIRECTION,
    MODEL,
    OWN_LAYERS,
    Inputs,
    Node,
    choice,
    integer,
    socket,
    strength,
)

if TYPE_CHECKING:
    from ..core.directions import Direction
    from ..core.inpainter import Inpainter
    from ..core.latents import WPlus

_MAX_COMPONENT = 1023
_MAX_LAYER = 17  # a generator of 1024 pixels has 18 style layers


class DiscoverDirection(Node):
    """DI_DiscoverDirection: an edit found in the generator itself."""

    DESCRIPTION = (
        "Finds a direction of change in the generator itself, without examples: the components "
        "are ordered by how much they change the picture. Look at a few and keep what you like."
    )
    SEARCH_ALIASES: ClassVar[list[str]] = ["sefa", "ganspace", "edit direction", "latent direction"]
    RETURN_TYPES = (DIRECTION,)
    RETURN_NAMES = ("direction",)
    OUTPUT_TOOLTIPS = ("The direction, for Apply Edit; it fits this model only.",)

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        """Declare the inputs."""
        from ..core.inpainter import DISCOVERY_METHODS

        return {
            "required": {
                "model": socket(MODEL, "The model, from Load Model."),
                "method": choice(
                    DISCOVERY_METHODS,
                    "sefa: from the generator's weights (closed-form factorisation, instant). "
                    "ganspace: from 10,000 random codes (principal components, a second or two).",
                ),
                "component": integer(
                    0, 0, _MAX_COMPONENT, "Which component: 0 changes the picture most."
                ),
                "first_layer": integer(
                    0,
                    0,
                    _MAX_LAYER,
                    "First style layer that counts. The first few layers set pose and shape, the "
                    "middle ones features, the last ones colour.",
                ),
                "last_layer": integer(
                    OWN_LAYERS,
                    OWN_LAYERS,
                    _MAX_LAYER,
                    "Last style layer that counts, included; -1 is the model's last one.",
                ),
            }
        }

    def execute(
        self, model: "Inpainter", method: str, component: int, first_layer: int, last_layer: int
    ) -> tuple["Direction"]:
        """Return the direction."""
        return (model.discover(method, component, first_layer, chosen_layer(last_layer)),)


class ApplyEdit(Node):
    """DI_ApplyEdit: move codes along a direction."""

    DESCRIPTION = (
        "Moves style codes along a direction. Edit after Gated Mix, so that hole and "
        "surroundings change together; several edits can follow each other."
    )
    SEARCH_ALIASES: ClassVar[list[str]] = ["edit slider", "latent edit", "attribute"]
    RETURN_TYPES = (CODES,)
    RETURN_NAMES = ("codes",)
    OUTPUT_TOOLTIPS = ("The edited codes, for Skip Refine or Synthesize.",)

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        """Declare the inputs."""
        own = "-1 is the direction's own."
        return {
            "required": {
                "codes": socket(CODES, "The codes to edit, from Gated Mix."),
                "direction": socket(DIRECTION, "What to change; it must be of the same model."),
                "strength": strength(),
                "first_layer": integer(
                    OWN_LAYERS, OWN_LAYERS, _MAX_LAYER, f"First style layer to change; {own}"
                ),
                "last_layer": integer(
                    OWN_LAYERS, OWN_LAYERS, _MAX_LAYER, f"Last style layer to change; {own}"
                ),
            }
        }

    def execute(
        self,
        codes: "WPlus",
        direction: "Direction",
        strength: float,
        first_layer: int,
        last_layer: int,
    ) -> tuple["WPlus"]:
        """Return the edited codes."""
        from ..core.directions import apply_direction

        layers = chosen_layer(first_layer), chosen_layer(last_layer)
        return (apply_direction(codes, direction, strength, *layers),)


def chosen_layer(widget_value: int) -> int | None:
    """Return the layer that a widget names; None where it leaves the choice."""
    return None if widget_value == OWN_LAYERS else widget_value
