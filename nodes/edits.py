"""Nodes that edit style codes along directions."""

from typing import TYPE_CHECKING, ClassVar

from ..core.errors import InputError
from . import host
from .declare import (
    BUNDLED,
    CODES,
    DIRECTION,
    MODEL,
    OWN_LAYERS,
    Inputs,
    Node,
    absent,
    choice,
    integer,
    socket,
    strength,
)
from .model import digest

if TYPE_CHECKING:
    from ..core.directions import Direction
    from ..core.inpainter import Inpainter
    from ..core.latents import WPlus

_MAX_COMPONENT = 1023
_MAX_LAYER = 17  # a generator of 1024 pixels has 18 style layers


DEFAULT_DIRECTION = "brightness" + BUNDLED
"""A permanent name: saved workflows hold it."""


class LoadDirection(Node):
    """DI_LoadDirection: a named edit from a file."""

    DESCRIPTION = (
        "Loads a named direction of change: one that comes with the pack, or a .safetensors file "
        "in models/diverse_inpainting/directions. A direction fits the model it was found for."
    )
    SEARCH_ALIASES: ClassVar[list[str]] = ["edit slider", "named direction", "attribute"]
    RETURN_TYPES = (DIRECTION,)
    RETURN_NAMES = ("direction",)
    OUTPUT_TOOLTIPS = ("The direction, for Apply Edit or Diverse Inpaint.",)

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        """Declare the inputs."""
        return {
            "required": {
                "model": socket(MODEL, "The model that the direction belongs to."),
                "direction_name": choice(
                    direction_names(),
                    "A direction that comes with the pack, or a .safetensors file in ComfyUI's "
                    "folder models/diverse_inpainting/directions.",
                ),
            }
        }

    @classmethod
    def VALIDATE_INPUTS(cls, direction_name: str | None) -> bool | str:
        """Say what to do when the workflow names a direction that is not here."""
        if direction_name is None or direction_name in direction_names():
            return True
        return absent(direction_name, host.model_folders(), "another direction")

    @classmethod
    def IS_CHANGED(cls, direction_name: str, model: object = None) -> str:
        """Return another value when the file is another one."""
        path = host.file_path(direction_name)
        return direction_name if path is None else digest(path)

    def execute(self, model: "Inpainter", direction_name: str) -> tuple["Direction"]:
        """Return the direction."""
        from ..core.directions import read_direction
        from ..core.latents import check_same_generator

        path = host.file_path(direction_name)
        if path is None:
            return (_bundled(model, direction_name),)
        direction = read_direction(path)
        check_same_generator(direction.generator_id, model.generator_id, "a direction")
        return (direction,)


def _bundled(model: "Inpainter", direction_name: str) -> "Direction":
    """Return a direction that comes with the pack for this model."""
    found = model.directions.get(direction_name.removesuffix(BUNDLED))
    if found is None:
        known = ", ".join(repr(name + BUNDLED) for name in sorted(model.directions)) or "none yet"
        raise InputError(
            f"a direction that comes with the pack for this model ({known})",
            repr(direction_name),
            "Choose one of these or a file of your own, or take Discover Direction instead.",
        )
    return found


def direction_names() -> list[str]:
    """Return the choices of DI_LoadDirection; the default is always the first."""
    from ..core.directions import bundled_direction_names

    bundled = [name + BUNDLED for name in bundled_direction_names()]
    return list(dict.fromkeys([DEFAULT_DIRECTION, *bundled, *host.direction_files()]))


class DiscoverDirection(Node):
    """DI_DiscoverDirection: an edit found in the generator itself."""

    DESCRIPTION = (
        "Finds a direction of change in the generator itself, without examples: components are "
        "ordered, the strongest first. Look at a few and keep what you like."
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
                    0, 0, _MAX_COMPONENT, "Which component: 0 is the strongest one."
                ),
                "first_layer": integer(
                    0,
                    0,
                    _MAX_LAYER,
                    "First style layer that it moves. The first few layers set pose and shape, the "
                    "middle ones features, the last ones colour.",
                ),
                "last_layer": integer(
                    OWN_LAYERS,
                    OWN_LAYERS,
                    _MAX_LAYER,
                    "Last style layer that it moves, included; -1 is the model's last one.",
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
