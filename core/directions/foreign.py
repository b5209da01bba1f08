"""Directions of other programs, read without running anything in their files.

- InterFaceGAN's boundaries (.npy) and e4e's directions (.pt): one array, [D], [1, D], [L, D] or
  [1, L, D].
- GANSpace's components (.npz): `lat_comp` [K, 1, D], `lat_stdev`, `lat_mean`; e4e's copies of them
  (.pt): `comp`, `std`, `mean`.
- GANSpace's saved edits (.pkl): `lat_comp` [1, D], `edit_start`, `edit_end` (exclusive).
- rosinality's SeFa (.pt): `eigvec` [D, K], one component in each column.

None of them names its generator; the user does. Legend: L style layers, D width of one code, K
components.
"""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from ..checkpoint.importers import Contents, RefusedFileError, open_contents
from ..checks import check_finite, check_int
from ..errors import CheckpointError, InputError
from ..printable import printable
from .components import STANDARD_DEVIATION, deviation_along
from .direction import FORMAT, Direction

_EXPECTED = "a direction of InterFaceGAN, e4e, GANSpace or rosinality (.pt, .npy, .npz, .pkl)"
_COMPONENTS = ("lat_comp", "comp")
_MEANS = ("lat_mean", "mean")
_COLUMNS = "eigvec"
_MAX_NAME = 60
_MAX_VALUES = 2**24
_MEAN_TOLERANCE = 0.5
"""Of the deviation of w: means of random codes differ by a tenth of that."""


@dataclass(frozen=True, eq=False)
class ForeignDirection:
    """What a file says about a direction."""

    vector: Tensor
    """[D], or [L, D] with one row per style layer; float32, of any length."""
    mean: Tensor | None
    """[D], the mean code of its generator."""
    layers: tuple[int, int] | None
    """First and last style layer that it moves."""
    name: str
    """What its authors call it."""
    method: str
    """How it was found."""


def read_foreign_direction(path: str | Path, component: int | None = None) -> ForeignDirection:
    """Read a direction of another program; nothing in the file is run.

    Args:
        path: of a kind that is listed above.
        component: from 0, in files that hold several.

    Raises:
        CheckpointError: the file is missing, damaged, hostile, or holds something else.
        InputError: a component that the file does not have, or none where it has several.
    """
    path = Path(path)
    try:
        contents = open_contents(path)
        if contents.settings("").get("format") == FORMAT:
            raise RefusedFileError("It is a direction of this project.", "Use it as it is.")
        return _choose(contents, path.stem, component)
    except OSError as error:
        reason = error.strerror or str(error)
        problem = f"Cannot read {path}: {reason}."
        raise CheckpointError(_EXPECTED, reason, "Check the path.", problem=problem) from error
    except RefusedFileError as error:
        problem = f"The file {path} cannot be imported. {error.problem}"
        raise CheckpointError(_EXPECTED, str(path), error.remedy, problem=problem) from error


def _choose(contents: Contents, stem: str, component: int | None) -> ForeignDirection:
    names, settings = contents.arrays, contents.settings("")
    found = next((name for name in _COMPONENTS if name in names), None)
    mean, layers, method = None, None, "an imported direction"
    if found is not None:
        vector = _pick(_load(contents, found), component)
        mean = _mean(contents)
        start, end = settings.get("edit_start"), settings.get("edit_end")
        if isinstance(start, int) and isinstance(end, int):
            layers = start, end - 1
        method = "GANSpace (arXiv:2004.02546), imported"
    elif _COLUMNS in names:
        vector = _pick(_load(contents, _COLUMNS).T, component)
        method = "SeFa (arXiv:2007.06600), imported"
    elif len(names) == 1:
        if component is not None:
            raise _no_component(component, 1)
        vector = _rows(_load(contents, next(iter(names))))
    else:
        listed = ", ".join(repr(name[:40]) for name in sorted(names)[:5]) or "none"
        raise RefusedFileError(
            f"It holds {len(names)} arrays ({listed}), and none that is known to be directions.",
            "Give a file with one array, or the components of GANSpace.",
        )
    said = settings.get("name")
    name = printable(said, _MAX_NAME).strip() if isinstance(said, str) else ""
    own = name or stem if component is None else f"{name or stem}:{component}"
    return ForeignDirection(vector, mean, layers, own[-_MAX_NAME:], method)


def _load(contents: Contents, name: str) -> Tensor:
    array = contents.arrays[name]
    if not 0 < array.count <= _MAX_VALUES:
        raise RefusedFileError(
            f"Its array {name!r} has the shape {list(array.shape)}.", "Give a file of directions."
        )
    tensor = array.load(contents.budget)
    check_finite(tensor, "direction")
    return tensor


