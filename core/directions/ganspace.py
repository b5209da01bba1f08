"""GANSpace: directions along which random codes vary most.

Source: Harkonen et al. 2020, "GANSpace: Discovering Interpretable GAN Controls", arXiv:2004.02546,
section 2.
"""

import torch
from torch import Tensor

from ..checks import check_int
from .components import STANDARD_DEVIATION, deviation_along, exact_samples, orient
from .direction import Direction


def principal_components(w_samples: Tensor) -> Tensor:
    """Return the principal components of w, in order of decreasing variance.

    Args:
        w_samples: [N, D] codes from the mapping network; N of at least 2.

    Returns:
        [min(N, D), D] float64 on the CPU, each of length 1 with its largest element positive.

    Raises:
        InputError: unusable samples.
    """
    samples = exact_samples(w_samples)
    centred = samples - samples.mean(dim=0)
    # Of the covariance: with thousands of samples, their own decomposition takes seconds.
    _, columns = torch.linalg.eigh(centred.T @ centred)
    return orient(columns.T.flip(0)[: len(samples)])


def discover_ganspace(
    w_samples: Tensor, component: int, first_layer: int, last_layer: int, generator_id: str
) -> Direction:
    """Return one principal component of w as a direction; strength 1 is its standard deviation.

    Args:
        w_samples: [N, D] codes from the mapping network.
        component: index from 0, in order of decreasing variance.
        first_layer: first style layer that the direction moves.
        last_layer: last style layer that the direction moves (inclusive).
        generator_id: ID of the generator.

    Raises:
        InputError: a number is out of range, or the samples do not vary along the component.
    """
    vectors = principal_components(w_samples)
    check_int(component, "component", 0, len(vectors) - 1)
    vector = vectors[component]
    return Direction(
        name=f"ganspace:{component}",
        vector=(vector * deviation_along(w_samples, vector)).float(),
        generator_id=generator_id,
        first_layer=first_layer,
        last_layer=last_layer,
        unit=STANDARD_DEVIATION,
        source=f"GANSpace (arXiv:2004.02546), component {component} of {len(w_samples)} samples",
    )
