"""Gradient-domain blending: a completion that meets its image without a seam.

Legend: V variants, C channels, h x w pixels of the box around a hole.

result = completion + membrane. The membrane is harmonic in the hole; beside it, on valid pixels, it
is image minus completion. So the result has the completion's detail and the image's colours.

Source: Perez et al. 2003, "Poisson image editing", with the completion's gradients as guidance.
Deviates where the image ends, where the membrane is level (Neumann).
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from .checks import check_choice
from .multigrid import enlarge, solve_laplace
from .printable import get_logger

_log = get_logger(__name__)

BLENDS = ("seamless", "feather", "paste")
"""`paste`: Eq. 4; `feather`: the same with a ramp outside the hole; `seamless`: the same after the
completion has got the colours of the hole's surroundings."""

_MAX_PIXELS = 1024**2  # a larger box is solved for squares of 2, 4 ... pixels and interpolated
# The completion knows no detail of the image below its own pixels, `scale` pixels of the image. To
# follow it, and the noise of a sensor, would draw streaks into the hole.
_SMOOTH_FRAC = 0.25
_MIN_SIGMA_PX = 0.3  # below, a neighbour weighs less than 0.4 %


def choose_blend(blend: str | None, feather_px: int) -> str:
    """Return the blend to use; None means `feather` where feather_px > 0, else `seamless`.

    A width that the blend does not use is logged as a warning.

    Raises:
        InputError: unknown blend.
    """
    if blend is None:
        return "feather" if feather_px > 0 else "seamless"
    check_choice(blend, "blend", BLENDS)
    if blend != "feather" and feather_px > 0:
        _log.warning(
            "The feather of %g px has no effect with blend %r; choose 'feather' to use it.",
            *(feather_px, blend),
        )
    return blend


def seamless(original: Tensor, completed: Tensor, weight: Tensor, scale: float) -> Tensor:
    """Add their membranes to completions, in place.

    1. The hole is where the weight is above 0. Without a valid pixel, nothing changes.
    2. Image minus completion is smoothed along the rim of the hole, over a quarter of a pixel of
       the completion.
    3. A box of more than 1024 x 1024 pixels around the hole is solved at a half, a quarter ... of
       its resolution: an approximation.

    Args:
        original: [C, h, w] in [0, 1].
        completed: [V, C, h, w] in [0, 1], known beside the hole, too; changed in place.
        weight: [h, w] in [0, 1], of the completion.
        scale: pixels of the image in a pixel of the completion, along one axis.

    Returns:
        completed; meant for where the weight is above 0.
    """
    rows, columns = _extent(weight.amax(dim=1)), _extent(weight.amax(dim=0))
    hole = weight[rows, columns] > 0
    target = completed[..., rows, columns]
    step = 2 ** math.ceil(math.log2(max(hole.numel() / _MAX_PIXELS, 1)) / 2)
    values, mass = _rim_differences(original[:, rows, columns], target, hole, step)
    if bool(mass.any()):  # else everything is hole, or nothing
        values = _smooth(values, mass, max(scale, 1.0) * _SMOOTH_FRAC / step)
        unknown = _coarse(hole, step) * (mass == 0)
        membrane = solve_laplace(unknown, values)
        if step > 1:
            membrane, known = membrane + values, unknown + (mass > 0)
            while step > 1:
                step //= 2
                membrane = enlarge(membrane, known, [-(-length // step) for length in hole.shape])
                known = torch.ones_like(membrane[:1])
        target.add_(membrane.unflatten(0, target.shape[:2])).clamp_(0, 1)
    return completed


def _extent(weight: Tensor) -> slice:
    """From the first to the last weight above 0, and one further on each side if there is one."""
    index = weight.nonzero()
    if len(index) == 0:
        return slice(0)
    first, last = index[[0, -1], 0].tolist()
    return slice(max(first - 1, 0), last + 2)


def _rim_differences(
    original: Tensor, completed: Tensor, hole: Tensor, step: int
) -> tuple[Tensor, Tensor]:
    """Average image minus completion on the rim, in each square of step x step pixels.

    Returns:
        Means [V * C, h', w'], 0 where no rim is, and the number of rim pixels [1, h', w'].
    """
    near = torch.zeros_like(hole)
    near[1:] |= hole[:-1]
    near[:-1] |= hole[1:]
    near[:, 1:] |= hole[:, :-1]
    near[:, :-1] |= hole[:, 1:]
    rim = near & ~hole
    rows, columns = rim.nonzero(as_tuple=True)
    size = [math.ceil(length / step) for length in hole.shape]
    square = rows // step * size[1] + columns // step
    differences = original[:, rows, columns] - completed[..., rows, columns]
    flat = differences.flatten(0, 1)
    total = flat.new_zeros(len(flat) + 1, size[0] * size[1])
    total.index_add_(1, square, torch.cat([flat, torch.ones_like(flat[:1])]))
    means, mass = total[:-1] / total[-1].clamp(min=1), total[-1:]
    return means.unflatten(1, size), mass.unflatten(1, size)


def _smooth(values: Tensor, mass: Tensor, sigma_px: float) -> Tensor:
    """Average values [n, h, w] over pixels that have a mass [1, h, w], with Gaussian weights."""
    if sigma_px < _MIN_SIGMA_PX:
        return values
    radius = math.ceil(2 * sigma_px)
    weights = [math.exp(-0.5 * (i / sigma_px) ** 2) for i in range(-radius, radius + 1)]
    total = torch.cat([values * mass, mass])
    for dim in (1, 2):
        result = torch.zeros_like(total)
        length = total.shape[dim]
        for shift, weight in enumerate(weights, start=-radius):
            num = length - abs(shift)
            if num > 0:
                part = total.narrow(dim, max(shift, 0), num)
                result.narrow(dim, max(-shift, 0), num).add_(part, alpha=weight)
        total = result
    smooth = total[:-1] / total[-1:].clamp(min=1e-6)
    return smooth * (mass > 0)


def _coarse(hole: Tensor, step: int) -> Tensor:
    """Return 1 for each square of step x step pixels that has a pixel of the hole: [1, h', w']."""
    return F.max_pool2d(hole[None].float(), step, ceil_mode=True)