def _mean(contents: Contents) -> Tensor | None:
    name = next((name for name in _MEANS if name in contents.arrays), None)
    return None if name is None else _load(contents, name).flatten()


def _pick(components: Tensor, component: int | None) -> Tensor:
    """Return one of [K, D] or [K, 1, D]."""
    if components.ndim == 3 and components.shape[1] == 1:
        components = components[:, 0]
    if components.ndim != 2:
        shape = list(components.shape)
        raise RefusedFileError(
            f"Its components have the shape {shape}; those of style codes have [K, 1, D].",
            "Give components that were found in w.",
        )
    if component is None and len(components) > 1:
        raise InputError(
            f"a component from 0 to {len(components) - 1}", "none", "Choose one with --component."
        )
    if component is not None and not 0 <= component < len(components):
        raise _no_component(component, len(components))
    return components[component or 0]


def _no_component(component: int, count: int) -> InputError:
    held = "one direction" if count == 1 else f"components 0 to {count - 1}"
    return InputError(
        held,
        f"component {component}",
        "Choose another --component, or leave it out.",
        problem=f"The file holds {held}, not component {component}.",
    )


def _rows(array: Tensor) -> Tensor:
    """Return [D], or [L, D] where the rows differ or there are several."""
    while array.ndim > 1 and array.shape[0] == 1:
        array = array[0]
    if array.ndim not in (1, 2):
        raise RefusedFileError(
            f"Its array has the shape {list(array.shape)}.",
            "A direction has the shape [D], [1, D], [L, D] or [1, L, D].",
        )
    return array


def adopt(
    foreign: ForeignDirection,
    w_samples: Tensor,
    num_layers: int,
    generator_id: str,
    *,
    name: str | None = None,
    layers: tuple[int, int] | None = None,
    source: str = "",
) -> Direction:
    """Return a foreign direction as one of a generator; strength 1 is one standard deviation of w.

    Rows of different lengths keep their proportions.

    Args:
        foreign: of this generator, which nothing but its mean code can prove.
        w_samples: [N, D] codes from the generator's mapping network.
        num_layers: L of the generator.
        generator_id: its ID.
        name: of its slider; None for what the file or its name says.
        layers: first and last style layer to move (inclusive); None for the file's, or all.
        source: where it comes from, such as the file's name.

    Raises:
        InputError: another width or number of layers than the generator's, layers out of range,
            zeros, or a mean code that is not the generator's.
    """
    vector = foreign.vector
    wanted = (num_layers, w_samples.shape[1])[2 - vector.ndim :]
    if tuple(vector.shape) != wanted:
        raise InputError(
            f"a direction of shape [{w_samples.shape[1]}] or [{num_layers}, {w_samples.shape[1]}]",
            f"{list(vector.shape)}",
            "Give the model that the direction was found for.",
        )
    _check_mean(foreign.mean, w_samples)
    first, last = layers or foreign.layers or (0, num_layers - 1)
    check_int(last, "the last layer", 0, num_layers - 1)
    check_int(first, "the first layer", 0, last)
    moved = vector[None] if vector.ndim == 1 else vector[first : last + 1]
    return Direction(
        name=name or foreign.name,
        vector=vector * _scale(moved, w_samples),
        generator_id=generator_id,
        first_layer=first,
        last_layer=last,
        unit=STANDARD_DEVIATION,
        source=printable(f"{foreign.method} from {source}" if source else foreign.method, 300),
    )


def _scale(rows: Tensor, w_samples: Tensor) -> float:
    """Return the factor that makes the rows as long, on average, as w deviates along them."""
    lengths = rows.double().norm(dim=1)
    moving = lengths > 0
    if not bool(moving.any()):
        raise InputError(
            "a direction that moves something",
            "zeros",
            "Choose other layers or another file.",
            problem="The direction is all zeros in these layers.",
        )
    units = rows[moving].double() / lengths[moving, None]
    deviations = torch.tensor([deviation_along(w_samples, unit) for unit in units])
    return float(
        deviations.double().square().mean().sqrt() / lengths[moving].square().mean().sqrt()
    )


def _check_mean(mean: Tensor | None, w_samples: Tensor) -> None:
    """Raise unless a mean code is that of the samples; a file without one proves nothing."""
    if mean is None:
        return
    samples = w_samples.double()
    if len(mean) == samples.shape[1]:
        spread = float(samples.var(dim=0).sum().sqrt())
        distance = float((mean.double() - samples.mean(dim=0)).norm())
        if distance <= _MEAN_TOLERANCE * spread:
            return
    raise InputError(
        "directions of this model's generator",
        "ones whose mean code is another",
        "Give the model that they were found for; components of z cannot be used.",
        problem="The mean code in the file is not that of this model's generator.",
    )
