"""What the user asks a training for, and the files that follow from it."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path

from ..core.checkpoint import inspect_checkpoint, resolve_source
from ..core.errors import InputError
from .config import Recipe, StageConfig
from .stages import STAGES


@dataclass(frozen=True, kw_only=True)
class TrainOptions:
    """What the user asks for."""

    stage: str
    """One of `STAGES`."""
    recipe: Recipe
    """Configuration."""
    out: Path
    """Folder of the run; the stage's own folder is created in it."""
    data: Path | None = None
    """Folder, zip or list of photographs. The prior learns from them; the other stages are measured
    on them, and learn from them if the recipe says so."""
    holdout: Path | None = None
    """Photographs that are held out, in place of those that the recipe chooses among `data`; where
    `data` has them, too, they are left out."""
    source: str | Path | None = None
    """Bundled name, file or hub id of the model that a stage starts from (a Path is always a file);
    None for the checkpoint of the previous stage in `out`."""
    restart_from: str | Path | None = None
    """Model, named in the same way, whose weights the stage continues with. Without a source, its
    generator and discriminator are used as well."""

    @property
    def config(self) -> StageConfig:
        """The stage's settings in the recipe."""
        return self.recipe.stage_config(self.stage)


def fit_recipe(options: TrainOptions) -> TrainOptions:
    """Return the options with a recipe that fits the generator, if it follows that and has one.

    Raises:
        CheckpointError: the checkpoint that the stage starts from is unusable.
    """
    path = start_of(options)
    if not options.recipe.follows_generator or path is None:
        return options
    recipe = options.recipe.fitted_to(inspect_checkpoint(path).config)
    return dataclasses.replace(options, recipe=recipe)


def start_of(options: TrainOptions) -> Path | None:
    """Return the file that a stage starts from; None if there is none, or for the prior."""
    if STAGES[options.stage].previous is None:
        return None
    usual = _usual_start(options)
    named = options.source or options.restart_from
    return resolve_source(named or usual) if named is not None or usual.is_file() else None


def _usual_start(options: TrainOptions) -> Path:
    """Return the file that the previous stage writes."""
    previous = STAGES[options.stage].previous
    return options.out / f"{previous}" / f"{previous}.safetensors"


def required_start(options: TrainOptions) -> Path:
    """Return the file that a stage starts from.

    Raises:
        CheckpointError: a named model is not there.
        InputError: none is named, and the previous stage has written none.
    """
    path = start_of(options)
    if path is None:
        previous, usual = STAGES[options.stage].previous, _usual_start(options)
        raise InputError(
            f"the checkpoint of {previous}",
            f"no file {usual}",
            f"Train {previous} with the same --out first, or name a checkpoint with --from.",
            problem=f"The checkpoint of {previous}, {usual}, does not exist.",
        )
    return path


def required_data(options: TrainOptions) -> Path:
    """Return the photographs of a stage that cannot do without.

    Raises:
        InputError: none are given.
    """
    if options.data is None:
        raise InputError(
            f"photographs for {options.stage}",
            "none",
            "Give a folder, zip or list with --data.",
            problem=f"The stage {options.stage} needs photographs.",
        )
    return options.data
