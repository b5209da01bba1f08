"""Finding the named directions of a model that a recipe lists.

A recipe is a TOML file: `samples` and `seed` of the random codes, and a table [[direction]] for
each direction with the fields of `DirectionSpec`.
"""

import dataclasses
import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..core.checks import check_choice, check_int
from ..core.config_fields import check_fields, from_mapping
from ..core.directions import DISCOVERY_METHODS, STANDARD_DEVIATION, Direction, deviation_along
from ..core.directions.interfacegan import Boundary, find_boundary, independent
from ..core.directions.scores import SCORES
from ..core.errors import ConfigError
from ..core.foreign_data import read_toml
from ..core.inpainter import Inpainter

RECIPES_DIR = Path(__file__).parents[1] / "core" / "directions" / "recipes"
METHODS = (*DISCOVERY_METHODS, "interfacegan")

_CHUNK = 64

OnProgress = Callable[[float, str], None]
"""(the fraction done, the current task)"""


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


class Finder:
    """Finds directions of one model; draws and scores the samples of its codes only once."""

    def __init__(
        self,
        model: Inpainter,
        num_samples: int = 4000,
        seed: int = 0,
        on_progress: OnProgress = lambda fraction, task: None,
    ) -> None:
        check_int(num_samples, "samples", 2, float("inf"))
        self._model, self._num_samples, self._seed = model, num_samples, seed
        self._on_progress = on_progress
        self._w: Tensor | None = None
        self._boundaries: dict[str, Boundary] = {}
        self._scores: dict[str, Tensor] = {}

    def last_layer(self, spec: DirectionSpec) -> int:
        """Return the last style layer that a direction edits.

        Raises:
            InputError: the model does not have these layers.
        """
        last = self._model.num_layers - 1 if spec.last_layer is None else spec.last_layer
        check_int(spec.first_layer, "first_layer", 0, self._model.num_layers - 1)
        check_int(last, "last_layer", spec.first_layer, self._model.num_layers - 1)
        return last

    def find(self, spec: DirectionSpec) -> Direction:
        """Return one direction.

        Raises:
            InputError: a number out of range, or a score that is equal for all samples.
        """
        last = self.last_layer(spec)
        if spec.method == "interfacegan":
            found = self._learn(spec, last)
        else:
            found = self._model.discover(spec.method, spec.component, spec.first_layer, last)
        sign = -1.0 if spec.reverse else 1.0
        return dataclasses.replace(
            found, name=spec.name, vector=sign * found.vector, description=spec.description
        )

    def _learn(self, spec: DirectionSpec, last_layer: int) -> Direction:
        boundary = self._boundary(spec.score)
        others = [self._boundary(score).normal for score in spec.apart_from]
        normal = independent(boundary.normal, others)
        apart = f", apart from {' and '.join(spec.apart_from)}" if others else ""
        return Direction(
            name=spec.name,
            vector=(normal * deviation_along(self._codes(), normal)).float(),
            generator_id=self._model.generator_id,
            first_layer=spec.first_layer,
            last_layer=last_layer,
            unit=STANDARD_DEVIATION,
            source=f"InterFaceGAN (arXiv:1907.10786) on {spec.score}{apart}, "
            f"{self._num_samples} samples, accuracy {boundary.accuracy(normal):.3f}",
        )

    def _boundary(self, score: str) -> Boundary:
        if score not in self._boundaries:
            self._measure()
            self._boundaries[score] = find_boundary(self._codes(), self._scores[score])
        return self._boundaries[score]

    def _codes(self) -> Tensor:
        """Return [N, D]."""
        if self._w is None:
            self._w = self._model.sample_w(self._seed, self._num_samples).codes[0, :, 0].clone()
        return self._w

    def _measure(self) -> None:
        if self._scores:
            return
        import sklearn  # noqa: F401 - fails before the samples are drawn, if it is missing

        parts: dict[str, list[Tensor]] = {name: [] for name in SCORES}
        layers = self._model.num_layers
        for start in range(0, self._num_samples, _CHUNK):
            self._on_progress(start / self._num_samples, "scoring samples")
            w = self._codes()[start : start + _CHUNK]
            codes = self._model.codes(w[None, :, None].expand(-1, -1, layers, -1))
            images = self._model.synthesize(codes)
            for name, score in SCORES.items():
                parts[name].append(score(images).cpu())
        self._scores = {name: torch.cat(values) for name, values in parts.items()}
        self._on_progress(1.0, "scored samples")


def find_all(
    model: Inpainter, recipe: Path, on_progress: OnProgress = lambda fraction, task: None
) -> list[Direction]:
    """Return the directions of a recipe, in its order.

    Raises:
        ConfigError: see `read_specs`.
        InputError: see `Finder.find`.
    """
    specs, numbers = read_specs(recipe)
    finder = Finder(model, numbers.get("samples", 4000), numbers.get("seed", 0), on_progress)
    for spec in specs:
        finder.last_layer(spec)
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
    return re.sub(r"[^a-z0-9]+", "-", ascii_name.lower()).strip("-") or "direction"


def check_stems(stems: list[str]) -> None:
    """Raise ConfigError if a file name occurs twice: the second file would replace the first."""
    twice = [stem for i, stem in enumerate(stems) if stem in stems[:i]]
    if twice:
        raise ConfigError(
            "directions with different file names", f"{twice[0]} twice", "Rename one of them."
        )
