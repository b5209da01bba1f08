"""Style codes fitted to the visible part of an image, by gradient descent through the generator.

Only colours at low frequencies are fitted: no code reproduces the fur of a photograph strand by
strand, so that a squared error of single pixels is smallest for a blurred image.

Legend: N codes, each with an image of its own, L style layers, D width of one code, R the model's
resolution, M = 1 where a pixel is valid.
"""

import copy
import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from .latents import sample_z
from .networks import DiverseInpaintingModel, Generator
from .progress import OnStep, chunk_size, in_chunks

FIT_STEPS = 15
"""Enough for codes that an encoder made from the image."""
RANDOM_FIT_STEPS = 75
"""Enough for random codes, which have further to go."""
ANCHOR = 0.1
"""Weight of the anchor, for both; on random codes, 0.02 fitted no better."""

_FIT_CHUNK = 8  # at most: a gradient needs every feature map

_LEARNING_RATE = 0.04  # of the first step, in deviations of w
_BETA = 0.9  # of both of Adam's averages; the usual 0.999 of the second settles too late
_DETAIL_WEIGHT = 0.01
_COLOUR_BLOCKS, _DETAIL_BLOCKS = 16, 8  # along a side; those of detail overlap by half
_LEAST_DETAIL = 1e-4  # energy, for images in [-1, 1]: about one step of 255
_PATIENCE, _PROGRESS = 8, 0.01  # a loss stalls if eight steps lower it by less than 1 %
_NUM_SAMPLES = 512  # give the deviation of w within 3 %


