"""Groups of variants: keep some and fill up with fresh ones, average them, walk between them.

Legend: B images, V variants, K of them kept, L style layers, D width of one code.
"""

import dataclasses
from collections.abc import Sequence

import torch

from .checks import check_int, check_range
from .errors import InputError
from .latents import MAX_WEIGHT, WPlus, expand_codes, expand_labels

_MAX_STEPS = 1000
_MIN_SUM = 1e-3  # of weights


def kept_first(kept: WPlus, fresh: WPlus, num_variants: int) -> WPlus:
    """Return kept variants, and the last of fresh ones in the places that remain.

    Args:
        kept: [B, K, L, D], or of one image for all.
        fresh: of the same generator; one image serves all. As many variants as places remain,
            or more; with no place left, any number.
        num_variants: V, how many to return.

    Raises:
        GeneratorMismatchError: codes of another generator.
        InputError: more kept codes than V, or numbers of images that do not fit.
    """
    kept.check_like(fresh)
    check_kept(kept, num_variants)
    K, B = kept.num_variants, max(kept.batch, fresh.batch)
    codes = expand_codes(kept, B, K, "kept codes").unflatten(0, (B, K))
    labels = expand_labels(kept, B, K)
    if num_variants > K:
        rest = fresh[:, list(range(K - num_variants, 0))]
        filling = expand_codes(rest, B, num_variants - K, "fresh codes").to(codes)
        codes = torch.cat([codes, filling.unflatten(0, (B, num_variants - K))], dim=1)
        labels = _interleaved(labels, expand_labels(rest, B, num_variants - K), B)
    return dataclasses.replace(kept, codes=codes, labels=labels)


def check_kept(kept: WPlus, num_variants: int) -> None:
    """Raise InputError if more variants are kept than are wanted."""
    if num_variants < kept.num_variants:
        raise InputError(
            f"at most {num_variants} kept variants",
            f"{kept.num_variants}",
            "Raise num_variants or keep fewer.",
            problem=f"{kept.num_variants} variants are kept, but only {num_variants} are wanted.",
        )


def _interleaved(first: tuple[str, ...], second: tuple[str, ...], batch: int) -> tuple[str, ...]:
    """Return the labels of two groups of variants for each image; () unless both are known."""
    if not first or not second:
        return ()
    k, n = len(first) // batch, len(second) // batch
    rows = ((*first[b * k : b * k + k], *second[b * n : b * n + n]) for b in range(batch))
    return tuple(label for row in rows for label in row)


def average(codes: WPlus, weights: Sequence[float]) -> WPlus:
    """Return the weighted mean of the variants, [B, 1, L, D].

    Args:
        codes: [B, V, L, D].
        weights: V of them, from -100 to 100; only their proportions count.

    Raises:
        InputError: another number of weights, one out of range, or a sum of 0.
    """
    V = codes.num_variants
    for weight in weights:
        check_range(weight, "weight", -MAX_WEIGHT, MAX_WEIGHT)
    if len(weights) != V or abs(sum(weights)) < _MIN_SUM:
        raise InputError(
            f"{V} weights, one for each variant, whose sum is not 0",
            f"{len(weights)} with a sum of {sum(weights):g}",
            "Correct the weights, or pick the variants first.",
        )
    w = codes.codes.new_tensor([weight / sum(weights) for weight in weights])
    mean = (codes.codes * w[None, :, None, None]).sum(dim=1, keepdim=True)
    return dataclasses.replace(codes, codes=mean, labels=())


def walk(codes: WPlus, steps: int, loop: bool = False) -> WPlus:
    """Return codes on the way from each variant to the next, in equal steps.

    Codes are interpolated linearly in W+. A spherical interpolation needs latents z, which
    codes that were encoded, mixed, fitted or edited do not have.

    Args:
        codes: [B, V, L, D] with V of at least 2.
        steps: from one variant to the next, at least 1; 1 returns the variants themselves.
        loop: whether to go back to the first variant. It is not repeated at the end, so that
            a video of the frames loops evenly.

    Returns:
        [B, N, L, D] with N = (V - 1) * steps + 1, or V * steps for a loop.

    Raises:
        InputError: a single variant, or steps out of range.
    """
    check_int(steps, "steps", 1, _MAX_STEPS)
    V = codes.num_variants
    if V < 2:
        raise InputError(
            "codes of two variants or more",
            "one variant",
            "Sample or pick more variants to walk between.",
        )
    frames = []
    for frame in range(V * steps if loop else (V - 1) * steps + 1):
        k, step = divmod(frame, steps)
        here, there = codes.codes[:, k], codes.codes[:, (k + 1) % V]
        frames.append(here.lerp(there, step / steps) if step else here)
    return dataclasses.replace(codes, codes=torch.stack(frames, dim=1), labels=())
