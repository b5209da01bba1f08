"""Finding named directions of a model, as a recipe says.

A recipe is a TOML file: `samples` and `seed` of the random codes, and a table [[direction]] for
each direction with the fields of `Wanted`.
"""

import dataclasses
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ...core.checks import check_choice, check_int
from ...core.directions import STANDARD_DEVIATION, Direction, deviation_along
from ...core.errors import ConfigError, InputError
from ...core.inpainter import DISCOVERY_METHODS, Inpainter
from .interfacegan import Boundary, find_boundary, independent
from .scores import SCORES

RECIPES_DIR = Path(__file__).parent / "recipes"
METHODS = (*DISCOVERY_METHODS, "interfacegan")

_CHUNK = 64


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """One direction, and how to find it."""

    name: str
    """What its slider is called."""
    method: str
    """One of `METHODS`."""
    component: int = 0
    """Of sefa and ganspace."""
    score: str = ""
    """Of interfacegan: what grows, one of `SCORES`."""
    apart_from: tuple[str, ...] = ()
    """Of interfacegan: scores that are not to change with it."""
    first_layer: int = 0
    """First style layer that it moves."""
    last_layer: int | None = None
    """Last style layer that it moves (inclusive); the model's last when None."""
    reverse: bool = False
    """Whether positive strengths move the other way."""
    description: str = ""
    """What it changes in the picture."""

    def __post_init__(self) -> None:
        check_choice(self.method, "method", METHODS)
        for score in (self.score, *self.apart_from) if self.method == "interfacegan" else ():
            check_choice(score, "score", SCORES)


@dataclass(frozen=True, eq=False)
class Found:
    """A direction, and how well its score follows from the codes."""

    direction: Direction
    accuracy: float | None = None
    """Of interfacegan: share of held-out codes on the right side of its plane."""


class Finder:
    """Finds directions of one model by samples of its codes, which it draws and scores once."""

    def __init__(self, model: Inpainter, num_samples: int = 4000, seed: int = 0) -> None:
        check_int(num_samples, "samples", 2, float("inf"))
        self._model, self._num_samples, self._seed = model, num_samples, seed
        self._w: Tensor | None = None
        self._boundaries: dict[str, Boundary] = {}
        self._scores: dict[str, Tensor] = {}

    def find(self, wanted: Wanted) -> Found:
        """Return one direction.

        Raises:
            InputError: a number out of range, or scores that part no samples.
        """
        last = self._model.num_layers - 1 if wanted.last_layer is None else wanted.last_layer
        check_int(wanted.first_layer, "first_layer", 0, self._model.num_layers - 1)
        check_int(last, "last_layer", wanted.first_layer, self._model.num_layers - 1)
        if wanted.method == "interfacegan":
            found = self._learn(wanted, last)
        else:
            found = Found(
                self._model.discover(wanted.method, wanted.component, wanted.first_layer, last)
            )
        direction = found.direction
        sign = -1.0 if wanted.reverse else 1.0
        named = dataclasses.replace(
            direction,
            name=wanted.name,
            vector=sign * direction.vector,
            description=wanted.description,
        )
        return dataclasses.replace(found, direction=named)

    def _learn(self, wanted: Wanted, last_layer: int) -> Found:
        boundary = self._boundary(wanted.score)
        others = [self._boundary(score).normal for score in wanted.apart_from]
        normal = independent(boundary.normal, others)
        apart = f", apart from {' and '.join(wanted.apart_from)}" if others else ""
        direction = Direction(
            name=wanted.name,
            vector=(normal * deviation_along(self._codes(), normal)).float(),
            generator_id=self._model.generator_id,
            first_layer=wanted.first_layer,
            last_layer=last_layer,
            unit=STANDARD_DEVIATION,
            source=f"InterFaceGAN (arXiv:1907.10786) on {wanted.score}{apart}, "
            f"{self._num_samples} samples, accuracy {boundary.accuracy:.3f}",
        )
        return Found(direction, boundary.accuracy)

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
        parts: dict[str, list[Tensor]] = {name: [] for name in SCORES}
        layers = self._model.num_layers
        for w in self._codes().split(_CHUNK):
            codes = self._model.codes(w[None, :, None].expand(-1, -1, layers, -1))
            images = self._model.synthesize(codes)
            for name, score in SCORES.items():
                parts[name].append(score(images).cpu())
        self._scores = {name: torch.cat(values) for name, values in parts.items()}


def find_all(model: Inpainter, recipe: Path) -> Iterator[Found]:
    """Yield the directions of a recipe, in its order.

    Raises:
        ConfigError: the recipe cannot be read, or holds an unknown key.
        InputError: see `Finder.find`.
    """
    table = _read(recipe)
    wanted = [_wanted(entry, recipe) for entry in table.pop("direction", [])]
    numbers = {key: table.pop(key) for key in ("samples", "seed") if key in table}
    if table or not wanted:
        raise ConfigError(
            "samples, seed and [[direction]] in a recipe of directions",
            f"{', '.join(table) or 'no direction'} in {recipe}",
            "Correct the recipe.",
        )
    finder = Finder(model, numbers.get("samples", 4000), numbers.get("seed", 0))
    for one in wanted:
        yield finder.find(one)


def _read(recipe: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(recipe.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(
            "a recipe of directions (.toml)", f"{recipe}: {error}", "Correct the file or its path."
        ) from error


def _wanted(entry: dict[str, Any], recipe: Path) -> Wanted:
    lists = {"apart_from": tuple(entry["apart_from"])} if "apart_from" in entry else {}
    try:
        return Wanted(**entry | lists)
    except (TypeError, InputError) as error:
        raise ConfigError(
            "fields of a direction: " + ", ".join(f.name for f in dataclasses.fields(Wanted)),
            f"{error} in {recipe}",
            "Correct the recipe.",
        ) from error
