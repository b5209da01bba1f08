"""Finding the named directions of a model that a recipe lists.

A recipe is a TOML file: `samples` and `seed` of the random codes, and a table [[direction]] for
each direction with the fields of `DirectionSpec`.
"""

import dataclasses
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from torch import Tensor

from ..core.checks import check_choice, check_int, checked_layers
from ..core.config_fields import check_fields, from_mapping
from ..core.directions import (
    DISCOVERY_METHODS,
    SCORES,
    Boundary,
    Direction,
    discover_interfacegan,
    find_boundary,
)
from ..core.errors import ConfigError
from ..core.files import portable_name
from ..core.foreign_data import read_toml
from ..core.inpainter import Inpainter
from .direction_scores import RatedSamples, rate_by_scorer
from .progress import OnProgress

RECIPES_DIR = Path(__file__).parents[1] / "core" / "directions" / "recipes"
METHODS = (*DISCOVERY_METHODS, "interfacegan")

_MAX_STEM = 60  # characters of up to four bytes: file systems allow 255 bytes of a name

NUM_SAMPLES = 4000
"""Samples that are drawn and scored, unless a recipe or an option says another number."""


@dataclass(frozen=True, kw_only=True)
class DirectionSpec:
    """A direction and how to find it.

    Raises:
        InputError: an unknown method or score.
        ConfigError: a field has the wrong type or belongs to another method.
    """

    name: str
    """Name of its slider."""
    method: str
    """One of `METHODS`."""
    component: int = 0
    """For sefa and ganspace: 0 changes the image most."""
    score: str = ""
    """For interfacegan: what increases, one of `SCORES`."""
    apart_from: tuple[str, ...] = ()
    """For interfacegan: scores to keep constant."""
    first_layer: int = 0
    """First style layer to edit."""
    last_layer: int | None = None
    """Last style layer to edit (inclusive); None for the model's last."""
    reverse: bool = False
    """Whether to swap positive and negative strengths."""
    description: str = ""
    """What it changes in the image."""

    def __post_init__(self) -> None:
        check_fields(self)
        check_choice(self.method, "method", METHODS)
        if self.method == "interfacegan":
            for score in (self.score, *self.apart_from):
                check_choice(score, "score", SCORES)
            foreign = ["component"] if self.component else []
        else:
            foreign = [name for name in ("score", "apart_from") if getattr(self, name)]
        if foreign:
            names = " and ".join(foreign)
            expected = "component for sefa and ganspace, score and apart_from for interfacegan"
            raise ConfigError(expected, f"{names} for {self.method}", f"Remove {names}.")


class Learner:
    """Learns directions of one model from samples with scores; fits each boundary only once."""

    def __init__(self, model: Inpainter, rated: RatedSamples) -> None:
        self._model, self._rated = model, rated
        self._boundaries: dict[str, Boundary] = {}

    def learn(
        self,
        score: str,
        layers: tuple[int, int],
        *,
        apart_from: Sequence[str] = (),
        without: Mapping[str, Sequence[Tensor]] = MappingProxyType({}),
    ) -> Direction:
        """Return the direction that increases a score.

        Args:
            score: what increases.
            layers: first and last style layer to move.
            apart_from: scores to keep constant.
            without: by name, vectors [D] that the direction is to be orthogonal to.

        Raises:
            InputError: an unknown score, scores that are too few, equal or without a meaning, or
                nothing of the direction is left.
        """
        others = {name: [self._boundary(name).normal] for name in apart_from}
        others |= {name: [vector.double() for vector in group] for name, group in without.items()}
        return discover_interfacegan(
            self._rated.of(score)[0],
            self._boundary(score),
            layers,
            self._model.generator_id,
            name=score,
            others=others,
        )

    def _boundary(self, name: str) -> Boundary:
        check_choice(name, "score", self._rated.scores)
        if name not in self._boundaries:
            self._boundaries[name] = find_boundary(*self._rated.of(name))
        return self._boundaries[name]


