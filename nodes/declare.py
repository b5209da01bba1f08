"""How nodes declare themselves to ComfyUI: the base class and one function per kind of input.

ComfyUI reads V1 classes: INPUT_TYPES maps names to (type, options); a list as type is a choice.
Saved workflows store widget values by position, so inputs are only ever appended.
"""

from collections.abc import Iterable
from typing import Any, ClassVar

from ..core.checks import MAX_SEED

MODEL = "DI_MODEL"
"""Socket type of an `Inpainter`."""
ERASED = "DI_ERASED"
"""Socket type of an `Erased`."""
CODES = "DI_W"
"""Socket type of a `WPlus`."""
DIRECTION = "DI_DIRECTION"
"""Socket type of a `Direction`."""
IMAGE = "IMAGE"
"""ComfyUI's images, [B, H, W, 3] float32 in [0, 1]."""
TEXT = "STRING"
"""ComfyUI's texts."""
MASK = "MASK"
"""ComfyUI's masks, [B, H, W] float32 in [0, 1], 1 = fill."""

CATEGORY = "diverse inpainting"

BUNDLED = " (bundled)"
"""Suffix of the names of bundled files; saved workflows store them."""

MAX_VARIANTS = 64
OWN_LAYERS = -1
"""Value of a layer widget that leaves the choice to the direction or the model."""

Spec = tuple[Any, dict[str, Any]]  # Any: ComfyUI mixes strings, lists and numbers
Inputs = dict[str, dict[str, Any]]  # of required and optional inputs a Spec


def missing_file(name: str, folders: Iterable[str], alternative: str) -> str:
    """Return the validation error for a workflow's choice that is not on this machine."""
    if name.endswith(BUNDLED):
        return f"{name!r} does not come with this version of the pack. Choose {alternative}."
    where = " or ".join(folders)
    return f"{name!r} is not in {where}. Put the file there and press R, or choose {alternative}."


class Node:
    """Base class of all nodes of the pack."""

    CATEGORY = CATEGORY
    FUNCTION = "execute"
    DESCRIPTION: ClassVar[str]
    SEARCH_ALIASES: ClassVar[list[str]]
    """Other words to search by; read by ComfyUI since January 2026."""
    OUTPUT_NODE: ClassVar[bool] = False
    """Whether the node shows something itself, so that ComfyUI runs it without a node after it."""


def socket(kind: str, tooltip: str) -> Spec:
    """Declare an input that only a link can fill."""
    return kind, {"tooltip": tooltip}


def choice(options: Iterable[str], tooltip: str) -> Spec:
    """Declare a list to choose from; the first option is the default."""
    listed = list(options)
    return listed, {"default": listed[0], "tooltip": tooltip}


def integer(default: int, low: int, high: int, tooltip: str) -> Spec:
    """Declare an integer in [low, high]."""
    return "INT", {"default": default, "min": low, "max": high, "step": 1, "tooltip": tooltip}


def real(default: float, low: float, high: float, step: float, tooltip: str) -> Spec:
    """Declare a number in [low, high]; step is what one click on its arrows adds."""
    options = {"default": default, "min": low, "max": high, "step": step, "round": 0.001}
    return "FLOAT", {**options, "tooltip": tooltip}


def text(default: str, tooltip: str) -> Spec:
    """Declare one line of text."""
    return TEXT, {"default": default, "multiline": False, "tooltip": tooltip}


def boolean(default: bool, tooltip: str) -> Spec:
    """Declare a switch."""
    return "BOOLEAN", {"default": default, "tooltip": tooltip}


def model() -> Spec:
    """Declare the model."""
    return socket(MODEL, "The model, from Load Diverse Inpainting Model.")


def image() -> Spec:
    """Declare the images to complete."""
    return socket(IMAGE, "The image to complete, of any size, or a batch of images.")


def mask() -> Spec:
    """Declare the hole mask."""
    return socket(MASK, "White (1) where the image is to be filled, as painted in the mask editor.")


def seed() -> Spec:
    """Declare the seed of the variants; the front end adds "control after generate"."""
    kind, options = integer(
        0,
        0,
        MAX_SEED,
        "Random seed. Variant k depends only on the seed and k, so asking for more variants keeps "
        "the ones you have.",
    )
    return kind, {**options, "control_after_generate": True}


def num_variants() -> Spec:
    """Declare the number of completions per image."""
    return integer(8, 1, MAX_VARIANTS, "How many different completions to make of each image.")


def keep(which: str) -> Spec:
    """Declare the codes of variants to keep."""
    return socket(
        CODES,
        f"Variants to keep: {which}. They come first; the seed fills the places up to "
        "num_variants.",
    )


def truncation() -> Spec:
    """Declare the truncation of the random codes."""
    return real(
        1.0,
        0.0,
        2.0,
        0.05,
        "How far random codes may stray from the average code: 1 as trained, lower for safer but "
        "more similar completions, higher for stranger ones.",
    )


def gate_bias() -> Spec:
    """Declare the bias of the mixer's gate."""
    return real(
        0.0,
        -20.0,
        20.0,
        0.1,
        "Added to the gate before its sigmoid. 0: as trained. Higher: follow the image more, so "
        "that variants become more alike. Lower: follow the random codes more.",
    )


def crop_mode(modes: Iterable[str]) -> Spec:
    """Declare which square of the image the network sees."""
    return choice(
        modes,
        "The square that the network sees. picture: the whole image, when the subject fills it. "
        "hole: the hole and its surroundings, for a small hole in a large image. face: the cat's "
        "face that the hole lies in, turned upright, or else as hole. auto: the face, the hole, "
        "each hole or the whole image, whichever fits. holes: a square for each hole, where "
        "several are far apart.",
    )


def margin() -> Spec:
    """Declare how much the network sees around the hole."""
    return real(
        0.25,
        0.0,
        16.0,
        0.05,
        "With crop mode hole or holes: how much to include on each side of the hole, as a fraction "
        "of the hole's size.",
    )


def feather() -> Spec:
    """Declare the width of the transition outside the hole."""
    return integer(
        0,
        0,
        1024,
        "Width in pixels, outside the hole, over which the completion fades into the original. "
        "0 leaves every pixel outside the mask exactly as it was.",
    )


def blend(blends: Iterable[str]) -> Spec:
    """Declare how a completion meets its image."""
    return choice(
        blends,
        "How the completion meets the image. seamless: takes over the colours around the hole. "
        "feather: fades into the original over feather_px. paste: as generated.",
    )


def strength() -> Spec:
    """Declare how far an edit goes."""
    return real(
        0.0,
        -20.0,
        20.0,
        0.1,
        "How far to move along the direction. Negative values move the other way; 0 changes "
        "nothing.",
    )


def fit_steps(default: int, tooltip: str) -> Spec:
    """Declare how many steps of fitting to take."""
    from ..core.fitting import MAX_FIT_STEPS

    return integer(default, 0, MAX_FIT_STEPS, tooltip)
