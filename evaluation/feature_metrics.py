"""Metrics that need a feature network, a classifier or the training pictures.

Legend: n pictures. Where a method gives several results for a picture and mask, the first is
measured, except by the diversity.
"""

import dataclasses
import functools
import logging
from collections.abc import Sequence

import torch
from torch import Tensor

from .c2st import MIN_PICTURES, NUM_FOLDS, share_told_apart
from .extractors import Extractor
from .feature_cache import FeatureCache
from .frechet import frechet_distance
from .ids import discriminative_scores
from .lpips_distance import PairDistance
from .memorisation import COARSE_SIDE, nearest_neighbours
from .types import Estimate, Evaluated, MetricSuite, PictureValues

_log = logging.getLogger(__name__)

CLOSE_PERCENTILE = 5.0
"""A fill is `near_training` if it is nearer to a training picture than this percentile of the
originals, which were never trained on: so 0.05 is what real pictures have."""

_EQUAL = 0.5 / 255  # root mean square: what rounding to 8 bits can make of one picture


def inception_metrics(extractor: Extractor, cache: FeatureCache, suffix: str = "") -> MetricSuite:
    """Return `fid`, `u_ids` and, for completions, `p_ids`; no intervals.

    Args:
        extractor: the network.
        cache: where features are kept; buckets and later runs share them.
        suffix: of the values' names, for a second extractor in one report.
    """
    warned_n = 0

    def measure_one(evaluated: Evaluated) -> dict[str, Estimate]:
        nonlocal warned_n
        if len(evaluated.names) < 2:
            return {}
        real = cache.features(extractor, evaluated.originals)
        fake = cache.features(extractor, evaluated.results[:, 0])
        scores = discriminative_scores(real, fake)
        values = {"fid": frechet_distance(real, fake), "u_ids": scores.u_ids}
        if evaluated.is_paired:
            values["p_ids"] = scores.p_ids
        if scores.warning and len(real) > warned_n:  # it holds for all smaller sets, too
            warned_n = len(real)
            _log.warning("%s", scores.warning)
        return {f"{name}{suffix}": Estimate(value) for name, value in values.items()}

    def measure(methods: Sequence[Evaluated]) -> list[dict[str, Estimate]]:
        return [measure_one(evaluated) for evaluated in methods]

    d = extractor.num_features
    facts = {**dataclasses.asdict(extractor.provenance), "num_features": d}
    facts["pictures_needed"] = f"over {d} in a set, for U-IDS and P-IDS to mean something"
    return MetricSuite(sets=(measure,), facts={f"inception{suffix}": facts})


def lpips_diversity(distance: PairDistance) -> MetricSuite:
    """Return `lpips_diversity`: the distance of two results for one picture and mask.

    Whole composites are compared, as by CoModGAN, so that the equal pixels around the hole count:
    values of different masks are no scale for each other.
    """

    def measure(evaluated: Evaluated) -> dict[str, PictureValues]:
        if evaluated.num_variants < 2:
            return {}
        first, second = evaluated.results[:, 0], evaluated.results[:, 1]
        return {"lpips_diversity": PictureValues.of(distance.distances(first, second))}

    facts = {**dataclasses.asdict(distance.provenance), "compared": "two full composites"}
    return MetricSuite(picture=(measure,), facts={"lpips": facts})


def two_sample_test(num_pictures: int, seed: int, device: torch.device) -> MetricSuite:
    """Return `told_apart`: how often a small network tells original from completion.

    1 where always, 0.5 where never. It is trained once for each method, on all pictures; the mean
    over a bucket is of answers that it gave about the bucket's pictures. With fewer than
    `MIN_PICTURES` it is left out.
    """
    if num_pictures < MIN_PICTURES:
        return MetricSuite.left_out("two_sample", f"measure on {MIN_PICTURES} pictures or more")

    def measure(evaluated: Evaluated) -> dict[str, PictureValues]:
        completed = evaluated.results[:, 0]
        share = share_told_apart(evaluated.originals, completed, seed, device)
        return {"told_apart": PictureValues.of(share)}

    return MetricSuite(picture=(measure,), facts={"two_sample": {"seed": seed, "folds": NUM_FOLDS}})


def memorisation(training: Tensor) -> MetricSuite:
    """Return what `nearest_neighbours` says of fills and of the originals in the same holes.

    `neighbour_distance`: of the fills. `neighbour_ratio`: mean distance of the fills over that of
    the originals; 1 if as new as a real picture. `near_training`: share of fills below
    `CLOSE_PERCENTILE` of the originals. A blurred fill is near to many pictures: read the values
    beside those of the mean-colour fill. Holes too thin to be compared are left out; so are, with
    a warning, originals that the training pictures contain.

    Args:
        training: [T, 3, R, R] uint8, what the method was trained on; R as evaluated.
    """

    @functools.lru_cache(maxsize=1)  # methods share one tensor of originals, one of holes
    def distance_of_originals(originals: Tensor, holes: Tensor) -> Tensor:
        distance = nearest_neighbours(originals, holes, training).distance
        num_equal = int((distance < _EQUAL).sum())
        if num_equal:
            _log.warning(
                "%d of %d pictures are among the training pictures: their neighbours are left out, "
                "and no other metric is to be trusted for what has seen them",
                *(num_equal, len(originals)),
            )
        return distance.where(distance >= _EQUAL, torch.nan)

    def measure(evaluated: Evaluated) -> dict[str, PictureValues]:
        real = distance_of_originals(evaluated.originals, evaluated.holes)
        measured = ~real.isnan()
        results = evaluated.results[:, 0]
        fills = nearest_neighbours(results, evaluated.holes, training).distance.where(measured, 0.0)
        limit = real.nanquantile(CLOSE_PERCENTILE / 100)
        return {
            "neighbour_distance": PictureValues(fills, measured.double()),
            "neighbour_ratio": PictureValues(fills, real.nan_to_num()),
            "near_training": PictureValues(
                ((fills < limit) & measured).double(), measured.double()
            ),
        }

    facts = {"pictures": len(training), "side": COARSE_SIDE, "percentile": CLOSE_PERCENTILE}
    return MetricSuite(picture=(measure,), facts={"neighbours": facts})