def fit_codes(
    model: DiverseInpaintingModel,
    codes: Tensor,
    erased: Tensor,
    valid: Tensor,
    steps: int,
    *,
    anchor: float = ANCHOR,
    on_step: OnStep | None = None,
) -> Tensor:
    """Return codes for which the generator better matches the colours of the valid pixels.

    1. loss = colour + 0.01 detail + anchor * mean(((w - w_start) / deviation of w)^2)
       colour: squared error of the mean colours of 16 x 16 blocks, of the valid pixels in each;
       pixels at the rim of the hole count up to five times as much as those far from it.
       detail: high-frequency energy lost since the start, in the hole as well.
    2. Adam with a decaying learning rate. Each code has its own loss, is left alone once that
       stalls, and ends where it was lowest; so the others do not affect it beyond rounding.

    Works in inference mode, and leaves the model as it is.

    Args:
        model: only G is used.
        codes: [N, L, D] to start from; without any valid pixel they are returned as they are.
        erased: [N, 3, R, R] M*I in [-1, 1].
        valid: [N, 1, R, R] M.
        steps: 0 or more.
        anchor: 0 or more; the higher, the nearer codes stay to their start, and variants apart.
        on_step: called after each step of a few codes, with the steps of all codes and their total.

    Returns:
        [N, L, D] float32 without gradient.

    Source: inversion by optimisation as in Image2StyleGAN, Abdal et al. 2019, arXiv:1904.03189;
        the loss is our own.
    """
    with torch.inference_mode(False), torch.no_grad():  # ComfyUI runs nodes in inference mode
        start, erased, valid = (_normal(tensor).float() for tensor in (codes, erased, valid))
        result = start.clone()
        rows = valid.flatten(1).any(dim=1).nonzero()[:, 0]
        if steps == 0 or len(rows) == 0:
            return result
        model = _differentiable(model)
        scale = deviation_of_w(model.generator)

        def offsets(part: slice) -> Tensor:
            chunk = rows[part]
            objective = _Objective(model, start[chunk], erased[chunk], valid[chunk], scale, anchor)

            def report(step: int) -> None:
                if on_step is not None:
                    on_step(part.start * steps + len(chunk) * step, len(rows) * steps)

            return _descend(objective, steps, report)

        # A step is a pass forward and one back: three times as slow as an image.
        size = min(max(chunk_size(erased.shape[-1], erased.device) // 2, 1), _FIT_CHUNK)
        result[rows] += in_chunks(offsets, len(rows), size) * scale
        return result


def _normal(tensor: Tensor) -> Tensor:
    """Return a tensor that autograd accepts: a copy of one that was made in inference mode."""
    return tensor.clone() if tensor.is_inference() else tensor.detach()


def _differentiable(model: DiverseInpaintingModel) -> DiverseInpaintingModel:
    """Return the model, or one with a copy of a generator that was loaded in inference mode."""
    generator = model.generator
    if not any(t.is_inference() for t in (*generator.parameters(), *generator.buffers())):
        return model
    return model.with_parts({"generator": copy.deepcopy(generator).requires_grad_(False)})


@torch.no_grad()
def deviation_of_w(generator: Generator) -> Tensor:
    """Return the standard deviation of random codes in each dimension, [D]."""
    z = sample_z(0, _NUM_SAMPLES, generator.config.z_dim).to(generator.w_avg.device)
    return generator.mapping(z).std(dim=0)


class _Objective:
    """The loss of each code of a chunk, as a function of its offset in deviations of w."""

    def __init__(
        self,
        model: DiverseInpaintingModel,
        start: Tensor,
        erased: Tensor,
        valid: Tensor,
        scale: Tensor,
        anchor: float,
    ) -> None:
        self.model, self.start, self.valid = model, start, valid
        self.scale, self.anchor = scale, anchor
        self.share = _block_means(valid, _COLOUR_BLOCKS).clamp(min=1e-6)
        self.colours = _block_means(erased, _COLOUR_BLOCKS) / self.share
        weight = _block_means(valid * _rim_weight(valid), _COLOUR_BLOCKS)
        self.weight = weight / weight.sum(dim=(1, 2, 3), keepdim=True)
        self.detail = _log_detail(model.synthesize(start))

    def __call__(self, offset: Tensor, rows: Tensor) -> Tensor:
        """Return the losses [n] of the chunk's codes at these rows [n], for offsets [n, L, D]."""
        image = self.model.synthesize(self.start[rows] + offset * self.scale)
        anchor = offset.square().mean(dim=(1, 2))
        lost = (self.detail[rows] - _log_detail(image)).clamp(min=0)
        detail = lost.square().mean(dim=(1, 2, 3))
        return self._colour(image, rows) + _DETAIL_WEIGHT * detail + self.anchor * anchor

    def _colour(self, image: Tensor, rows: Tensor) -> Tensor:
        """Return the weighted squared error of the blocks' mean colours, [n]."""
        means = _block_means(image * self.valid[rows], _COLOUR_BLOCKS) / self.share[rows]
        error = (means - self.colours[rows]).square().mean(dim=1, keepdim=True)
        return (error * self.weight[rows]).sum(dim=(1, 2, 3))


def _rim_weight(valid: Tensor) -> Tensor:
    """Return 1/4 plus twice the hole's share of the square around each pixel, a quarter wide."""
    reach = valid.shape[-1] // 8
    return 0.25 + 2 * F.avg_pool2d(1 - valid, 2 * reach + 1, stride=1, padding=reach)


def _block_means(maps: Tensor, num_blocks: int) -> Tensor:
    return F.avg_pool2d(maps, maps.shape[-1] // num_blocks)


def _log_detail(image: Tensor) -> Tensor:
    """Return the logarithm of an image's high-frequency energy in overlapping blocks."""
    smooth = F.avg_pool2d(image, 3, stride=1, padding=1, count_include_pad=False)
    energy = (image - smooth).square().mean(dim=1, keepdim=True)
    side = image.shape[-1] // _DETAIL_BLOCKS
    return (F.avg_pool2d(energy, side, stride=side // 2) + _LEAST_DETAIL).log()


def _descend(objective: _Objective, steps: int, report: Callable[[int], None]) -> Tensor:
    """Return the offsets [N, L, D] of the lowest losses that Adam finds within so many steps."""
    search = _Search(objective)
    for step in range(1, steps + 1):
        search.move(step, _LEARNING_RATE * (0.55 + 0.45 * math.cos(math.pi * (step - 1) / steps)))
        report(steps if search.is_over else step)
        if search.is_over:
            return search.best
    search.note(objective(search.offset[search.rows], search.rows))  # of the last step
    return search.best


class _Search:
    """Adam on each code of a chunk by itself, until its loss stalls."""

    def __init__(self, objective: _Objective) -> None:
        self.objective = objective
        self.offset = torch.zeros_like(objective.start)
        self.gradient, self.power = torch.zeros_like(self.offset), torch.zeros_like(self.offset)
        self.best = self.offset.clone()
        self.rows = torch.arange(len(self.offset), device=self.offset.device)
        """Codes whose loss has not stalled."""
        self.lowest = [self.offset.new_full((len(self.offset),), math.inf)]
        """Lowest losses [N] so far, after each step."""

    @property
    def is_over(self) -> bool:
        """Whether all losses have stalled."""
        return len(self.rows) == 0

    def note(self, losses: Tensor) -> None:
        """Keep the offsets whose losses [n] are the lowest so far."""
        rows, lowest = self.rows, self.lowest[-1].clone()
        better = rows[losses < lowest[rows]]
        self.best[better] = self.offset[better]
        lowest[rows] = torch.minimum(lowest[rows], losses)
        self.lowest.append(lowest)

    def move(self, step: int, learning_rate: float) -> None:
        """Take a step, counted from 1, then stop the codes whose loss has stalled."""
        rows = self.rows
        with torch.enable_grad():
            offset = self.offset[rows].requires_grad_()
            losses = self.objective(offset, rows)
            (gradient,) = torch.autograd.grad(losses.sum(), offset)
        self.note(losses.detach())
        self.gradient[rows] = self.gradient[rows].lerp(gradient, 1 - _BETA)
        self.power[rows] = self.power[rows].lerp(gradient.square(), 1 - _BETA)
        # Both averages start at 0 and lack the same share of their weights.
        direction = self.gradient[rows] / (self.power[rows].sqrt() + 1e-12)
        self.offset[rows] -= learning_rate / math.sqrt(1 - _BETA**step) * direction
        if step > _PATIENCE:
            progress = self.lowest[-1] < (1 - _PROGRESS) * self.lowest[-1 - _PATIENCE]
            self.rows = rows[progress[rows]]
