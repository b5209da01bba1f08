"""What to evaluate, and what comes of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .images import Images
from .measuring import Buckets, PerImage
from .types import Method

LEFT_OUT = ("c2st", "swd")
"""Metrics that may be left out: they take hours where there are thousands of images."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What to evaluate, and how."""

    data: Path
    """Folder, zip or .txt list of photographs."""
    out: Path
    """Folder of the results."""
    model: str | Path | None = None
    """Bundled name, file or hub id; None measures predictions and baselines only."""
    predictions: Mapping[str, Path] = field(default_factory=dict)
    """Folders of other methods' results by the methods' names, see `read_predictions`."""
    resize: str = "lanczos"
    """Filter for results of another size, one of `FILTERS`."""
    resolution: int | None = None
    """R in pixels; None for the model's."""
    masks: str = "paper"
    """A sampler of `sample_hole_masks`, or the path of masks for `read_mask_set`."""
    hole_range: tuple[float, float] = (0.0, 1.0)
    """Masks have low <= hole ratio < high."""
    inverted: bool = False
    """Whether masks from files are black where the image is to be filled."""
    seed: int = 0
    """Of masks and random codes."""
    split: str = "all"
    """One of `SPLITS`."""
    allow_training_images: bool = False
    """Whether images may be measured on that the model has learned from."""
    count: int | None = None
    """Number of images to measure on; None for all."""
    training: Path | None = None
    """Folder, zip or .txt list of photographs that the model was trained on."""
    batch_size: int = 16
    """Images completed at once, at least 1."""
    without: frozenset[str] = frozenset()
    """Some of `LEFT_OUT`."""
    fit_steps: int = 0
    """Also measure the model with its codes fitted to the valid pixels by so many steps."""
    show: tuple[str, ...] = ()
    """Names of images for the side-by-side sheet; none for a few, evenly spaced by name."""
    device: str | None = None
    """Where to compute; None for the best."""
    weights: Mapping[str, Path | None] = field(default_factory=dict)
    """Files of the feature networks, see `network_metrics`."""
    lite2: bool = False
    """Whether to measure a Frechet distance on EfficientNet-Lite2 as well."""
    cache: Path | None = None
    """File of features that evaluations share; None for OUT/features.sqlite."""
    precision: str = "float32"
    """One of `PRECISIONS`; published values are those of float32."""
    download: bool = False
    """Whether a hub id, and weights that are not given, may be downloaded."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Evaluation:
    """Everything that was measured."""

    methods: Mapping[str, Method]
    """What each method made of the images; methods under test first, then baselines."""
    per_image: PerImage
    buckets: Buckets
    facts: Mapping[str, Any]
    """What the values depend on, plain data for JSON."""
    shown: tuple[str, ...] = ()
    """Names of the images of the side-by-side sheet."""
    training: Images | None = None
    """[T, 3, R, R] uint8, the training images if given."""
