"""Nodes that edit style codes along directions."""

from typing import TYPE_CHECKING, ClassVar

from ..core.errors import GeneratorMismatchError, InputError
from . import declare, host, model_folder
from .declare import (
    BUNDLED,
    CODES,
    DIRECTION,
    MODEL,
    OWN_LAYERS,
    Inputs,
    Node,
    choice,
    integer,
    missing_file,
    socket,
)
from .model import file_digest

if TYPE_CHECKING:
    from ..core.directions import Direction
    from ..core.inpainter import Inpainter
    from ..core.latents import WPlus

_MAX_COMPONENT = 1023
MAX_LAYER = 17
"""A generator of 1024 pixels has 18 style layers."""

DEFAULT_DIRECTION = "brightness" + BUNDLED
"""A permanent name: saved workflows store it."""


class LoadDirection(Node):
    """DI_LoadDirection: a named edit from a file."""

    DESCRIPTION = (
        "Loads a named edit direction: a bundled one, or a .safetensors file in "
        "models/diverse_inpainting/directions. A direction only works with the model that it was "
        "found for."
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
                "model": socket(MODEL, "The model that the direction was found for."),
                "direction_name": choice(
                    direction_names(),
                    "A bundled direction, or a .safetensors file in ComfyUI's folder "
                    "models/diverse_inpainting/directions.",
                ),
            }
        }

    @classmethod
    def VALIDATE_INPUTS(cls, direction_name: str | None) -> bool | str:
        """Say what to do when the workflow's direction is missing."""
        if direction_name is None:  # filled by a link
            return True
        if (
            direction_name in direction_names()
            or model_folder.direction_path(direction_name) is not None
        ):
            return True
        folders = [f"{folder}/{model_folder.DIRECTION_FOLDER}" for folder in host.model_folders()]
        return missing_file(direction_name, folders, "another direction")

    @classmethod
    def IS_CHANGED(cls, direction_name: str, model: object = None) -> str:
        """Return a value that changes with the file."""
        path = model_folder.direction_path(direction_name)
        return direction_name if path is None else file_digest(path)

    def execute(self, model: "Inpainter", direction_name: str) -> tuple["Direction"]:
        """Return the direction."""
        from ..core.directions import read_direction

        direction_name = str(direction_name)  # null counts as a link until a node runs
        path = model_folder.direction_path(direction_name)
        if path is None:
            return (_bundled(model, direction_name),)
        direction = read_direction(path)
        if direction.generator_id != model.generator_id:
            raise GeneratorMismatchError(
                f"a direction of the generator {model.generator_id[:12]}",
                f"one of the generator {direction.generator_id[:12]}",
                "Connect the model that it was found for, or choose another direction.",
                problem=f"{direction_name!r} was found for another model.",
            )
        return (direction,)


def _bundled(model: "Inpainter", direction_name: str) -> "Direction":
    """Return a bundled direction of this model."""
    found = model.directions.get(direction_name.removesuffix(BUNDLED))
    if found is None:
        known = ", ".join(repr(name + BUNDLED) for name in sorted(model.directions)) or "none"
        raise InputError(
            f"a bundled direction of this model ({known})",
            repr(direction_name),
            "Choose one of these or a file of your own, or use Discover Edit Direction.",
        )
    return found


def direction_names() -> list[str]:
    """Return the choices of DI_LoadDirection, the default first."""
    from ..core.directions import bundled_direction_names

    bundled = [name + BUNDLED for name in bundled_direction_names()]
    own = map(model_folder.direction_name, model_folder.direction_files())
    return list(dict.fromkeys([DEFAULT_DIRECTION, *bundled, *own]))


class DiscoverDirection(Node):
    """DI_DiscoverDirection: an edit found in the generator itself."""

    DESCRIPTION = (
        "Finds an edit direction in the generator itself, without examples. Components are "
        "ordered by strength and have no names: try a few and keep what you like."
    )
    SEARCH_ALIASES: ClassVar[list[str]] = ["sefa", "ganspace", "latent direction"]
    RETURN_TYPES = (DIRECTION,)
    RETURN_NAMES = ("direction",)
    OUTPUT_TOOLTIPS = ("The direction, for Apply Edit or Diverse Inpaint, with this model only.",)

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        """Declare the inputs."""
        from ..core.directions import DISCOVERY_METHODS

        return {
            "required": {
                "model": declare.model(),
                "method": choice(
                    DISCOVERY_METHODS,
                    "sefa: from the generator's weights (closed-form factorisation; instant). "
                    "ganspace: from 10,000 random codes (principal components; a second or two).",
                ),
                "component": integer(
                    0, 0, _MAX_COMPONENT, "Which component to use; 0 is the strongest."
                ),
                "first_layer": integer(
                    0,
                    0,
                    MAX_LAYER,
                    "First style layer to move. Early layers control pose and shape, middle layers "
                    "features, late layers colour.",
                ),
                "last_layer": integer(
                    OWN_LAYERS,
                    OWN_LAYERS,
                    MAX_LAYER,
                    "Last style layer to move (inclusive); -1 is the model's last layer.",
                ),
            }
        }

    def execute(
        self, model: "Inpainter", method: str, component: int, first_layer: int, last_layer: int
    ) -> tuple["Direction"]:
        """Return the direction."""
        host.make_room_for(model)
        layers = first_layer, chosen_layer(last_layer)
        return (model.discover(method, component, *layers, on_step=host.step_bar()),)


class ApplyEdit(Node):
    """DI_ApplyEdit: move codes along a direction."""

    DESCRIPTION = (
        "Moves style codes along an edit direction. Place it after Gated Mix, so that the hole and "
        "its surroundings change together. Several edits can follow each other."
    )
    SEARCH_ALIASES: ClassVar[list[str]] = ["edit slider", "latent edit", "attribute"]
    RETURN_TYPES = (CODES,)
    RETURN_NAMES = ("codes",)
    OUTPUT_TOOLTIPS = ("The edited codes, for Refine with Skip Encoder or Synthesize.",)

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        """Declare the inputs."""
        own = "(inclusive); -1 uses the direction's own."
        return {
            "required": {
                "codes": socket(CODES, "The codes to edit, from Gated Mix."),
                "direction": socket(DIRECTION, "A direction that was found for the same model."),
                "strength": declare.strength(),
                "first_layer": integer(
                    OWN_LAYERS, OWN_LAYERS, MAX_LAYER, f"First style layer to edit {own}"
                ),
                "last_layer": integer(
                    OWN_LAYERS, OWN_LAYERS, MAX_LAYER, f"Last style layer to edit {own}"
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
    """Return the layer that a widget names, or None if it leaves the choice."""
    return None if widget_value == OWN_LAYERS else widget_value
