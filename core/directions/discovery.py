"""Directions found in a generator itself, without any images."""

import torch
from torch import Tensor

from ..checks import check_choice, checked_layers
from ..latents import sample_z
from ..networks import Generator
from ..progress import OnStep, in_chunks
from .direction import Direction
from .ganspace import discover_ganspace
from .sefa import discover_sefa

DISCOVERY_METHODS = ("sefa", "ganspace")
"""From the generator's weights, and from samples of its mapping network."""

_NUM_SAMPLES = {"sefa": 512, "ganspace": 10_000}
_SAMPLES_AT_ONCE = 500


def discover_direction(
    generator: Generator,
    generator_id: str,
    method: str,
    component: int,
    layers: tuple[int, int],
    on_step: OnStep | None = None,
) -> Direction:
    """Return a direction whose unit is one standard deviation of w.

    Args:
        generator: on any device.
        generator_id: its ID.
        method: one of `DISCOVERY_METHODS`.
        component: from 0, the one that changes most.
        layers: first and last style layer that it moves (inclusive).
        on_step: called with samples done and their total; may raise to interrupt.

    Raises:
        InputError: unknown method, or a number out of range.
    """
    check_choice(method, "method", DISCOVERY_METHODS)
    first, last = checked_layers(*layers, generator.config.num_layers)
    w_samples = _sample_w(generator, _NUM_SAMPLES[method], on_step)
    if method == "ganspace":
        return discover_ganspace(w_samples, component, first, last, generator_id)
    affines = generator.synthesis.style_affines()
    return discover_sefa(affines, component, first, last, generator_id, w_samples=w_samples)


@torch.no_grad()
def _sample_w(generator: Generator, num: int, on_step: OnStep | None) -> Tensor:
    def some(rows: slice) -> Tensor:
        z = sample_z(0, rows.stop - rows.start, generator.config.z_dim, first=rows.start)
        return generator.mapping(z.to(generator.w_avg.device))

    return in_chunks(some, num, _SAMPLES_AT_ONCE, on_step)
