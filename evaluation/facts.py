"""What the numbers of a report depend on, as plain data for JSON."""

import hashlib
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ..core.checkpoint import resolve_source
from ..core.inpainter import Inpainter
from ..core.pretrained import sha256_of
from .bootstrap import BUCKETS
from .protocol import Selection
from .types import Pairs


def selection_facts(selection: Selection) -> dict[str, Any]:
    """Return which images and masks were measured on."""
    pairs = selection.pairs
    return {
        "pictures": len(pairs.names),
        "pictures_by_bucket": {b.label: len(b.members(pairs.ratios)) for b in BUCKETS},
        "pairs_sha256": _digest(pairs),
        "resolution": pairs.originals.shape[-1],
        "mask_pairing": selection.pairing,
    }


def _digest(pairs: Pairs) -> str:
    """Return what is equal if methods were measured on the same images and masks."""
    digest = hashlib.sha256("\n".join(pairs.names).encode())
    for images in (pairs.originals, pairs.holes):
        for part in images.chunks():
            digest.update(part.contiguous().numpy().data)
    return digest.hexdigest()


def model_facts(source: str | Path | None, model: Inpainter, fit_steps: int) -> dict[str, Any]:
    """Return which model was measured, and how."""
    assert source is not None, "there is a model"
    return {
        "source": str(source),
        "sha256": sha256_of(resolve_source(source)),
        "title": model.title,
        "generator_id": model.generator_id,
        "training": model.training,
        "device": str(model.device),
        "precision": model.precision,
        "fit_steps": fit_steps,
    }


def versions() -> dict[str, str]:
    """Return the versions of Python and of the libraries that all numbers depend on."""
    libraries = {name: version(name) for name in ("torch", "numpy", "pillow")}
    return {"python": platform.python_version(), **libraries}
