"""How images are completed, and what the results of a run have in common."""

import dataclasses
import hashlib
import json
from dataclasses import dataclass, field
from typing import Any

import torch

from .. import __version__
from ..core.checks import check_int
from ..core.directions import Direction
from ..core.editor import Edit
from ..core.inpainter import Inpainter
from ..core.mask_edits import MaskEdits
from ..core.progress import OnStep
from .result_files import MADE_BY, Record

_MAX_VARIANTS = 10_000  # a record can say any number, and an image's variants are made together


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How images are completed: arguments of `Inpainter.inpaint`, see there, and edits of masks.

    Raises:
        InputError: no variants, or more than 10,000.
    """

    num_variants: int = 8
    seed: int = 0
    edits: tuple[Edit, ...] = ()
    truncation_psi: float = 1.0
    gate_bias: float = 0.0
    crop_mode: str = "picture"
    margin: float = 0.25
    feather_px: int = 0
    skip_source: str = "edited"
    fit_steps: int = 0
    on_step: OnStep | None = None
    mask_edits: MaskEdits = field(default_factory=MaskEdits)
    """Done to the mask first; no argument of `Inpainter.inpaint`."""
    blend: str | None = None
    max_megapixels: float = 64.0
    """Larger images are refused: they take 2 GB or more. No argument of `Inpainter.inpaint`."""

    def __post_init__(self) -> None:
        """Check what is used before `rehearse`, such as to name results."""
        check_int(self.num_variants, "num_variants", 1, _MAX_VARIANTS)

    def arguments(self) -> dict[str, Any]:
        """Return the keyword arguments of `Inpainter.inpaint`."""
        names = {f.name for f in dataclasses.fields(self)} - {"mask_edits", "max_megapixels"}
        return {name: getattr(self, name) for name in names}

    def to_dict(self) -> Record:
        """Return what results depend on, plain data for JSON."""
        edits = [[_name_of(edit.direction), edit.strength] for edit in self.edits]
        own = {**self.arguments(), "edits": edits}
        del own["on_step"]
        # Left out where nothing is edited: results of earlier versions are the same.
        if not self.fit_steps:
            del own["fit_steps"]
        is_edited = self.mask_edits != MaskEdits()
        return own | ({"mask_edits": dataclasses.asdict(self.mask_edits)} if is_edited else {})


def _name_of(direction: str | Direction) -> str:
    """Return a unique name: two direction files with the same name may differ."""
    if isinstance(direction, str):
        return direction
    return f"{direction.name} ({direction.digest[:12]})"


def rehearse(model: Inpainter, settings: Settings) -> None:
    """Complete a gray square once, so that invalid settings fail before the first image.

    Raises:
        InputError: a setting that no image could be completed with.
    """
    once = dataclasses.replace(settings, num_variants=1)
    R = model.resolution
    model.inpaint(torch.full((1, R, R, 3), 0.5), torch.ones(1, R, R), **once.arguments())


def describe_run(model: Inpainter, settings: Settings, model_name: str) -> Record:
    """Return what results of a run have in common, for their records.

    Args:
        model: completes the images.
        settings: how.
        model_name: what it was loaded as; without folders, which are nobody's business.
    """
    made_by = {
        "version": __version__,
        "model": model_name,
        "title": model.title,
        "generator_id": model.generator_id,
        "precision": model.precision,
    }
    edits = (  # named as the model does: a name may have been given with other dashes
        edit
        if isinstance(edit.direction, Direction)
        else dataclasses.replace(edit, direction=model.direction(edit.direction).name)
        for edit in settings.edits
    )
    own = dataclasses.replace(settings, edits=tuple(edits)).to_dict()
    return {**own, "model": model_digest(model), MADE_BY: made_by}


def model_digest(model: Inpainter) -> str:
    """Return what tells models apart, for records of results."""
    # Under the name of version 0.1, so that its results are known to be of the same model.
    training = {"alarms" if k == "diagnostics" else k: v for k, v in model.training.items()}
    facts = [model.generator_id, model.title, training]
    return short_digest(json.dumps(facts, sort_keys=True).encode())


def short_digest(data: bytes) -> str:
    """Return the first half of a hash that records tell contents apart by."""
    return hashlib.sha256(data).hexdigest()[:16]
