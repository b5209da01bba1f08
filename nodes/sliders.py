"""DI_EditSliders: a model's directions as sliders, with a preview that follows them."""

from typing import TYPE_CHECKING, Any, ClassVar

from torch import Tensor

from ..core.errors import CheckpointError, InputError
from ..core.printable import shown
from . import declare, host
from .declare import CODES, ERASED, IMAGE, Inputs, Node, socket, text
from .model import file_digest

if TYPE_CHECKING:
    from ..core.directions import Direction
    from ..core.geometry import Erased
    from ..core.inpainter import Inpainter
    from ..core.latents import WPlus

_LIMIT = 3.0
"""Reach of a slider, in both ways: beyond, images fall apart; the text takes larger strengths."""

_PREVIEW_PX = 512
_UNNAMED = tuple(f"sefa:{k}" for k in range(6))
"""Sliders of a model without named directions: the ones that change most."""


class EditSliders(Node):
    """DI_EditSliders: edit along several directions and show the result."""

    DESCRIPTION = (
        "Shows the directions of the model as sliders and edits the codes along them. After the "
        "first run, the picture follows the sliders; only this node runs again."
    )
    SEARCH_ALIASES: ClassVar[list[str]] = [
        *("edit slider", "live edit", "attribute sliders", "latent edit", "preview edit"),
    ]
    RETURN_TYPES = (CODES, IMAGE)
    RETURN_NAMES = ("codes", "images")
    OUTPUT_TOOLTIPS = (
        "The edited codes, for Synthesize and others.",
        "The edited completions in their images, or whole generated images without erased.",
    )
    OUTPUT_NODE = True

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        """Declare the inputs; the front end draws a slider for each of `directions`."""
        from ..core.directions import bundled_direction_names

        kind, options = text(
            "{}",
            "Strength of each edit by name, as the sliders write it: "
            '{"brightness": 1.5}. Names such as sefa:0 and ganspace:0 work, too.',
        )
        bundled = [_slider(name) for name in bundled_direction_names()]
        return {
            "required": {
                "model": declare.model(),
                "codes": socket(CODES, "Codes from Pick Variants, Gated Mix or Diverse Inpaint."),
                "sliders": (kind, {**options, "directions": bundled}),
            },
            "optional": {
                "erased": socket(
                    ERASED,
                    "The erased image, from Encode Erased Image, to refine the completions and "
                    "put them into it; unconnected, the node shows whole generated images.",
                ),
            },
        }

    @classmethod
    def IS_CHANGED(
        cls, sliders: str, model: object = None, codes: object = None, erased: object = None
    ) -> str:
        """Return a value that changes with the direction files, which can become sliders."""
        paths = map(host.file_path, host.direction_files())
        return " ".join(file_digest(path) for path in paths if path is not None)

    def execute(
        self,
        model: "Inpainter",
        codes: "WPlus",
        sliders: str,
        erased: "Erased | None" = None,
    ) -> dict[str, Any]:
        """Return the edited codes and images [B*V, H, W, 3], a preview and the sliders."""
        from ..core.editor import Edit

        host.make_room_for(model, len(codes.flat()))
        directions, warnings = model_directions(model)
        edits = [
            Edit(directions.get(name, name), strength)
            for name, strength in read_sliders(sliders).items()
        ]
        edited = host.codes_to_output(model.edit(codes, edits))
        images = _images(model, edited, erased)
        told = [_slider(name, found.description) for name, found in directions.items()]
        ui = {
            "images": host.save_previews(images, _PREVIEW_PX),
            "directions": told or [_slider(name) for name in _UNNAMED],
        }
        return host.with_warnings((edited, images), warnings, ui)


def _slider(name: str, description: str = "") -> dict[str, Any]:
    """Return what `web/js/sliders.js` needs for a slider."""
    return {"name": name, "limit": _LIMIT, "description": description}


def _images(model: "Inpainter", codes: "WPlus", erased: "Erased | None") -> Tensor:
    """Return the images of the codes, composited where there is an image to put them into."""
    from ..core.compositing import paste_completions
    from ..core.inpainter import check_squares
    from ..core.progress import parts_of

    if erased is None:
        return host.to_output(model.synthesize(codes, host.step_bar()))
    on_make, on_paste = parts_of(host.step_bar(), 4, 1)
    erased = erased.to(model.device)
    if model.model.skip_encoder is None:
        check_squares(erased, codes)
        whole = model.synthesize(codes, on_make)
    else:
        whole = model.refine(erased, codes, None, on_make)
    return host.to_output(paste_completions(erased, whole, on_step=on_paste)[0])


def model_directions(model: "Inpainter") -> tuple[dict[str, "Direction"], list[str]]:
    """Return the directions of a model by name: bundled ones, then files in the model folder.

    Also a sentence on each file that cannot be a slider: the others can.
    """
    from ..core.directions import read_direction

    found, warnings = dict(sorted(model.directions.items())), []
    for file in host.direction_files():
        try:
            path = host.file_path(file)
            direction = None if path is None else read_direction(path)
        except CheckpointError as error:
            warnings.append(f"{file} is left out: {error}")
            continue
        if direction is None or direction.generator_id != model.generator_id:
            continue
        if found.setdefault(direction.name, direction).digest != direction.digest:
            warnings.append(f"{file} is left out: another direction is named {direction.name!r}.")
    return found, warnings


def read_sliders(sliders: str) -> dict[str, float]:
    """Return strengths by name of direction; an empty text has none.

    Raises:
        InputError: anything but a JSON object of numbers.
    """
    from ..core.foreign_data import DataError, parse_json

    try:
        values = parse_json(sliders.strip() or "{}")
    except DataError as error:
        values = str(error)
    if not isinstance(values, dict) or not all(map(_is_number, values.values())):
        got = values if isinstance(values, str) else "another value"
        raise InputError(
            'sliders as {"name": strength}',
            f"{got} in {shown(sliders)}",
            "Correct the text, or use {}.",
        )
    return values


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
