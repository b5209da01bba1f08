"""Finding named directions of a model, as a recipe says.

A recipe is a TOML file: `samples` and `seed` of the random codes, and a table [[direction]] for
each direction with the fields of `Wanted`.
"""

import dataclasses
import re
import tomllib
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..core.checks import check_choice, check_int
from ..core.config_fields import check_fields, from_mapping
from ..core.directions import STANDARD_DEVIATION, Direction, deviation_along
from ..core.directions.interfacegan import Boundary, find_boundary, independent
from ..core.directions.scores import SCORES
from ..core.errors import ConfigError
from ..core.inpainter import DISCOVERY_METHODS, Inpainter

RECIPES_DIR = Path(__file__).parents[1] / "core" / "directions" / "recipes"
METHODS = (*DISCOVERY_METHODS, "interfacegan")

_CHUNK = 64

OnProgress = Callable[[float, str], None]
"""(share that is done, what is being done)"""


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """One direction, and how to find it.

    Raises:
        InputError: an unknown method or score.
        ConfigError: a field of another type, or of another method.
    """

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
        check_fields(self)
        check_choice(self.method, "method", METHODS)
        if self.method == "interfacegan":
            for score in (self.score, *self.apart_from):
                check_choice(score, "score", SCORES)
        if self.component if self.method == "interfacegan" else self.score or self.apart_from:
            raise ConfigError(
                "component for sefa and ganspace, score and apart_from for interfacegan",
                f"{self.method} with others",
                "Leave out what belongs to another method.",
            )


class Finder:
    """Finds directions of one model by samples of its codes, which it draws and scores once."""

    def __init__(
        self,
        model: Inpainter,
        num_samples: int = 4000,
        seed: int = 0,
        on_progress: OnProgress = lambda share, what: None,
    ) -> None:
        check_int(num_samples, "samples", 2, float("inf"))
        self._model, self._num_samples, self._seed = model, num_samples, seed
        self._on_progress = on_progress
        self._w: Tensor | None = None
        self._boundaries: dict[str, Boundary] = {}
        self._scores: dict[str, Tensor] = {}

    def last_layer(self, wanted: Wanted) -> int:
        """Return the last style layer that a direction moves.

        Raises:
            InputError: layers that the model does not have.
        """
        last = self._model.num_layers - 1 if wanted.last_layer is None else wanted.last_layer
        check_int(wanted.first_layer, "first_layer", 0, self._model.num_layers - 1)
        check_int(last, "last_layer", wanted.first_layer, self._model.num_layers - 1)
        return last

    def find(self, wanted: Wanted) -> Direction:
        """Return one direction.

        Raises:
            InputError: a number out of range, or scores that part no samples.
        """
        last = self.last_layer(wanted)
        if wanted.method == "interfacegan":
            found = self._learn(wanted, last)
        else:
            found = self._model.discover(wanted.method, wanted.component, wanted.first_layer, last)
        sign = -1.0 if wanted.reverse else 1.0
        return dataclasses.replace(
            found, name=wanted.name, vector=sign * found.vector, description=wanted.description
        )

    def _learn(self, wanted: Wanted, last_layer: int) -> Direction:
        boundary = self._boundary(wanted.score)
        others = [self._boundary(score).normal for score in wanted.apart_from]
        normal = independent(boundary.normal, others)
        apart = f", apart from {' and '.join(wanted.apart_from)}" if others else ""
        return Direction(
            name=wanted.name,
            vector=(normal * deviation_along(self._codes(), normal)).float(),
            generator_id=self._model.generator_id,
            first_layer=wanted.first_layer,
            last_layer=last_layer,
            unit=STANDARD_DEVIATION,
            source=f"InterFaceGAN (arXiv:1907.10786) on {wanted.score}{apart}, "
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
        import sklearn  # noqa: F401 - before all the samples are drawn: it may be absent

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
    model: Inpainter, recipe: Path, on_progress: OnProgress = lambda share, what: None
) -> list[Direction]:
    """Return the directions of a recipe, in its order.

    Raises:
        ConfigError: the recipe cannot be read, holds an unknown key, or two directions whose files
            would have one name.
        InputError: see `Finder.find`.
    """
    table = _read(recipe)
    entries = table.pop("direction", [])
    if not isinstance(entries, list):
        entries = [entries]
    wanted = [from_mapping(Wanted, entry, "[direction]") for entry in entries]
    numbers = {key: table.pop(key) for key in ("samples", "seed") if key in table}
    if table or not wanted:
        raise ConfigError(
            "samples, seed and [[direction]] in a recipe of directions",
            f"{', '.join(table) or 'no direction'} in {recipe}",
            "Correct the recipe.",
        )
    finder = Finder(model, numbers.get("samples", 4000), numbers.get("seed", 0), on_progress)
    check_stems([file_stem(one.name) for one in wanted])
    for one in wanted:
        finder.last_layer(one)
    return [finder.find(one) for one in wanted]


def _read(recipe: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(recipe.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(
            "a recipe of directions (.toml)", f"{recipe}: {error}", "Correct the file or its path."
        ) from error


def file_stem(name: str) -> str:
    """Return a file name without ending for a direction's name."""
    ascii_name = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "-", ascii_name.lower()).strip("-") or "direction"


def check_stems(stems: list[str]) -> None:
    """Pass file names that differ.

    Raises:
        ConfigError: one occurs twice, and the second file would replace the first.
    """
    twice = [stem for i, stem in enumerate(stems) if stem in stems[:i]]
    if twice:
        raise ConfigError(
            "directions whose files differ in name", f"{twice[0]} twice", "Rename one."
        )
