"""The commands `directions interfacegan` and `directions samples`."""

import dataclasses
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .console import echo
from .direction_files import SUFFIX, FirstLayer, LastLayer, Reverse, load, resolve, write
from .options import DIRECTION_NAMES, SCORES, Device, Model, Overwrite, Precision
from .progress import OnProgress, display_fraction

if TYPE_CHECKING:
    from torch import Tensor

    from ..core.directions import Direction
    from ..core.inpainter import Inpainter
    from .direction_scores import RatedSamples

_Out = Annotated[
    Path,
    typer.Option("--out", help="The .safetensors file to write; of several scores, a folder."),
]
_OutFolder = Annotated[Path, typer.Option("--out", help="Folder for the samples.")]
_Score = Annotated[
    list[str] | None,
    typer.Option(
        help=f"What the strength increases: {SCORES}; or, with scores of your own, some of "
        "them [default: all]. May be repeated."
    ),
]
_Scores = Annotated[
    Path | None,
    typer.Option(
        metavar="CSV",
        help="Your scores of samples: a header like seed,smile,age or file,smile, and a row for "
        "each sample.",
    ),
]
_Images = Annotated[
    list[Path] | None,
    typer.Option(
        metavar="FOLDER",
        help="Given twice: samples with less of it (negative), then with more (positive).",
    ),
]
_Scorer = Annotated[
    str | None,
    typer.Option(
        metavar="MODULE:FUNCTION",
        help="Your function that scores images [N, H, W, 3] uint8; also FILE.py:FUNCTION.",
    ),
]
_ApartFrom = Annotated[
    list[str] | None, typer.Option(help="A score to keep constant. May be repeated.")
]
_Without = Annotated[
    list[str] | None,
    typer.Option(
        metavar="DIRECTION",
        help=f"A direction to be orthogonal to: {DIRECTION_NAMES}. May be repeated.",
    ),
]
_Name = Annotated[str | None, typer.Option(help="Name of the slider [default: the score's]")]
_NumSamples = Annotated[
    int | None,
    typer.Option(min=2, help="Samples to draw and to score, without ratings [default: 4000]"),
]
_SampleSeed = Annotated[int | None, typer.Option(help="Seed of these samples [default: 0]")]


def interfacegan(
    *,
    out: _Out,
    model: Model = "cats",
    score: _Score = None,
    scores: _Scores = None,
    images: _Images = None,
    scorer: _Scorer = None,
    apart_from: _ApartFrom = None,
    without: _Without = None,
    first_layer: FirstLayer = 0,
    last_layer: LastLayer = None,
    reverse: Reverse = False,
    name: _Name = None,
    samples: _NumSamples = None,
    seed: _SampleSeed = None,
    device: Device = None,
    overwrite: Overwrite = False,
    precision: Precision = "float32",
) -> None:
    """Find the directions that increase scores of the images (arXiv:1907.10786).

    The scores are measured from the images (--score), or your own: --scores, --images or --scorer.
    """
    import sklearn  # noqa: F401 - fails before the model is loaded, if it is missing

    from ..core.checks import checked_layers
    from .direction_recipes import Learner

    source = _Source(scores, images, scorer, samples, seed)
    source.check(bool(score))
    loaded = load(model, device, precision)
    layers = checked_layers(first_layer, last_layer, loaded.num_layers)
    fixed = [resolve(loaded, one) for one in without or ()]
    orthogonal = {one.name: _vectors(one) for one in fixed}
    plan = _Plan(out, tuple(score or ()), tuple(apart_from or ()), name, overwrite)
    with display_fraction() as show:
        rated = source.rate(loaded, plan, show)
    targets = plan.targets(rated.scores)
    learner = Learner(loaded, rated)
    found = [
        learner.learn(
            one,
            layers,
            apart_from=[other for other in plan.apart_from if other != one or len(targets) == 1],
            without=orthogonal,
        )
        for one in targets
    ]
    for direction, path in zip(found, targets.values(), strict=True):
        named = dataclasses.replace(direction, name=name or direction.name)
        write(named.reversed() if reverse else named, path)


