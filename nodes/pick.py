"""DI_PickVariant: some variants of a batch, chosen by clicking."""

import re
from typing import TYPE_CHECKING, Any, ClassVar

from torch import Tensor

from ..core.errors import InputError
from ..core.printable import shown
from . import host
from .declare import CODES, IMAGE, TEXT, Inputs, Node, socket, text

if TYPE_CHECKING:
    from ..core.latents import WPlus

_THUMBNAIL_PX = 192
_MAX_DIGITS = 6


class PickVariant(Node):
    """DI_PickVariant: keep the chosen variants, codes and images alike."""

    DESCRIPTION = (
        "Shows a batch of variants as a grid and keeps the ones that you click, images and codes "
        "alike. The choice is stored in the text pick, so that a saved workflow repeats it."
    )
    SEARCH_ALIASES: ClassVar[list[str]] = [
        *("choose variant", "select image", "image from batch", "preview chooser"),
        "contact sheet",
    ]
    RETURN_TYPES = (CODES, IMAGE, TEXT)
    RETURN_NAMES = ("codes", "images", "indices")
    OUTPUT_TOOLTIPS = (
        "The codes of the chosen variants, for Edit Sliders, Apply Edit and others.",
        "The chosen images, in the order of the choice.",
        "The choice as text, such as 0,2-4, for the pick of another node.",
    )
    OUTPUT_NODE = True

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        """Declare the inputs."""
        return {
            "required": {
                "codes": socket(CODES, "The codes of the variants, from Diverse Inpaint."),
                "images": socket(IMAGE, "The same variants as images, in the same order."),
                "pick": text(
                    "",
                    "Numbers of the variants to keep, from 0, in any order: 0,2-4. Empty keeps "
                    "all. A semicolon separates the choices for several images: 0,2; 1,3.",
                ),
            }
        }

    def execute(self, codes: "WPlus", images: Tensor, pick: str) -> dict[str, Any]:
        """Return codes [B, P, L, D], images [B*P, H, W, C], indices, and the grid's thumbnails."""
        V = codes.num_variants
        B = len(images) // V
        if len(images) != B * V or not 1 <= B <= codes.batch:
            raise InputError(
                f"{codes.batch * V} images, one for each of the codes",
                f"{len(images)}",
                "Connect codes and images of the same node.",
            )
        picks = parse_picks(pick, B, V)
        if codes.batch > B and any(chosen != picks[0] for chosen in picks):
            raise InputError(
                "the same picks for all images, some of which have codes for several squares",
                shown(pick),
                "Pick the same of each, or complete one image at a time.",
            )
        rows = [b * V + v for b, chosen in enumerate(picks) for v in chosen]
        outputs = _picked_codes(codes, picks), images[rows], picks_as_text(picks)
        return {"ui": _grid(codes, images), "result": outputs}


def _picked_codes(codes: "WPlus", picks: list[list[int]]) -> "WPlus":
    """Return the codes of the picks; those of several squares of an image follow each other."""
    import dataclasses

    import torch

    if all(chosen == picks[0] for chosen in picks):
        return codes[:, picks[0]]
    single = [codes[b, chosen] for b, chosen in enumerate(picks)]
    labels = tuple(label for one in single for label in one.labels)
    return dataclasses.replace(codes, codes=torch.cat([one.codes for one in single]), labels=labels)


def _grid(codes: "WPlus", images: Tensor) -> dict[str, list[Any]]:
    """Return what `web/js/pick.js` shows: a labelled thumbnail of each variant, and V."""
    previews = host.save_previews(images, _THUMBNAIL_PX)
    labels = codes.labels or [f"#{k % codes.num_variants}" for k in range(len(images))]
    variants = [
        {**preview, "label": label} for preview, label in zip(previews, labels, strict=False)
    ]
    return {"variants": variants, "num_variants": [codes.num_variants]}


def parse_picks(pick: str, num_images: int, num_variants: int) -> list[list[int]]:
    """Return the chosen variants of each image, in the order of the text, each once.

    Args:
        pick: "0,2-4", or with a choice for each image "0,2; 1,3"; empty for all.
        num_images: B; one choice serves all images.
        num_variants: V.

    Raises:
        InputError: another form, a number out of range, or choices that differ in length.
    """
    parts = [_parse(part, num_variants) for part in pick.split(";")]
    if len(parts) not in (1, num_images):
        raise InputError(
            f"one choice in pick, or one for each of the {num_images} images",
            f"{len(parts)} choices",
            "Add or remove a semicolon.",
        )
    if len(counts := sorted({len(part) for part in parts})) > 1:
        raise InputError(
            "the same number of picks for each image",
            f"{' and '.join(map(str, counts))}",
            "Pick as many of each, or pick from one image at a time.",
        )
    return parts * (num_images // len(parts))


def _parse(choice: str, num_variants: int) -> list[int]:
    chosen: list[int] = []
    for item in filter(None, re.split(r"[\s,]+", re.sub(r"\s*-\s*", "-", choice.strip()))):
        found = re.fullmatch(rf"(\d{{1,{_MAX_DIGITS}}})(?:-(\d{{1,{_MAX_DIGITS}}}))?", item, re.A)
        first, last = (int(found[1]), int(found[2] or found[1])) if found else (1, 0)
        if first > last:
            raise InputError(
                "numbers and ranges in pick, such as 0,2-4", shown(item), "Correct the text."
            )
        if last >= num_variants:
            raise InputError(
                f"picks from 0 to {num_variants - 1}",
                shown(item),
                "Correct the text, or make more variants.",
            )
        chosen += range(first, last + 1)
    return list(dict.fromkeys(chosen)) or list(range(num_variants))


def picks_as_text(picks: list[list[int]]) -> str:
    """Return the choices in the form that `parse_picks` reads; one if all are equal."""
    parts = picks[:1] if all(part == picks[0] for part in picks) else picks
    return "; ".join(map(_as_text, parts))


def _as_text(chosen: list[int]) -> str:
    runs: list[list[int]] = []
    for v in chosen:
        if runs and v == runs[-1][-1] + 1:
            runs[-1].append(v)
        else:
            runs.append([v])
    return ",".join(
        f"{run[0]}-{run[-1]}" if len(run) > 2 else ",".join(map(str, run)) for run in runs
    )
