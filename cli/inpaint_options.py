"""The options of `inpaint` and `scale`. Only typer is imported, so that --help answers at once."""

import dataclasses
import inspect
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .direction_files import SUFFIX
from .options import (
    DIRECTION_NAMES,
    Device,
    Download,
    JsonLines,
    Model,
    Overwrite,
    Precision,
    Seed,
    Variants,
)

if TYPE_CHECKING:
    from ..core.editor import Edit
    from .settings import Settings


@dataclass(frozen=True, kw_only=True)
class InpaintOptions:
    """What was given on the command line; the order is that of --help."""

    source: Annotated[
        list[Path],
        typer.Argument(metavar="INPUT...", help="Images, folders of images, or patterns."),
    ]
    out: Annotated[Path, typer.Option(help="Folder for the results.")]
    mask: Annotated[
        list[Path] | None,
        typer.Option(
            help="White is filled. One file for all images, or a folder of same-named masks. "
            "Repeat for more masks of each image."
        ),
    ] = None
    model: Model = "cats"
    variants: Variants = 8
    seed: Seed = 0
    edit: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=STRENGTH",
            help=f"Direction: {DIRECTION_NAMES}. Repeat for more edits.",
        ),
    ] = None
    truncation: Annotated[
        float, typer.Option(help="Below 1, completions are more typical and less diverse.")
    ] = 1.0
    gate_bias: Annotated[
        float, typer.Option(help="Above 0, completions follow the image more.")
    ] = 0.0
    crop: Annotated[
        str,
        typer.Option(
            metavar="picture|hole|face|auto|holes",
            help="Square the model sees: the whole image, the hole's surroundings, the cat's face "
            "that the hole lies in (or else as hole), what fits best, or a square for each hole.",
        ),
    ] = "picture"
    margin: Annotated[
        float,
        typer.Option(help="With --crop hole or holes: margin, as a fraction of the hole's size."),
    ] = 0.25
    feather: Annotated[int, typer.Option(min=0, help="Width of the soft edge, in pixels.")] = 0
    skip_source: Annotated[
        str,
        typer.Option(
            metavar="edited|unedited|none",
            help="Input of the skip encoder when there are edits; none disables it.",
        ),
    ] = "edited"
    blend: Annotated[
        str | None,
        typer.Option(
            metavar="seamless|feather|paste",
            help="How completions meet the image. Default: feather with --feather, else seamless.",
        ),
    ] = None
    fit: Annotated[
        int,
        typer.Option(
            metavar="STEPS",
            min=0,
            help="Fit the codes to each image; 15 steps are usually enough. "
            "A model without an encoder takes 75 by default.",
        ),
    ] = 0
    device: Device = None
    download: Download = False
    overwrite: Overwrite = False
    as_json: JsonLines = False
    recursive: Annotated[bool, typer.Option("--recursive", help="Search subfolders.")] = False
    mask_invert: Annotated[
        bool, typer.Option("--mask-invert", help="Fill what the mask keeps.")
    ] = False
    mask_fill: Annotated[bool, typer.Option("--mask-fill", help="Fill what the hole encloses.")] = (
        False
    )
    mask_grow: Annotated[
        int, typer.Option(help="Grow the hole, in pixels; shrink it if negative.")
    ] = 0
    mask_blur: Annotated[int, typer.Option(help="Soften the hole's edge, in pixels.")] = 0
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run", help="List images and masks, draw them to OUT/dry-run.png, exit."
        ),
    ] = False
    result_format: Annotated[
        str,
        typer.Option(
            "--format",
            metavar="png|same",
            help="Format of the results: PNG, or that of each image in its quality. JPEG, WebP and "
            "AVIF may change pixels outside the hole slightly.",
        ),
    ] = "png"
    recorded: Annotated[
        Path | None,
        typer.Option(
            "--from",
            metavar="RESULT",
            help="Take all settings from a result or its contact sheet; options given as well win.",
        ),
    ] = None
    shard: Annotated[
        str | None,
        typer.Option(
            metavar="I/N",
            help="Complete only part I, from 1, of N equal parts: for jobs of an array.",
        ),
    ] = None
    max_megapixels: Annotated[
        float,
        typer.Option(help="Refuse larger images; each megapixel takes about 40 MB of memory."),
    ] = 64.0
    precision: Precision = "auto"

    def settings(self) -> "Settings":
        """Return how images are to be completed.

        Raises:
            InputError: an edit of another form.
            CheckpointError: the file of a direction is missing or holds none.
        """
        from ..core.mask_edits import MaskEdits
        from .settings import Settings

        return Settings(
            num_variants=self.variants,
            seed=self.seed,
            edits=tuple(parse_edit(text) for text in self.edit or ()),
            truncation_psi=self.truncation,
            gate_bias=self.gate_bias,
            crop_mode=self.crop,
            margin=self.margin,
            feather_px=self.feather,
            skip_source=self.skip_source,
            fit_steps=self.fit,
            mask_edits=MaskEdits(
                invert=self.mask_invert,
                fill=self.mask_fill,
                grow_px=self.mask_grow,
                blur_px=self.mask_blur,
            ),
            blend=self.blend,
            max_megapixels=self.max_megapixels,
        )


def signature() -> inspect.Signature:
    """Return the parameters of a command that takes these options, for typer."""
    kind = inspect.Parameter.KEYWORD_ONLY
    parameters = [inspect.Parameter("context", kind, annotation=typer.Context)]
    for field in dataclasses.fields(InpaintOptions):
        is_required = field.default is dataclasses.MISSING
        default = inspect.Parameter.empty if is_required else field.default
        parameters.append(
            inspect.Parameter(field.name, kind, default=default, annotation=field.type)
        )
    return inspect.Signature(parameters)


def parse_edit(text: str) -> "Edit":
    """Return the edit NAME=STRENGTH; NAME may be a direction file (.safetensors).

    Raises:
        InputError: the text has another form.
        CheckpointError: the file is missing or is not a direction.
    """
    import math

    from ..core.directions import read_direction
    from ..core.editor import Edit
    from ..core.errors import InputError

    name, _, number = text.rpartition("=")
    name = name.strip()
    try:
        strength = float(number)
    except ValueError:
        strength = math.nan
    if not name or not math.isfinite(strength):
        raise InputError("an edit as NAME=STRENGTH", repr(text), "Write sefa:0=1.5, for example.")
    return Edit(read_direction(name) if name.endswith(SUFFIX) else name, strength)