@dataclasses.dataclass(frozen=True)
class _Plan:
    """What to learn, and where to write it."""

    out: Path
    wanted: tuple[str, ...]
    apart_from: tuple[str, ...]
    name: str | None
    overwrite: bool

    def targets(self, names: Collection[str]) -> dict[str, Path]:
        """Return the file to write for each wanted score.

        Raises:
            ConfigError: several directions for one file or name.
            InputError: an unknown score.
            CheckpointError: a file that may not be written.
        """
        from ..core.checks import check_choice
        from ..core.directions import check_target
        from ..core.errors import ConfigError
        from ..core.files import prepare_folder
        from .direction_recipes import check_stems, file_stem

        for one in (*self.wanted, *self.apart_from):
            check_choice(one, "score", names)
        wanted = list(dict.fromkeys(self.wanted or names))
        is_file = self.out.suffix == SUFFIX
        if len(wanted) > 1 and (is_file or self.name):
            raise ConfigError(
                "a folder as --out, and no --name, for several directions",
                f"{'--out ' + self.out.name if is_file else '--name'} for {', '.join(wanted)}",
                "Give a folder, or choose one of them with --score.",
            )
        if is_file:
            paths = [self.out]
        else:
            stems = [file_stem(self.name or one) for one in wanted]
            check_stems(stems)
            prepare_folder(self.out)
            paths = [self.out / f"{stem}{SUFFIX}" for stem in stems]
        for path in paths:
            check_target(path, self.overwrite)
        return dict(zip(wanted, paths, strict=True))


@dataclasses.dataclass(frozen=True)
class _Source:
    """Where scores come from; no source of the user's own means those that are measured."""

    scores: Path | None
    images: Sequence[Path] | None
    scorer: str | None
    samples: int | None
    seed: int | None

    def check(self, has_score: bool) -> None:
        """Raise ConfigError unless there is one source, with options that belong to it."""
        from ..core.errors import ConfigError

        given = {"--scores": self.scores, "--images": self.images, "--scorer": self.scorer}
        own = [option for option, value in given.items() if value]
        if len(own) > 1 or not (own or has_score):
            raise ConfigError(
                "--score with the name of a measured score, or one of --scores, --images and "
                "--scorer",
                " and ".join(own) or "none of them",
                "Give one.",
            )
        if (self.scores or self.images) and (self.samples, self.seed) != (None, None):
            raise ConfigError(
                "--samples and --seed with --score or --scorer only",
                f"them with {own[0]}",
                "Leave them out: the samples are those that were rated.",
            )

    def rate(self, model: "Inpainter", plan: _Plan, show: OnProgress) -> "RatedSamples":
        """Return samples with their scores."""
        from .direction_recipes import NUM_SAMPLES, SCORES, measure
        from .direction_scores import rate_by_folders, rate_by_scorer, rate_by_table
        from .scorers import UserScorer

        if self.scores:
            return rate_by_table(model, self.scores)
        if self.images:
            name = plan.name or self.images[-1].resolve().name
            return rate_by_folders(model, self.images, name)
        if self.scorer is None:
            plan.targets(SCORES)  # before any sample is drawn
        return rate_by_scorer(
            model,
            UserScorer(self.scorer) if self.scorer else measure,
            self.samples or NUM_SAMPLES,
            self.seed or 0,
            check_names=plan.targets,
            on_progress=show,
        )


def _vectors(direction: "Direction") -> "list[Tensor]":
    """Return what a direction adds to single layers, each [D]."""
    if direction.vector.ndim == 1:
        return [direction.vector]
    rows = direction.vector[direction.first_layer : direction.last_layer + 1]
    return [row for row in rows if bool(row.any())]


_Count = Annotated[int, typer.Option(min=1, help="Number of samples.")]
_FirstSeed = Annotated[int, typer.Option(min=0, help="Seed of the first; the others follow it.")]


def draw_samples(
    *,
    out: _OutFolder,
    model: Model = "cats",
    count: _Count = 400,
    seed: _FirstSeed = 0,
    device: Device = None,
    overwrite: Overwrite = False,
    precision: Precision = "auto",
) -> None:
    """Draw samples to rate: one image for each seed, and scores.csv to fill in.

    Fill in scores.csv for interfacegan --scores, or sort the images into two folders for --images.
    """
    from .direction_samples import TEMPLATE, write_samples

    loaded = load(model, device, precision)
    with display_fraction() as show:
        paths = write_samples(
            loaded, out, range(seed, seed + count), overwrite=overwrite, on_progress=show
        )
    echo(f"{out}: {len(paths)} samples, {paths[0].name} to {paths[-1].name}, and {TEMPLATE}")
