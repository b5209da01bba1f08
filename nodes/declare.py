"""How nodes declare themselves to ComfyUI: the shared base class and one function per input kind.

ComfyUI reads V1 classes: INPUT_TYPES maps names to (type, options), a list as type means a choice.
Saved workflows hold widget values by position, so inputs are only ever appended.
"""

from collections.abc import Iterable
from typing import Any, ClassVar

from ..core.checks import MAX_SEED

MODEL = "DI_MODEL"
"""Socket of an `Inpainter`."""
ERASED = "DI_ERASED"
"""Socket of an `Erased`."""
CODES = "DI_W"
"""Socket of a `WPlus`."""
DIRECTION = "DI_DIRECTION"
"""Socket of a `Direction`."""
IMAGE = "IMAGE"
"""ComfyUI's pictures, [B, H, W, 3] float32 in [0, 1]."""
MASK = "MASK"
"""ComfyUI's masks, [B, H, W] float32 in [0, 1], 1 = fill."""

CATEGORY = "diverse inpainting"

BUNDLED = " (bundled)"
"""Ends the names of what comes with the pack; saved workflows hold them."""

MAX_VARIANTS = 64
OWN_LAYERS = -1
"""Value of a layer widget that leaves the choice to the direction or the model."""

Spec = tuple[Any, dict[str, Any]]
Inputs = dict[str, dict[str, Spec]]


def absent(name: str, folders: Iterable[str], alternative: str) -> str:
    """Return what to say of a choice in a workflow that is not on this machine."""
    if name.endswith(BUNDLED):
        return f"{name!r} does not come with this version of the pack. Choose {alternative}."
    where = " or ".join(folders)
    return f"{name!r} is not in {where}. Put the file there and press R, or choose {alternative}."


class Node:
    """What all nodes of the pack have in common."""

    CATEGORY = CATEGORY
    FUNCTION = "execute"
    DESCRIPTION: ClassVar[str]
    SEARCH_ALIASES: ClassVar[list[str]]
    """Other words people search for; read by ComfyUI since January 2026."""


def socket(kind: str, tooltip: str) -> Spec:
    """Declare an input that only a link can fill."""
    return kind, {"tooltip": tooltip}


def choice(options: Iterable[str], tooltip: str) -> Spec:
    """Declare a list to choose from; the first option is the default."""
    listed = list(options)
    return listed, {"default": listed[0], "tooltip": tooltip}


def integer(default: int, low: int, high: int, tooltip: str) -> Spec:
    """Declare a whole number in [low, high]."""
    return "INT", {"default": default, "min": low, "max": high, "step": 1, "tooltip": tooltip}


def real(default: float, low: float, high: float, step: float, tooltip: str) -> Spec:
    """Declare a number in [low, high] that the arrows change by step."""
    options = {"default": default, "min": low, "max": high, "step": step, "round": 0.001}
    return "FLOAT", {**options, "tooltip": tooltip}


def seed() -> Spec:
    """Declare the seed of the variants; the front end adds what happens to it after each run."""
    kind, options = integer(
        0,
        0,
        MAX_SEED,
        "Start of the random numbers. Variant k depends on the seed and k alone: asking for more "
        "variants keeps the ones you have.",
    )
    return kind, {**options, "control_after_generate": True}


def num_variants() -> Spec:
    """Declare how many completions of each picture are made."""
    return integer(8, 1, MAX_VARIANTS, "How many different completions of each picture to make.")


def truncation() -> Spec:
    """Declare the truncation of the random codes."""
    return real(
        1.0,
        0.0,
        2.0,
        0.05,
        "How far the random codes go from the average one: 1 as the model was trained, less for "
        "safer and more alike completions, more for stranger ones.",
    )


def gate_bias() -> Spec:
    """Declare the bias of the mixer's gate."""
    return real(
        0.0,
        -20.0,
        20.0,
        0.1,
        "Added to the gate before its sigmoid: 0 as the model was trained, above 0 trusts the "
        "picture more (variants grow alike), below 0 the random codes.",
    )


def crop_mode(modes: Iterable[str]) -> Spec:
    """Declare which square of the picture the network sees."""
    return choice(
        modes,
        "Which square the network sees. picture: all of it, for pictures of the subject alone. "
        "hole: the surroundings of the hole, for a small hole in a large picture.",
    )


def margin() -> Spec:
    """Declare how much around the hole is seen."""
    return real(
        0.25,
        0.0,
        16.0,
        0.05,
        "With crop mode hole: how much of the surroundings is seen on each side, as a share of "
        "the hole's own size.",
    )


def feather() -> Spec:
    """Declare the width of the seam."""
    return integer(
        0,
        0,
        1024,
        "Width in pixels, outside the hole, over which the completion fades into the original. "
        "0 leaves every pixel outside the mask exactly as it was.",
    )


def strength() -> Spec:
    """Declare how far an edit goes."""
    return real(
        0.0,
        -20.0,
        20.0,
        0.1,
        "How far to go along the direction, in its own units; negative values go the other way, "
        "0 changes nothing.",
    )
