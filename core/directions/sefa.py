"""SeFa: directions in closed form from the generator's weights only.

Source: Shen and Zhou 2021, "Closed-Form Factorization of Latent Semantics in GANs",
arXiv:2007.06600, sections 2.2 and 2.3.
"""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from ..checks import check_finite, check_int
from ..errors import InputError
from .components import STANDARD_DEVIATION, deviation_along, orient
from .direction import Direction


def select_affines(
    style_affines: Iterable[tuple[int, Tensor]], first_layer: int, last_layer: int
) -> list[Tensor]:
    """Return the affine weights of a range of style layers.

    Args:
        style_affines: (style layer, weight [C, D]); a layer may occur more than once.
        first_layer: from 0.
        last_layer: inclusive.

    Raises:
        InputError: the range exceeds the generator's layers.
    """
    affines = list(style_affines)
    highest = max((layer for layer, _ in affines), default=-1)
    check_int(first_layer, "first_layer", 0, highest)
    check_int(last_layer, "last_layer", first_layer, highest)
    return [weight for layer, weight in affines if first_layer <= layer <= last_layer]


def factorise(affine_weights: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Return the eigenvalues and eigenvectors of A^T A, the largest first.

    A stacks the weights that map a code to the styles of the chosen layers, one row per channel.
    Each row is divided by its length, as in the authors' code: a direction then ranks by how many
    channels it moves rather than by a few large weights, and the learning-rate multiplier that
    scales a whole layer has no effect.

    Args:
        affine_weights: [C, D] each, any floating-point type and device, at least one.

    Returns:
        values [D] and vectors [D, D] float64 on the CPU; row k of vectors is component k, of
        length 1, with its largest element positive.

    Raises:
        InputError: no weights, weights that are not finite, or of different widths.
    """
    widths = {weight.shape[-1] for weight in affine_weights if weight.ndim == 2}
    if len(widths) != 1 or any(weight.ndim != 2 for weight in affine_weights):
        raise InputError(
            "affine weights of shape [C, D] with one D",
            f"{[list(weight.shape) for weight in affine_weights][:5]}",
            "Get them from Synthesis.style_affines.",
        )
    rows = torch.cat([weight.detach().to("cpu", torch.float64) for weight in affine_weights])
    check_finite(rows, "affine weights")
    # The row of a dead channel stays zero instead of becoming NaN.
    rows = rows / rows.norm(dim=1, keepdim=True).clamp_min(torch.finfo(rows.dtype).tiny)
    values, columns = torch.linalg.eigh(rows.T @ rows)
    return values.flip(0), orient(columns.T.flip(0))


def discover_sefa(
    style_affines: Iterable[tuple[int, Tensor]],
    component: int,
    first_layer: int,
    last_layer: int,
    generator_id: str,
    *,
    w_samples: Tensor | None = None,
) -> Direction:
    """Return one SeFa component as a direction.

    Args:
        style_affines: (style layer, weight [C, D]) of the whole generator, as
            Synthesis.style_affines returns them; those of the layers below are used.
        component: index from 0 to D - 1, in order of decreasing change of the styles.
        first_layer: first style layer that the direction moves.
        last_layer: last style layer that the direction moves (inclusive).
        generator_id: ID of the generator.
        w_samples: [N, D] codes from the mapping network. Given them, strength 1 is one standard
            deviation of w along the component; otherwise it is a step of length 1 in w.

    Raises:
        InputError: a number is out of range, or the samples do not vary or have another width.
    """
    _, vectors = factorise(select_affines(style_affines, first_layer, last_layer))
    check_int(component, "component", 0, vectors.shape[0] - 1)
    vector = vectors[component]
    unit = "a step of length 1 in w"
    if w_samples is not None:
        vector = vector * deviation_along(w_samples, vector)
        unit = STANDARD_DEVIATION
    return Direction(
        name=f"sefa:{component}",
        vector=vector.float(),
        generator_id=generator_id,
        first_layer=first_layer,
        last_layer=last_layer,
        unit=unit,
        source=f"SeFa (arXiv:2007.06600), component {component}, layers {first_layer}-{last_layer}",
    )