class Finder:
    """Finds directions of one model; draws and scores the samples of its codes only once."""

    def __init__(
        self,
        model: Inpainter,
        num_samples: int = NUM_SAMPLES,
        seed: int = 0,
        on_progress: OnProgress = lambda fraction, task: None,
    ) -> None:
        check_int(num_samples, "samples", 2, float("inf"))
        self._model, self._num_samples, self._seed = model, num_samples, seed
        self._on_progress = on_progress
        self._learner: Learner | None = None

    def find(self, spec: DirectionSpec) -> Direction:
        """Return one direction.

        Raises:
            InputError: a number out of range, or a score that is equal for all samples.
        """
        layers = checked_layers(spec.first_layer, spec.last_layer, self._model.num_layers)
        if spec.method == "interfacegan":
            found = self._learn(spec, layers)
        else:
            found = self._model.discover(spec.method, spec.component, *layers)
        named = dataclasses.replace(found, name=spec.name, description=spec.description)
        return named.reversed() if spec.reverse else named

    def _learn(self, spec: DirectionSpec, layers: tuple[int, int]) -> Direction:
        if self._learner is None:
            import sklearn  # noqa: F401 - fails before the samples are drawn, if it is missing

            rated = rate_by_scorer(
                self._model,
                measure,
                self._num_samples,
                self._seed,
                on_progress=self._on_progress,
            )
            self._learner = Learner(self._model, rated)
        return self._learner.learn(spec.score, layers, apart_from=spec.apart_from)


def measure(images: Tensor) -> dict[str, Tensor]:
    """Return all of `SCORES` of images [N, R, R, 3] in [0, 1]."""
    return {name: score(images) for name, score in SCORES.items()}


def find_all(
    model: Inpainter, recipe: Path, on_progress: OnProgress = lambda fraction, task: None
) -> list[Direction]:
    """Return the directions of a recipe, in its order.

    Raises:
        ConfigError: see `read_specs`.
        InputError: see `Finder.find`.
    """
    specs, numbers = read_specs(recipe)
    samples, seed = numbers.get("samples", NUM_SAMPLES), numbers.get("seed", 0)
    finder = Finder(model, samples, seed, on_progress)
    for spec in specs:
        checked_layers(spec.first_layer, spec.last_layer, model.num_layers)
    return [finder.find(spec) for spec in specs]


def read_specs(recipe: Path) -> tuple[list[DirectionSpec], dict[str, Any]]:
    """Return the directions of a recipe, in its order, and its `samples` and `seed`.

    Raises:
        ConfigError: the recipe is not valid TOML, has an unknown key, or has two directions whose
            files would have the same name.
        InputError: an unknown method or score.
    """
    table = read_toml(recipe, "a recipe of directions")
    entries = table.pop("direction", [])
    specs = [
        from_mapping(DirectionSpec, entry, "[direction]")
        for entry in (entries if isinstance(entries, list) else [entries])
    ]
    numbers = {key: table.pop(key) for key in ("samples", "seed") if key in table}
    if table or not specs:
        raise ConfigError(
            "samples, seed and [[direction]] in a recipe of directions",
            f"{', '.join(table) or 'no direction'} in {recipe}",
            "Correct the recipe.",
        )
    check_stems([file_stem(spec.name) for spec in specs])
    return specs, numbers


def recipe_path(source: str) -> Path:
    """Return the file of a recipe: a path to a .toml file, or the name of a bundled recipe.

    Raises:
        ConfigError: there is no such recipe.
    """
    bundled = {path.stem: path for path in sorted(RECIPES_DIR.glob("*.toml"))}
    path = Path(source) if source.endswith(".toml") else bundled.get(source)
    if path is None or not path.is_file():
        expected = f"a bundled recipe ({', '.join(bundled)}) or a .toml file"
        raise ConfigError(expected, source, "Correct the name.")
    return path


def file_stem(name: str) -> str:
    """Return a file name without extension for a direction's name."""
    ascii_name = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    plain = re.sub(r"[^a-z0-9]+", "-", ascii_name.lower()).strip("-")
    # Of other scripts, nothing is left: their letters stay.
    stem = plain or re.sub(r"[\W_]+", "-", name.lower()).strip("-") or "direction"
    return portable_name(stem[:_MAX_STEM])


def check_stems(stems: list[str]) -> None:
    """Raise ConfigError if a file name occurs twice: the second file would replace the first."""
    twice = [stem for i, stem in enumerate(stems) if stem in stems[:i]]
    if twice:
        raise ConfigError(
            "directions with different file names", f"{twice[0]} twice", "Rename one of them."
        )
